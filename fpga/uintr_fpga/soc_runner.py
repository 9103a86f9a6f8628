"""The runner ``uart``: a compiled program on a board, loaded and watched over the serial line.

The environment says where the board is: UINTR_PORT and UINTR_BAUD (1000000 by default).
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from rel4.compiled.elf import Program
from rel4.compiled.runner import Ending, Listener, RunConfig, RunResult, exited
from rv64.memory_map import RAM_BASE
from uintr_fpga.soc_registers import IDENT, REGISTER_BIT, SocRegister
from uintr_fpga.uartbone import MAX_WORDS, LinkError, SerialPort, read_command, write_command

__all__ = ["SocLink", "run"]

_SECONDS = 2.0
_REGISTERS = 1 << REGISTER_BIT
_HERTZ = 25_000_000


class SocLink:
    """A board with harts, at the end of a serial line.

    Parameters
    ----------
    port : of the line; written to and read from as `SerialPort`

    Members
    -------
    harts, memory_bytes : of the board

    Raises
    ------
    LinkError : it is no such board, or silent.
    """

    def __init__(self, port: Any) -> None:
        self._port = port
        ident = self.read(SocRegister.IDENT)
        if ident != IDENT:
            raise LinkError(f"the board must hold harts (it says RV64), but it says {ident:#x}")
        shape = self.read(SocRegister.SHAPE)
        self.harts = shape & 0xFF
        self.memory_bytes = (shape >> 8) << 10

    def read(self, register: SocRegister) -> int:
        """One register."""
        return self._words(_REGISTERS + register, 1)[0]

    def write(self, register: SocRegister, value: int) -> None:
        """One register."""
        self._port.write(write_command(_REGISTERS + register, [value]), seconds=_SECONDS)

    def load(self, offset: int, data: bytes) -> None:
        """Put ``data`` into main memory, from byte ``offset``, a multiple of four, on."""
        data += bytes(-len(data) % 4)
        words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
        for at in range(0, len(words), MAX_WORDS):
            part = words[at : at + MAX_WORDS]
            self._port.write(write_command(offset // 4 + at, part), seconds=_SECONDS)
        # Writes are not answered: a read behind them comes when they are done.
        self.read(SocRegister.IDENT)

    def memory(self, offset: int, count: int) -> list[int]:
        """``count`` words of 32 bits of main memory, while the harts are in reset."""
        words: list[int] = []
        while len(words) < count:
            part = min(MAX_WORDS, count - len(words))
            words += self._words(offset // 4 + len(words), part)
        return words

    def console(self) -> bytes:
        """What the program has printed since."""
        waiting = self.read(SocRegister.WAITING) & 0xFFFF
        if not waiting:
            return b""
        asked = min(waiting, MAX_WORDS)
        command = bytearray(read_command(_REGISTERS + SocRegister.CONSOLE, asked))
        command[0] = 4  # the same word again and again
        self._port.write(bytes(command), seconds=_SECONDS)
        return bytes(word & 0xFF for word in self._answer(asked) if word >> 8 & 1)

    def _words(self, address: int, count: int) -> list[int]:
        self._port.write(read_command(address, count), seconds=_SECONDS)
        return self._answer(count)

    def _answer(self, count: int) -> list[int]:
        data = self._port.read(4 * count, seconds=_SECONDS)
        return [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]


def _pieces(program: Program) -> Iterator[tuple[int, bytes]]:
    """Where its bytes go, in words of four."""
    for segment in program.segments:
        offset = segment.address - RAM_BASE
        head = offset % 4
        yield offset - head, bytes(head) + segment.data + bytes(segment.size - len(segment.data))


def _refuse(config: RunConfig, link: SocLink, program: Program) -> None:
    for name, wanted in (
        ("trace", config.trace or config.instructions),
        ("gdb", config.gdb is not None),
    ):
        if wanted:
            raise ValueError(f"{name} must not be asked of a board: it has none")
    if config.harts != link.harts:
        raise ValueError(f"harts must be {link.harts} on this board, not {config.harts}")
    if program.end - RAM_BASE > link.memory_bytes:
        raise ValueError(
            f"the program must fit into {link.memory_bytes >> 10} KiB of memory on this board, "
            f"not {(program.end - RAM_BASE + 1023) >> 10}"
        )


def execute(
    link: SocLink, program: Program, config: RunConfig, listener: Listener, *, hertz: int = _HERTZ
) -> RunResult:
    """Load ``program``, let it run to its end, and bring its console."""
    _refuse(config, link, program)
    begun = time.monotonic()
    link.write(SocRegister.RUN, 0)
    for offset, data in _pieces(program):
        link.load(offset, data)
    link.write(SocRegister.LATENCY, config.memory_latency | config.jitter << 8)
    link.write(SocRegister.SEED, config.seed)
    link.write(SocRegister.TOHOST_ADDRESS, program.tohost)
    link.write(SocRegister.RUN, 1)

    console = bytearray()
    pending = list(config.input)
    limit = begun + config.max_cycles / hertz + _SECONDS
    while True:
        ended = link.read(SocRegister.TOHOST)
        part = link.console()
        if part:
            console += part
            listener.console(part)
            continue
        if ended or time.monotonic() > limit:
            break
        if pending and not link.read(SocRegister.WAITING) >> 16 & 1:
            link.write(SocRegister.CONSOLE, pending.pop(0))
    cycles, retired = link.read(SocRegister.CYCLES), link.read(SocRegister.RETIRED)
    link.write(SocRegister.RUN, 0)
    status = ended >> 1 & 0xFF if ended else None
    return RunResult(
        ending=Ending.EXIT if ended else Ending.LIMIT,
        sentence=exited(status, cycles, retired)
        if status is not None
        else f"time limit: {cycles:,} cycles have passed",
        status=status,
        console=bytes(console),
        cycles=cycles,
        instructions=(retired,),
        marks=(),
        seconds=time.monotonic() - begun,
    )


def run(program: Program, config: RunConfig, listener: Listener) -> RunResult:
    """The entry point. Raises LinkError, and ValueError for what a board does not have."""
    path = os.environ.get("UINTR_PORT")
    if not path:
        raise LinkError("port must be given for a board, by UINTR_PORT, but is not")
    with closing(SerialPort(path, baud=int(os.environ.get("UINTR_BAUD", "1000000")))) as port:
        port.drain()
        return execute(SocLink(port), program, config, listener)

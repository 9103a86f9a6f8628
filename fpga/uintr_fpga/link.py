"""Programs to the board and answers back, exactly once, over a line that may lose bytes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rel4.machine.device import DeviceConfig
from uintr.registers import Feature, Flavour
from uintr_fpga.uartbone import LinkError, LostError, SerialPort, read_command, write_command
from uintr_fpga.window import (
    DOORBELL,
    ECHO,
    ECHO_WORD,
    IDENT_WORD,
    MAGIC,
    PROGRAM_WORDS,
    RESULT_WORDS,
    STATUS,
    VERSION,
    checksum,
    register,
)

__all__ = ["BoardLink", "BoardShape"]

T = TypeVar("T")

_HEADER_BYTES = 6
_PAUSE_SECONDS = 0.3
_FLUSH_WORDS = 256
_COUNT = 0x1FF
_REFUSED = 1 << 16
_PROBE_WORDS = 5
"""Words of a probing read: as the first byte of a command it is unknown and does no harm."""


@dataclass(frozen=True, kw_only=True)
class BoardShape:
    """What the board says about itself."""

    config: DeviceConfig
    lines: int
    clock_hz: int


class BoardLink:
    """A board at the end of a serial port.

    A program is sent again until its answers have come back whole. The board executes a program
    number once, so repetition is harmless. If the port itself goes away it is opened again.

    Parameters
    ----------
    path : the serial port
    baud : bit rate
    seconds : how long to wait for an answer
    attempts : how often to try, at least 1

    Members
    -------
    shape : of the board
    baud : bit rate
    retries : how often something had to be repeated
    traffic : bytes sent and received so far, both directions together

    Raises
    ------
    LinkError : the board does not answer, or it is not one of ours.
    """

    def __init__(self, path: str, *, baud: int, seconds: float = 2.0, attempts: int = 6) -> None:
        if seconds <= 0:
            raise ValueError(f"seconds must be above 0, not {seconds!r}")
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {attempts!r}")
        self._path = path
        self.baud = baud
        self._seconds = seconds
        self._attempts = attempts
        self.retries = 0
        self.traffic = 0
        self._astray = True  # where the bridge stands in a command is not known
        self._port: SerialPort | None = SerialPort(path, baud=baud)
        try:
            self._last = -1
            self._last = self._persist(self._greet)
            self.shape = self._persist(self._read_shape)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the port back."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def execute(self, words: Sequence[int], *, expect: int) -> list[int]:
        """Execute a program; returns its answer words. ``expect`` is how many there probably are.

        Raises
        ------
        LinkError : the link failed for good, or the board was reset meanwhile.
        """
        if len(words) > PROGRAM_WORDS:
            raise ValueError(f"a program must have at most {PROGRAM_WORDS} words, not {len(words)}")
        number = self._last + 1 & 0xFF
        header = MAGIC << 24 | number << 16 | len(words)
        tail = [*words, header, checksum([header, *words])]
        bytes_out = write_command(DOORBELL + 1 - len(tail), tail)
        answers = self._persist(lambda: self._try(bytes_out, number, expect))
        self._last = number
        return answers

    def read(self, word: int, count: int = 1) -> list[int]:
        """Words of the window."""
        return self._persist(lambda: self._read(word, count))

    def write(self, word: int, words: Sequence[int]) -> None:
        """Write words of the window; nothing tells whether they arrived."""
        self._need().write(write_command(word, words), seconds=self._seconds)

    # --- one attempt ---------------------------------------------------------------------------

    def _need(self) -> SerialPort:
        if self._port is None:
            self._port = SerialPort(self._path, baud=self.baud)
        return self._port

    def _read(self, word: int, count: int, before: bytes = b"") -> list[int]:
        port = self._need()
        data = before + read_command(word, count)
        self.traffic += len(data) + 4 * count
        port.write(data, seconds=self._seconds)
        data = port.read(4 * count, seconds=self._seconds)
        return [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]

    def _try(self, bytes_out: bytes, number: int, expect: int) -> list[int]:
        """Send the program and read its answers."""
        words = self._read(STATUS, min(2 + expect, RESULT_WORDS - 1), bytes_out)
        status = words[0]
        count = status & _COUNT
        if status >> 24 == number and count + 2 > len(words):
            words += self._read(STATUS + len(words), min(count, RESULT_WORDS) + 2 - len(words))
        if count + 2 > len(words) or words[1 + count] != checksum([*words[1 : 1 + count], status]):
            raise LinkError(f"the answers of the board on {self._path} are garbled")
        if status >> 24 != number:
            if status >> 24 != self._last & 0xFF:
                raise LinkError(
                    f"the board on {self._path} must go on from program {self._last & 0xFF}, "
                    f"but it stands at {status >> 24}: it was reset, or somebody else drives it"
                )
            raise LinkError(f"the board on {self._path} did not take the program")
        if status & _REFUSED:
            raise LinkError(f"the board on {self._path} does not know an operation of the program")
        return words[1 : 1 + count]

    def _greet(self) -> int:
        """Number of the board's last program."""
        ident, shape = self._read(0, 2)
        if ident != IDENT_WORD:
            raise LinkError(f"the board on {self._path} must be one of ours, but says {ident:#x}")
        if shape & 0xFF != VERSION:
            raise LinkError(
                f"the board on {self._path} must have window version {VERSION}, not {shape & 0xFF}"
            )
        (status,) = self._twice(STATUS, 1)
        return status >> 24

    def _twice(self, word: int, count: int) -> list[int]:
        """Words that nothing but repetition protects."""
        words = self._read(word, count)
        if words != self._read(word, count):
            raise LinkError(f"the board on {self._path} must say the same twice, but does not")
        return words

    def _read_shape(self) -> BoardShape:
        first = register("shape").word
        count = register("features").word - first + 1
        words = self._twice(first, count)
        shape, receivers, pages, *addresses, clock, features = words
        base, _, table_base, _ = (
            low | high << 32 for low, high in zip(addresses, [*addresses[1:], 0], strict=True)
        )
        return BoardShape(
            config=DeviceConfig(
                harts=shape >> 8 & 0xFF,
                receivers=receivers,
                base=base,
                table_base=table_base,
                table_pages=pages,
                features=Feature(features),
                latency=shape >> 20 & 0xF,
                flavour=Flavour.INTEL if shape >> 24 & 1 else Flavour.RISCV,
            ),
            lines=shape >> 16 & 0xF,
            clock_hz=clock,
        )

    def _synchronise(self) -> None:
        """Bring the bridge to the beginning of a command, wherever it stands.

        Zeros end a command under way: as data they go to addresses without effect or are covered by
        no checksum. Afterwards the bridge may stand anywhere in the six bytes of an unknown
        command. Six probes, each a byte further on, meet every case, and the one that is answered
        tells which it was.
        """
        port = self._need()
        port.write(bytes(4 * _FLUSH_WORDS), seconds=self._seconds)
        # A read that was under way answers now; nothing but silence says that it is over.
        time.sleep(0.02)
        port.drain()
        probes = [read_command(ECHO + _PROBE_WORDS * probe, _PROBE_WORDS) for probe in range(6)]
        port.write(b"\0".join(probes), seconds=self._seconds)
        data = b""
        while True:
            data += port.read(1, seconds=self._seconds)
            first = int.from_bytes(data[-4:], "big") - (ECHO_WORD | ECHO)
            if len(data) >= 4 and first in range(0, 6 * _PROBE_WORDS, _PROBE_WORDS):
                break
        port.read(4 * (_PROBE_WORDS - 1), seconds=self._seconds)
        later = (_HEADER_BYTES + 1) * (5 - first // _PROBE_WORDS)
        port.write(bytes(-later % _HEADER_BYTES), seconds=self._seconds)

    # --- many attempts -------------------------------------------------------------------------

    def _persist(self, attempt: Callable[[], T]) -> T:
        for left in reversed(range(self._attempts)):
            try:
                if self._astray:
                    self._synchronise()
                    self._astray = False
                return attempt()
            except LinkError as error:
                self._astray = True
                if isinstance(error, LostError):
                    self.close()
                    time.sleep(_PAUSE_SECONDS if left else 0)
                if not left:
                    raise LinkError(f"{error}, {self._attempts} times in a row") from error
                self.retries += 1
        raise AssertionError("unreachable")

"""Lock-step: what the RTL retires, and whether Spike agrees.

Both are libraries in this process: `rtl.cpp` fills a buffer with records of what retired,
`lockstep.cpp` goes through it with Spike. Python hears of the end, and of user interrupts, for the
reference device.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from rel4.compiled.spike import Spike
from rel4.compiled.spike_library import load_library

__all__ = [
    *("CAPACITY", "LockstepError", "Outcome", "Record", "Recorder", "Source", "checker"),
    "lockstep",
]

_FOLDER = Path(__file__).parent
CAPACITY = 4096
"""Records of one round."""


class Record(ctypes.Structure):
    """What one retired instruction tells; `record.h`."""

    _fields_ = (
        *(
            (name, ctypes.c_uint64)
            for name in (
                *("cycle", "order", "pc", "next", "cause", "rs1", "rs2", "value", "address"),
                *("read_data", "write_data", "satp"),
            )
        ),
        ("insn", ctypes.c_uint32),
        *(
            (name, ctypes.c_uint8)
            for name in (
                *("hart", "mode", "trap", "intr", "rd", "read_mask", "write_mask", "status"),
                "enters",
            )
        ),
    )

    def __str__(self) -> str:
        if self.enters:
            return f"{self.cycle:>8} interrupt {self.cause & 0xFF}"
        words = [f"{self.cycle:>8} {'USHM'[self.mode]} {self.pc:016x} {self.insn:08x}"]
        if self.trap:
            words.append(f"trap {self.cause:x}")
        if self.rd:
            words.append(f"x{self.rd}={self.value:x}")
        for name, mask in (("load", self.read_mask), ("store", self.write_mask)):
            if mask:
                words.append(f"{name} {self.address:x}/{mask:02x}")
        if self.write_mask:
            words.append(f"of {self.write_data:x}")
        return " ".join([*words, f"-> {self.next:x}"])


class Source(Protocol):
    """What retires instructions."""

    def run(self, buffer: Any) -> int:
        """Fill the buffer from its beginning, as far as it goes; answer how many records there are.
        None: the program has ended, or its time is over."""
        ...

    @property
    def ended(self) -> bool:
        """The program has ended."""
        ...

    def memory(self) -> bytes:
        """Main memory, once the program has ended and all its stores are there."""
        ...


class LockstepError(Exception):
    """Hardware and Spike differ; the sentence says where, the lines what went before."""


@dataclass(frozen=True)
class Outcome:
    """What a program did.

    Members
    -------
    instructions : retired, or trapped
    interrupts, user_interrupts : taken
    longest : instructions that retired at most before an interrupt that was due
    """

    instructions: int
    interrupts: int
    user_interrupts: int
    longest: int


@cache
def checker() -> ctypes.CDLL:
    """The library that compares; loaded once."""
    library = load_library(_FOLDER / "lockstep.cpp")
    pointer, word = ctypes.c_void_p, ctypes.c_uint64
    records = ctypes.POINTER(Record)
    for name, result, arguments in (
        ("lockstep_new", pointer, (pointer, ctypes.c_int)),
        ("lockstep_delete", None, (pointer,)),
        ("lockstep_check", word, (pointer, records, word)),
        ("lockstep_text", ctypes.c_char_p, (pointer,)),
        ("lockstep_interrupts", word, (pointer,)),
        ("lockstep_user_interrupts", word, (pointer,)),
        ("lockstep_longest", ctypes.c_int, (pointer,)),
        ("recorder_new", pointer, (pointer, ctypes.c_int)),
        ("recorder_delete", None, (pointer,)),
        ("recorder_run", word, (pointer, records, word)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Recorder:
    """Spike in the place of the hardware: to try programs, and the comparison itself."""

    def __init__(self, program: bytes, *, memory_bytes: int, tohost: int) -> None:
        self._spike = Spike(memory_bytes=memory_bytes, tohost=tohost, library=checker())
        self._spike.load([(self._spike.memory_base, program)])
        self._recorder = checker().recorder_new(self._spike.machine, 0)

    def run(self, buffer: Any) -> int:
        return int(checker().recorder_run(self._recorder, buffer, len(buffer)))

    @property
    def ended(self) -> bool:
        return self._spike.tohost != 0

    def memory(self) -> bytes:
        return bytes(self._spike.memory)

    def close(self) -> None:
        """Give everything back."""
        checker().recorder_delete(self._recorder)
        self._spike.close()


@contextmanager
def _following(program: bytes, memory_bytes: int) -> Iterator[tuple[Spike, Any]]:
    library = checker()
    with Spike(memory_bytes=memory_bytes, library=library) as spike:
        spike.load([(spike.memory_base, program)])
        handle = library.lockstep_new(spike.machine, 0)
        try:
            yield spike, handle
        finally:
            library.lockstep_delete(handle)


def lockstep(program: bytes, source: Source, *, memory_bytes: int, limit: int) -> Outcome:
    """Run ``program``, which lies in main memory from its beginning on, to its end on ``source``,
    and repeat it on Spike.

    Raises
    ------
    LockstepError : they differ, or the program did not end within ``limit`` instructions.
    """
    library = checker()
    buffer = (Record * CAPACITY)()
    total = 0
    lines: list[str] = []
    with _following(program, memory_bytes) as (spike, handle):
        while True:
            count = source.run(buffer)
            agreed = library.lockstep_check(handle, buffer, count)
            total += agreed
            if agreed < count:
                spike.check()
                text = library.lockstep_text(handle).decode()
                lines += [str(buffer[each]) for each in range(max(agreed - 12, 0), agreed + 1)]
                raise LockstepError(f"instruction {total}: {text}\n" + "\n".join(lines[-13:]))
            if not count:
                break
            lines = [str(buffer[each]) for each in range(max(count - 12, 0), count)]
            if total > limit:
                raise LockstepError(f"the program must end within {limit} instructions")
        if not source.ended:
            raise LockstepError("the program must end in time\n" + "\n".join(lines))
        if source.memory() != bytes(spike.memory):
            raise LockstepError("main memory must be the same at the end: " + _first(source, spike))
        return Outcome(
            total,
            library.lockstep_interrupts(handle),
            library.lockstep_user_interrupts(handle),
            library.lockstep_longest(handle),
        )


def _first(source: Source, spike: Spike) -> str:
    told, mine = source.memory(), bytes(spike.memory)
    place = next(each for each in range(len(mine)) if told[each] != mine[each]) & ~7
    return (
        f"{spike.memory_base + place:#x} must be {mine[place : place + 8].hex()}, "
        f"not {told[place : place + 8].hex()}"
    )

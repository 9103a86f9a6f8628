"""What runs a compiled program: the protocol, and finding who speaks it.

A runner is a function ``run(program, config, listener) -> RunResult``, named in the entry-point
group ``rel4.runners``. ``rtl`` is the gateware in simulation, ``spike`` an instruction-set
simulator with user interrupts on top. Console, marks, exit and limits mean the same on all of them;
cycles mean something on the RTL alone, elsewhere a cycle is an instruction of one hart.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from rel4.compiled.elf import Program, ProgramError
from rel4.compiled.symbols import Symbols
from rel4.machine.device import find_installed, installed
from rv64.memory_map import RAM_BASE

__all__ = [
    "BEGIN",
    "END",
    "Ending",
    "Listener",
    "Marker",
    "Miss",
    "Part",
    "Retired",
    "RunConfig",
    "RunResult",
    "Runner",
    "double_fault",
    "exited",
    "find_runner",
    "measured_parts",
    "run_program",
    "runner_names",
    "time_limit",
]

MOST_HARTS = 8
MOST_MEMORY_MIB = 1024


class Ending(StrEnum):
    """Why a run ended."""

    EXIT = "exit"
    LIMIT = "time limit"
    DOUBLE_FAULT = "double fault"
    DEBUGGER = "debugger"


class Marker(NamedTuple):
    """A ``mark(id, value)`` of the program, in the cycle in which it retired, and how many
    instructions its hart had retired by then."""

    cycle: int
    hart: int
    id: int
    value: int
    retired: int = 0


BEGIN, END = 1, 2
"""Marks around what a program measures of itself."""


class Part(NamedTuple):
    """What a hart did between two marks."""

    cycles: int
    instructions: int


def measured_parts(marks: Iterable[Marker]) -> dict[int, Part]:
    """Between the last mark `BEGIN` and the first `END` behind it, of each hart that has both."""
    begun: dict[int, Marker] = {}
    found: dict[int, Part] = {}
    for mark in marks:
        if mark.id == BEGIN:
            begun[mark.hart] = mark
            found.pop(mark.hart, None)
        elif mark.id == END and mark.hart in begun and mark.hart not in found:
            first = begun[mark.hart]
            part = Part(mark.cycle - first.cycle, mark.retired - first.retired)
            if part.instructions:
                found[mark.hart] = part
    return found


class Retired(NamedTuple):
    """An instruction that retired, or trapped.

    ``insn`` as it was fetched, 16 or 32 bits; ``cause`` means something with ``trap`` or ``intr``
    (first instruction of an interrupt's handler); ``rs1`` is the first operand's value, ``rd`` the
    register written (0: none) and ``value`` what with. ``address`` is virtual and aligned to eight
    bytes, with a mask of bytes read and one of bytes written; ``data`` is the word written or read.
    For UIPI SEND they are the sender-table entry and where it lies. ``status`` is how a UIPI or a
    user-interrupt CSR was answered. ``interrupted`` is where the hart was with ``intr``.
    """

    cycle: int
    hart: int
    pc: int
    next_pc: int
    insn: int
    mode: int
    trap: bool
    intr: bool
    cause: int
    rs1: int
    rd: int
    value: int
    address: int
    read_mask: int
    write_mask: int
    data: int
    satp: int
    status: int
    interrupted: int


class Miss(NamedTuple):
    """A cache line had to be fetched, or a page table walked; ``what``: "icache", "dcache" or
    "walk"."""

    cycle: int
    hart: int
    what: str


class Listener:
    """Who hears of a run while it goes on; override what is wanted."""

    def console(self, data: bytes) -> None:
        """The program printed ``data``."""

    def progress(self, text: str) -> None:
        """Something takes long, such as a build; one sentence."""

    def retired(self, record: Retired) -> None:
        """With `RunConfig.instructions` every instruction; with `RunConfig.trace` those of
        interest: traps, the first of a handler, everything of opcodes SYSTEM and UIPI, and each
        first one in another function or another address space."""

    def miss(self, record: Miss) -> None:
        """With `RunConfig.trace`."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How a program is run.

    Parameters
    ----------
    harts : 1 to 8
    memory_mib : main memory in MiB, 1 to 1024
    memory_latency : cycles from a read of main memory to its first word, 1 to 200
    jitter : up to so many cycles are added by chance, 0 to 200
    seed : of chance
    cache_kib : size of each cache in KiB: 4, 8 or 16
    max_cycles : the run ends after so many
    trace, instructions : what the listener hears
    input : what can be read from the console
    gdb : port to wait for a debugger at, or None

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    harts: int = 1
    memory_mib: int = 16
    memory_latency: int = 1
    jitter: int = 0
    seed: int = 1
    cache_kib: int = 4
    max_cycles: int = 100_000_000
    trace: bool = False
    instructions: bool = False
    input: bytes = b""
    gdb: int | None = None

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("harts", self.harts, 1, MOST_HARTS),
            ("memory", self.memory_mib, 1, MOST_MEMORY_MIB),
            ("memory-latency", self.memory_latency, 1, 200),
            ("jitter", self.jitter, 0, 200),
            ("seed", self.seed, 0, (1 << 32) - 1),
            ("max-cycles", self.max_cycles, 1, (1 << 62) - 1),
            ("gdb", 1024 if self.gdb is None else self.gdb, 0, 65_535),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} must be {least} to {most}, not {value!r}")
        if self.cache_kib not in (4, 8, 16):
            raise ValueError(f"cache must be 4, 8 or 16 KiB, not {self.cache_kib!r}")

    def check(self, program: Program) -> None:
        """Raises ProgramError if the memory is too small for ``program``."""
        if program.end > RAM_BASE + (self.memory_mib << 20):
            needed = -(-(program.end - RAM_BASE) >> 20)
            raise ProgramError(
                f"memory must be at least {needed} MiB for {program.path}, not {self.memory_mib}"
            )


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a run.

    Parameters
    ----------
    ending : why it ended
    sentence : the same, with what and where
    status : the program's exit status, 0 to 255; None if it did not end by itself
    console : all it printed
    cycles : of the clock
    instructions : retired, of each hart
    marks : in order
    seconds : that the simulation took
    """

    ending: Ending
    sentence: str
    status: int | None
    console: bytes
    cycles: int
    instructions: tuple[int, ...]
    marks: tuple[Marker, ...]
    seconds: float


Runner = Callable[[Program, RunConfig, Listener], RunResult]
"""What an entry point of the group ``rel4.runners`` names. It raises ValueError for a configuration
that it does not have, and DeviceError if what it needs is missing or fails."""


def exited(status: int, cycles: int, instructions: int) -> str:
    """The sentence of `Ending.EXIT`."""
    after = f"after {cycles:,} cycles and {instructions:,} instructions"
    return f"the program ended with exit status {status} {after}"


def time_limit(cycles: int, harts: Sequence[tuple[int, bool]], symbols: Symbols) -> str:
    """The sentence of `Ending.LIMIT`; of each hart its pc, and whether it stands at a WFI."""
    where = ", ".join(
        f"hart {hart} {'waits' if waits else 'runs'} at {symbols.name(pc)}"
        for hart, (pc, waits) in enumerate(harts)
    )
    return f"time limit: {cycles:,} cycles have passed, and {where}"


def double_fault(hart: int, cause: int, pc: int, symbols: Symbols) -> str:
    """The sentence of `Ending.DOUBLE_FAULT`."""
    return (
        f"double fault: hart {hart} trapped at {symbols.name(pc)}, the first instruction of its "
        f"own trap handler (cause {cause})"
    )


runner_names, find_runner = partial(installed, "runner"), partial(find_installed, "runner")


def run_program(
    program: Program,
    config: RunConfig | None = None,
    *,
    runner: str = "rtl",
    listener: Listener | None = None,
) -> RunResult:
    """Run ``program`` to its end on the runner of that name.

    Raises
    ------
    As `find_runner`, and as runners do; ProgramError if the memory is too small for the program.
    """
    config = RunConfig() if config is None else config
    config.check(program)
    result: RunResult = find_runner(runner)(program, config, listener or Listener())
    return result

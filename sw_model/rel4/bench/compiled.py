"""One point of the experiment as machine code: the compiled system on real harts.

The program tells its moments by marks, of one cycle each; they make the same event log as a run of
the model, and the same conservation is checked in it.
"""

import hashlib
import os
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rel4.abi.c_header import KERNEL_POLICIES, Moment, c_header
from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.compiled.compiler import find_compiler
from rel4.compiled.elf import Program, load_program
from rel4.compiled.runner import Ending, Listener, Marker, RunConfig, RunResult, run_program
from rel4.compiled.sources import sources_folder
from rel4.compiled.system import build_system, configured
from rel4.machine import events as ev
from rel4.trace.logfile import write_log
from uintr.registers import CSRS, Csr, Flavour, Status, UipiFunction

from .analysis import window
from .campaign import identity
from .conservation import ConservationError, PendingAtEnd, check_conservation
from .point import Point
from .policies import find_policy
from .results import PointRecord, make_record

__all__ = [
    "MOST_CONCURRENCY",
    "Setup",
    "check_compiled",
    "compiled_name",
    "image_words",
    "log_of",
    "made_with",
    "ring_capacity",
    "run_compiled",
    "run_image",
    "system",
]

MOST_CONCURRENCY = 1024
"""Coroutines that the compiled executor has room for."""
LEAST_CAPACITY = 8
TICKS_SPARE = 2
"""A run is given so many timer periods for each call before it counts as hanging."""
_CAUSES = {
    8: ev.TrapCause.ECALL,
    1 << 63 | 1: ev.TrapCause.IPI,
    1 << 63 | 5: ev.TrapCause.TIMER,
    1 << 63 | 9: ev.TrapCause.UIPI,
}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What machine code is made with, and what it runs on.

    Parameters
    ----------
    device : name of a runner: ``rtl``, ``spike``
    memory_latency, cache_kib : as `RunConfig`
    compiler, optimise : as `compile_program`
    root_switch : what a trap does to the root page table: 0 nothing, 1 it goes to the kernel's own
        and back, 2 the same and translations are forgotten both times
    fastpath : short IPC takes seL4's fastpath

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    device: str = "rtl"
    memory_latency: int = 1
    cache_kib: int = 4
    compiler: str = "clang"
    optimise: str = "2"
    root_switch: int = 0
    fastpath: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.root_switch <= 2:
            raise ValueError(f"root-switch must be 0, 1 or 2, not {self.root_switch!r}")
        RunConfig(memory_latency=self.memory_latency, cache_kib=self.cache_kib)

    @property
    def flags(self) -> str:
        """What the compiler was told beyond what it is always told."""
        return " ".join((f"-O{self.optimise}", *(f"-D{each}" for each in self.defines)))

    @property
    def defines(self) -> tuple[str, ...]:
        """What is chosen when the kernel is built, as far as it is not the usual."""
        chosen = (("ROOT_SWITCH", self.root_switch), ("FASTPATH", int(self.fastpath)))
        return tuple(f"{name}={value}" for name, value in chosen if value)


@cache
def _digest(setup: Setup, program: str) -> str:
    """Of all that the compiled system is made of."""
    found = find_compiler(setup.compiler)
    key = hashlib.sha256(
        "\0".join((program, found.version, setup.flags, *found.compile, c_header())).encode()
    )
    for path in sorted(sources_folder().rglob("*.[chSl]*")):
        key.update(path.read_bytes())
    return key.hexdigest()[:16]


@cache
def system(setup: Setup, program: str = "experiment") -> Program:
    """The compiled system, built unless it was before with the same sources and compiler."""
    folder = Path(os.environ.get("UINTR_BUILD", "build")).absolute() / "compiled"
    out = folder / f"{program}-{_digest(setup, program)}.elf"
    if out.is_file():
        return load_program(out)
    folder.mkdir(parents=True, exist_ok=True)
    return build_system(
        out,
        compiler=setup.compiler,
        optimise=setup.optimise,
        program=program,
        defines=setup.defines,
    )


def compiled_name(point: Any, setup: Setup, program: str = "experiment") -> str:
    """The name of a run of ``point`` as machine code (`rel4.bench.point.run_name`). The system is
    built."""
    system(setup, program)
    code = _digest(setup, program)
    return identity(software="compiled", code=code, setup=asdict(setup), point=asdict(point))


def run_compiled(
    point: Point, setup: Setup, *, run: str = "", log_path: Path | None = None
) -> PointRecord:
    """Run one point as machine code, and measure between its marks; ``run`` is its name in record
    and log.

    Raises
    ------
    ValueError : the compiled system does not have what the point asks for.
    CompileError, DeviceError : the compiler or the device is missing.
    ConservationError : the run lost or invented something, or did not end.
    """
    started = time.perf_counter()
    result = _run(point, setup)
    log = log_of(result.marks)
    check_conservation(log, PendingAtEnd(), point.flavour)
    wall_s = time.perf_counter() - started
    measured = window(log, by_place=True)  # Spike has no cycles
    if log_path is not None:
        about = {"run": run, "software": "compiled", **asdict(setup), **asdict(point)}
        write_log(log.lines(), log_path, about)
    return make_record(
        run=run,
        device=setup.device,
        policy=point.policy,
        harts=point.harts,
        concurrency=point.concurrency,
        rounds=point.rounds,
        timer_period=point.timer_period,
        seed=point.seed,
        cycles=measured.cycles,
        syscalls=point.calls,
        traps=measured.traps(ev.TrapCause.ECALL),
        timer_traps=measured.traps(ev.TrapCause.TIMER),
        user_interrupts=measured.user_interrupts,
        wall_s=wall_s,
        **made_with(setup),
    )


def made_with(setup: Setup) -> dict[str, Any]:
    """What a record says of a compiled run beyond its point."""
    return {
        "software": "compiled",
        "compiler": find_compiler(setup.compiler).version,
        "flags": setup.flags,
        "cache_kib": setup.cache_kib,
        "memory_latency": setup.memory_latency,
    }


def _run(point: Point, setup: Setup) -> RunResult:
    return run_image(
        configured(system(setup), image_words(point)),
        setup,
        harts=point.harts,
        seed=point.seed,
        max_cycles=TICKS_SPARE * point.timer_period * point.calls + 2_000_000,
    )


def run_image(
    program: Program, setup: Setup, *, harts: int, max_cycles: int, seed: int = 1
) -> RunResult:
    """Run a program whose status says whether it came out right.

    Raises
    ------
    ConservationError : it did not, or did not end.
    """
    config = RunConfig(
        harts=harts,
        memory_latency=setup.memory_latency,
        cache_kib=setup.cache_kib,
        seed=seed,
        max_cycles=max_cycles,
    )
    result = run_program(program, config, runner=setup.device, listener=Listener())
    if result.ending is not Ending.EXIT or result.status != 0:
        said = result.console.decode("utf-8", "replace").strip()
        raise ConservationError(f"{result.sentence}" + (f": {said}" if said else ""))
    return result


def image_words(point: Point) -> dict[str, list[int]]:
    """What is written into the image for a point."""
    check_compiled(point)
    policy = find_policy(point.policy)
    style = policy.style
    phases = random.Random(f"timer-phase/{point.seed}/{point.concurrency}")
    name = point.policy if policy.asynchronous else "never"
    # Where the kernel can be told without a trap, requests are published at once anyway.
    batch = 8 if style.direct else style.batch
    return {
        "parameters": [
            point.harts,
            point.timer_period,
            *(phases.randrange(1, point.timer_period) for _ in range(point.harts)),
        ],
        "experiment": [
            KERNEL_POLICIES.index(name),
            int(policy.asynchronous),
            *(int(style.direct), batch, style.poll_cycles, int(style.adaptive)),
            point.concurrency,
            point.rounds,
            ring_capacity(point.concurrency),
        ],
    }


def ring_capacity(concurrency: int) -> int:
    """Items of the rings of so many coroutines: no more than they need, for small caches."""
    return max(LEAST_CAPACITY, 1 << (concurrency - 1).bit_length())


def check_compiled(point: Point) -> None:
    """Raises ValueError if machine code does not have what ``point`` asks for; names it."""
    known = ["sync", *KERNEL_POLICIES[1:]]
    for name, value, allowed in (
        ("policy", point.policy, known),
        ("workload", point.workload, ["published"]),
        ("flavour", str(point.flavour), [Flavour.RISCV.value]),
        ("clients", point.clients, [1]),
        ("harts", point.harts, [1, 2, 3, 4]),
    ):
        if value not in allowed:
            names = ", ".join(map(str, allowed))
            raise ValueError(f"{name} must be one of {names} as machine code, not {value!r}")
    if point.concurrency > MOST_CONCURRENCY:
        raise ValueError(
            f"concurrency must be 1 to {MOST_CONCURRENCY} as machine code, not {point.concurrency}"
        )


# --- the log -------------------------------------------------------------------------------------


def log_of(marks: Iterable[Marker]) -> ev.EventLog:
    """The events that a run's marks tell, of its one thread.

    Raises
    ------
    ConservationError : there is a mark that means nothing.
    """
    log = ev.EventLog()
    state = _State()
    for mark in marks:
        for event in state.events(mark):
            log.append(event, cycle=mark.cycle, hart=mark.hart)
    return log


class _State:
    """What marks say of what comes later: receivers by hart, and the thread's."""

    def __init__(self) -> None:
        self._receiver = 0
        self._kernel: dict[int, int] = {}

    def events(self, mark: Marker) -> Iterator[ev.Event]:
        value, thread = mark.value, "root"
        cid, label, error = value & 0xFFFF_FFFF, value >> 32 & 0xFF, value >> 48
        suirs = CSRS[Csr.SUIRS].pack(en=1, index=self._receiver)
        match mark.id:
            case Moment.BEGIN | Moment.END:
                yield ev.Mark(Moment(mark.id).name.lower())
            case Moment.SUBMITTED:
                yield ev.AsyncSubmitted(cid, AsyncLabel(label).name, thread)
            case Moment.HANDLED:
                yield ev.AsyncHandled(cid, AsyncLabel(label).name, SeL4Error(error).name, thread)
            case Moment.REPLIED:
                yield ev.AsyncReplied(cid, thread)
            case Moment.TRAP:
                yield ev.Trap(_CAUSES.get(value, ev.TrapCause.FAULT), thread)
            case Moment.USER_TRAP:
                yield ev.UserTrap(thread, 0, 0)
                yield ev.UipiDone(UipiFunction.READ.name, 0, 0, suirs, value, Status.OK.name)
                yield ev.UserReturn(thread, 0)
            case Moment.TAKEN:
                yield ev.ReceiverChanged(self._kernel.get(mark.hart, 0), True, 0, value)
            case Moment.POSTED:
                yield ev.ReceiverChanged(value >> 8, True, 1 << (value & 0xFF), 0)
            case Moment.SENT:
                yield ev.UipiDone(UipiFunction.SEND.name, value, 0, 0, 0, Status.OK.name)
            case Moment.ENTRY:
                yield ev.SenderEntryWritten(0, value >> 32, value & 0xFF, value >> 8 & 0xFF_FFFF)
            case Moment.RECEIVER:
                self._receiver = value
            case Moment.KERNEL_RECEIVER:
                self._kernel[value & 0xFF] = value >> 8
            case _:
                raise ConservationError(f"cycle {mark.cycle}: mark {mark.id} means nothing")

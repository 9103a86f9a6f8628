"""IPC as machine code: the two threads of `rel4.bench.ipc` on real harts."""

from collections import Counter
from dataclasses import replace

from rel4.abi.c_header import Moment
from rel4.compiled.runner import Marker
from rel4.compiled.system import configured
from uintr.registers import Flavour

from .analysis import window
from .compiled import Setup, log_of, made_with, run_image, system
from .conservation import ConservationError
from .ipc import IpcPoint, IpcRecord, record_of

__all__ = [
    "MOST_CONCURRENCY",
    "check_answers",
    "check_compiled_ipc",
    "run_compiled_ipc",
    "setup_of_kind",
]

MOST_CONCURRENCY = 128
"""Coroutines that the compiled client has room for."""
CYCLES_EACH = 100_000
"""A run is given so many for each IPC before it counts as hanging."""
_MOMENTS = (Moment.SUBMITTED, Moment.HANDLED, Moment.REPLIED)


def check_compiled_ipc(point: IpcPoint) -> None:
    """Raises ValueError if machine code does not have what ``point`` asks for; names it."""
    if point.flavour is not Flavour.RISCV:
        raise ValueError(f"flavour must be riscv as machine code, not '{point.flavour}'")
    if point.concurrency > MOST_CONCURRENCY:
        raise ValueError(
            f"concurrency must be 1 to {MOST_CONCURRENCY} for IPC as machine code, "
            f"not {point.concurrency}"
        )


def setup_of_kind(point: IpcPoint, setup: Setup) -> Setup:
    """The kernel with the fastpath, or without."""
    return replace(setup, fastpath=point.kind == "sync-fastpath")


def run_compiled_ipc(point: IpcPoint, setup: Setup) -> IpcRecord:
    """Run one point as machine code, and measure between its marks. The program compares each
    answer with its request.

    Raises
    ------
    ValueError : the compiled system does not have what the point asks for.
    CompileError, DeviceError : the compiler or the device is missing.
    ConservationError : an answer was wrong, a request was lost or served twice, or it did not end.
    """
    check_compiled_ipc(point)
    setup = setup_of_kind(point, setup)
    ipcs = point.concurrency * point.rounds
    words = [int(point.kind == "async"), point.harts, point.concurrency, point.rounds]
    program = configured(system(setup, "ipc"), {"parameters": [point.harts], "experiment": words})
    result = run_image(program, setup, harts=point.harts, max_cycles=CYCLES_EACH * ipcs + 2_000_000)
    if point.kind == "async":
        check_answers(result.marks, point)
    return record_of(point, window(log_of(result.marks), by_place=True), **made_with(setup))


def check_answers(marks: tuple[Marker, ...], point: IpcPoint) -> None:
    """Each request was submitted, served and answered, all of them equally often."""
    for moment in _MOMENTS:
        seen = Counter(mark.value & 0xFFFF_FFFF for mark in marks if mark.id == moment)
        if len(seen) != point.concurrency or set(seen.values()) != {point.rounds}:
            raise ConservationError(
                f"each of {point.concurrency} coroutines must be {moment.name.lower()} "
                f"{point.rounds} times, not {sorted(seen.values())}"
            )

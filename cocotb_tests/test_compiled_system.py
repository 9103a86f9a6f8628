"""The compiled system on the RTL: the published experiment as machine code, in cycles.

On the build of two harts that test_compiled.py has, so that nothing more is built.
"""

import pytest

from rel4.bench.compiled import Setup, run_compiled
from rel4.bench.point import Point
from rel4.bench.results import PointRecord

HARTS = 2


def run(policy: str, concurrency: int) -> PointRecord:
    """A short run; conservation is checked in it."""
    point = Point(policy=policy, harts=HARTS, concurrency=concurrency, rounds=3)
    return run_compiled(point, Setup(device="rtl"))


@pytest.mark.parametrize("policy", ["sync", "inline", "uipi", "poll", "adaptive"])
def test_every_call_is_answered_once_on_the_rtl(policy: str) -> None:
    record = run(policy, 4)
    assert record.syscalls == 2 * 4 * 3
    assert 0 < record.cycles < 100_000


def test_sixteen_coroutines_and_a_second_hart_take_fewer_cycles_than_traps() -> None:
    trapping, helped = run("sync", 16), run("uipi", 16)
    assert trapping.traps == trapping.syscalls
    assert helped.traps == 0
    assert helped.cycles < trapping.cycles

"""The compiled system on the RTL: the published experiment as machine code, in cycles.

On the build of two harts that test_compiled.py has, so that nothing more is built.
"""

import pytest

from rel4.bench import measure
from rel4.bench.compiled import Setup, run_compiled
from rel4.bench.point import Point
from rel4.bench.results import PointRecord

pytestmark = pytest.mark.sim

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


def test_what_two_harts_do_to_each_other_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = ("wakes", "contended", "one of two")
    specs = [spec for spec in measure.TWO_HARTS if spec.run in runs]
    monkeypatch.setattr(measure, "TWO_HARTS", specs)
    found = measure.measure(Setup(device="rtl"), HARTS)
    assert set(found) == {spec.cost for spec in specs}
    assert found["free lock"].median < found["contended lock"].low
    assert 0 < found["machine.ipi"].median < found["ipi to trap"].low
    text = measure.render([(Setup(device="rtl"), HARTS, found)])
    assert 'measures."contended lock"' in text
    assert 'costs."machine.ipi"' in text

"""The compiled system on the RTL: the published experiment as machine code, in cycles.

On the build of two harts that test_compiled.py has, so that nothing more is built.
"""

import pytest

from rel4.abi.c_header import Moment
from rel4.bench import measure
from rel4.bench.compiled import Setup, image_words, run_compiled, system
from rel4.bench.point import Point
from rel4.bench.results import PointRecord
from rel4.compiled.runner import Listener, Retired, RunConfig, run_program
from rel4.compiled.symbols import Symbols
from rel4.compiled.system import configured

pytestmark = pytest.mark.sim

HARTS = 2
ANNOUNCED = 3
"""The word of the image that says after how many requests the kernel is told of them."""


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


class Waits(Listener):
    """When hart 1 was waiting for the big lock: first cycle, and the one after."""

    def __init__(self, symbols: Symbols) -> None:
        self.spans: list[tuple[int, int]] = []
        self._symbols = symbols
        self._since: int | None = None

    def retired(self, record: Retired) -> None:
        if record.hart != 1:
            return
        if (self._symbols.function(record.pc) or ("",))[0] == "lock_acquire":
            self._since = self._since or record.cycle
        elif self._since is not None:
            self.spans.append((self._since, record.cycle))
            self._since = None


@pytest.mark.parametrize(("policy", "gives_way"), [("inline", True), ("tick", False)])
def test_inline_gives_the_lock_away_between_batches(policy: str, gives_way: bool) -> None:
    """A hart that waits with its tick waits for eight requests at most, though 64 are announced at
    once; under `tick` for more."""
    point = Point(policy=policy, harts=HARTS, concurrency=64, rounds=3, timer_period=5_000)
    words = image_words(point)
    words["experiment"][ANNOUNCED] = 64
    program = configured(system(Setup(device="rtl")), words)
    waits = Waits(program.symbols)
    config = RunConfig(harts=HARTS, trace=True, max_cycles=3_000_000)
    marks = run_program(program, config, runner="rtl", listener=waits).marks
    handled = [mark.cycle for mark in marks if mark.id == Moment.HANDLED and mark.hart == 0]
    met = [sum(first <= cycle < end for cycle in handled) for first, end in waits.spans]
    assert len(met) > 20
    assert (0 < max(met) <= 8) == gives_way

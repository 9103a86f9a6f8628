"""Properties of a budget, for whatever is written when.

* without a token the throttle is closed, and each post that is accepted while it is open takes one;
* from any cycle on, the posts that were accepted since the last write are at most ``burst`` and one
  for each ``period`` cycles that have passed;
* a token that is missing comes back after ``period`` cycles at most;
* period and burst are what was written last, bits 23:0 and 31:24;
* at rest nothing changes without a post, a refusal or a write; the counter counts refusals.
"""

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cover,
    Module,
    Mux,
    Signal,
    Value,
)

from uintr.throttle import Throttle
from uintr_formal.specification import Specification

__all__ = ["ThrottleSpec"]


class ThrottleSpec(Specification):
    """No parameters: one hart's budget looks like any other's."""

    def specify(self, m: Module) -> None:
        """A second account: posts since the last write, and tokens that have come back since."""
        m.submodules.dut = dut = Throttle()
        for signal in (dut.write, dut.data, dut.posted, dut.refused):
            m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
        period, burst, count = dut.word.period, dut.word.burst, dut.word.count
        m.d.comb += [Assume(~dut.posted | dut.open), Assume(~(dut.posted & dut.refused))]

        limited = period.any()
        posts, returned = Signal(24), Signal(24)
        waited = Signal(len(dut.left) + 1)  # cycles since the clock was started, or a token came
        comes = Signal()
        m.d.comb += comes.eq((posts != returned) & (waited + 1 >= period))
        with m.If(dut.write):
            m.d.sync += [posts.eq(0), returned.eq(0), waited.eq(0)]
        with m.Elif(limited):
            m.d.sync += [
                posts.eq(posts + dut.posted),
                returned.eq(returned + comes),
                waited.eq(Mux((posts == returned) | comes, 0, waited + 1)),
            ]
        # Neither account is ever so long without a write that it wraps.
        m.d.comb += Assume(~posts.all())
        m.d.comb += [
            Assert(dut.open == (~limited | (posts - returned < burst))),
            Assert(~limited | (dut.missing == (posts - returned)[: len(dut.missing)])),
            Assert(~limited | (posts - returned <= burst)),
            Assert(posts >= returned),
            Assert(limited | (dut.missing == 0)),
            Assert(dut.resting == (dut.missing == 0)),
            Assert(~limited | dut.resting | (dut.left + waited == period)),
            Assert(~limited | dut.resting | (waited < period)),
            Assert(~limited | ~dut.resting | (waited == 0)),
            Assert((posts == 0) | limited),
        ]
        set_period, set_burst = Signal(len(period)), Signal(len(burst))
        with m.If(dut.write):
            m.d.sync += [
                set_period.eq(Value.cast(dut.data)[: len(period)]),
                set_burst.eq(Value.cast(dut.data)[len(period) :][: len(burst)]),
            ]
        counted = Signal.like(count)
        base = Mux(dut.write, 0, counted)
        m.d.sync += counted.eq(Mux(dut.refused & ~base.all(), base + 1, base))
        m.d.comb += [
            Assert(count == counted),
            Assert(period == set_period),
            Assert(burst == set_burst),
            Cover(dut.missing == 3),
            Cover(comes & dut.posted),
            Cover(~dut.open & (burst != 0)),
            Cover(dut.resting & (posts == 2)),
        ]

"""Properties of the user timer.

* the event is processed when it is allowed, with a deadline that is reached, and only then; and
  once, since that clears the whole register;
* its bit is that of the timer's vector, one bit;
* *quiet*: while nothing counts and nothing is due, and without a write, no register changes.
"""

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Cover, Module, Mux, Signal

from uintr.intel.timer import UserTimer
from uintr_formal.specification import Specification

__all__ = ["UserTimerSpec"]

_VECTOR_BITS = 6


class UserTimerSpec(Specification):
    """No parameters."""

    def specify(self, m: Module) -> None:
        """The registers now and one cycle ago."""
        m.submodules.dut = dut = UserTimer()
        for signal in (dut.allowed, dut.write_timer, dut.write_tsc, dut.word):
            m.d.comb += signal.eq(AnySeq(len(signal)))
        deadline = dut.timer[_VECTOR_BITS:]
        reached = dut.tsc[_VECTOR_BITS:] >= deadline
        due, written, counted = Signal(), Signal(), Signal()
        timer, tsc = Signal.like(dut.timer), Signal.like(dut.tsc)
        begun = Signal()
        m.d.sync += [
            begun.eq(1),
            due.eq(dut.due & ~dut.write_timer),
            written.eq(dut.write_timer | dut.write_tsc),
            counted.eq(dut.counting),
            timer.eq(dut.timer),
            tsc.eq(dut.tsc),
        ]
        m.d.comb += [
            Assert(dut.due == (dut.allowed & deadline.any() & reached)),
            Assert(dut.counting == (deadline.any() & ~reached)),
            Assert(~(dut.due & dut.counting)),
            Assert(dut.event == Mux(dut.due, 1 << dut.timer[:_VECTOR_BITS], 0)),
            Cover(dut.due & (dut.tsc > 64)),
        ]
        with m.If(begun & due):
            m.d.comb += [Assert(dut.timer == 0), Assert(~dut.due)]
        with m.If(begun & ~written):
            m.d.comb += Assert(dut.tsc == (tsc + counted)[: len(tsc)])
            with m.If(~due):
                m.d.comb += Assert(dut.timer == timer)

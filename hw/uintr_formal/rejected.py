"""Properties of the count of refusals.

* a refusal counts one more, in all 32 bits, until the highest value, and stays there;
* it leaves its cause; a write clears both, and a refusal in the same cycle counts after it;
* nothing else changes anything.
"""

from amaranth.hdl import Assert, Cover, Module, Mux, Signal

from uintr.rejected import RejectedCounter
from uintr_formal.free import ago, free
from uintr_formal.specification import Specification

__all__ = ["RejectedSpec"]

_MOST = (1 << 32) - 1


class RejectedSpec(Specification):
    """No parameters: one hart's refusals look like any other's."""

    def specify(self, m: Module) -> None:
        """The register and what happened, one cycle ago."""
        m.submodules.dut = dut = RejectedCounter()
        free(m, dut.refused, dut.cause, dut.clear)
        count, cause = dut.word.count, dut.word.cause
        refused, clear = ago(m, dut.refused, "refused"), ago(m, dut.clear, "clear")
        last, before = ago(m, dut.cause, "last"), ago(m, count, "count")
        kept = ago(m, cause, "cause")
        base = Mux(clear, 0, before)
        begun = Signal()  # of whatever the count was then
        m.d.sync += begun.eq(1)
        with m.If(begun):
            m.d.comb += [
                Assert(count == Mux(refused, Mux(base == _MOST, _MOST, base + 1), base)),
                Assert(cause == Mux(refused, last, Mux(clear, 0, kept))),
            ]
        m.d.comb += [
            Assert(dut.word.reserved == 0),
            Cover(count == 3),
            Cover(refused & clear & (count == 1)),
        ]

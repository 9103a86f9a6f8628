"""How many posts of one hart were refused, and why the last one was."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.interfaces import layout
from uintr.registers import REJECTED, Status

__all__ = ["RejectedCounter"]


class RejectedCounter(wiring.Component):
    """Counts; stays at its highest value. What happens in a cycle is seen from the next one on.

    ``refused`` and ``clear`` in one cycle: cleared first, so the count is 1 afterwards.

    Members
    -------
    refused, cause : a UIPI SEND is refused in this cycle, and its status
    clear : forget all
    word : the register REJECTED
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "refused": In(1),
                "cause": In(Status),
                "clear": In(1),
                "word": Out(layout(REJECTED)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Clear, then count."""
        m = Module()
        count = Signal(REJECTED.field("count").width)
        cause = Signal(Status)
        base = Mux(self.clear, 0, count)
        m.d.comb += [self.word.count.eq(count), self.word.cause.eq(cause)]
        with m.If(self.refused):
            m.d.sync += [
                count.eq(Mux(base == (1 << len(count)) - 1, base, base + 1)),
                cause.eq(self.cause),
            ]
        with m.Elif(self.clear):
            m.d.sync += [count.eq(0), cause.eq(0)]
        return m

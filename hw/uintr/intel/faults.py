"""The register that tells why SENDUIPI was refused."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.registers import FAULT, Fault
from uintr.interfaces import layout

__all__ = ["FaultRegister"]


class FaultRegister(wiring.Component):
    """Counts refusals, keeps the last reason, and whether a notification was lost.

    Members
    -------
    refused, cause : a SENDUIPI is refused in this cycle, and why
    lost : notification processing ended with a bus error
    clear : clears all; never with one of the others, since a hart does one thing at a time
    word : the register
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "refused": In(1),
                "cause": In(Fault),
                "lost": In(1),
                "clear": In(1),
                "word": Out(layout(FAULT)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Three fields of one word, of which only these are stored."""
        m = Module()
        count = Signal(FAULT.field("count").width)
        cause = Signal(Fault)
        lost = Signal()
        m.d.comb += [
            self.word.count.eq(count),
            self.word.cause.eq(cause),
            self.word.lost.eq(lost),
        ]
        with m.If(self.clear):
            m.d.sync += [count.eq(0), cause.eq(Fault.NONE), lost.eq(0)]
        with m.If(self.refused):
            m.d.sync += [count.eq(count + ~count.all()), cause.eq(self.cause)]
        with m.If(self.lost):
            m.d.sync += lost.eq(1)
        return m

"""The user timer of a hart."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.registers import MSRS, Msr
from uintr.interfaces import layout
from uintr.registers import XLEN

__all__ = ["UserTimer"]


class UserTimer(wiring.Component):
    """Counts the TSC up to a deadline, then sets a bit of UIRR once.

    The TSC counts while the deadline is not 0 and above it. When the deadline is not 0 and reached,
    and ``allowed``, ``due`` is high for one cycle, at the end of which the whole register is 0. A
    write of the TSC goes before counting, one of the timer before both; so a deadline that is
    overwritten before its event is processed has none.

    Members
    -------
    allowed : the event may be processed: CR4.UINTR, privilege U, UIF
    write_timer, write_tsc, word : write UINTR_TIMER, or the TSC
    timer, tsc : the registers
    counting : the TSC counts in this cycle
    due, event : the event is processed in this cycle, and its bit
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "allowed": In(1),
                "write_timer": In(1),
                "write_tsc": In(1),
                "word": In(XLEN),
                "timer": Out(XLEN),
                "tsc": Out(XLEN),
                "counting": Out(1),
                "due": Out(1),
                "event": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One comparison decides between counting and the event."""
        m = Module()
        timer = data.View(layout(MSRS[Msr.UINTR_TIMER]), self.timer)
        deadline_place = MSRS[Msr.UINTR_TIMER].field("deadline").lsb
        armed = Signal()
        reached = Signal()
        m.d.comb += [
            armed.eq(timer.deadline.any()),
            reached.eq(self.tsc[deadline_place:] >= timer.deadline),
            self.counting.eq(armed & ~reached),
            self.due.eq(armed & reached & self.allowed),
        ]
        with m.If(self.due):
            m.d.comb += self.event.eq(1 << timer.vector)

        with m.If(self.write_timer):
            m.d.sync += self.timer.eq(self.word)
        with m.Elif(self.due):
            m.d.sync += self.timer.eq(0)
        with m.If(self.write_tsc):
            m.d.sync += self.tsc.eq(self.word)
        with m.Elif(self.counting):
            m.d.sync += self.tsc.eq(self.tsc + 1)
        return m

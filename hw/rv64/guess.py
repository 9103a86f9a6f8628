"""Which instruction a user interrupt comes in the place of, and where its handler is: a guess."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.registers import XLEN

__all__ = ["Guess"]


class Guess(wiring.Component):
    """Marks an instruction as it leaves the third stage, so that the handler is fetched while the
    instruction goes to the last stage and the port is asked.

    One instruction at a time is marked, until it is there and settled. An interrupt that the port
    denied is not believed again before an instruction has retired. The handler is what was written
    to utvec last.

    Members
    -------
    line : a user interrupt can be taken
    passes : an instruction leaves the third stage; it is marked if ``interrupts``
    settled : the mark is dealt with, or void
    denies, retire : the port says that there is none; an instruction is done
    write, value : utvec is written
    interrupts, handler : the answer
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "line": In(1),
                "passes": In(1),
                "settled": In(1),
                "denies": In(1),
                "retire": In(1),
                "write": In(1),
                "value": In(XLEN),
                "interrupts": Out(1),
                "handler": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Three bits and an address."""
        m = Module()
        line, marked, denied = Signal(), Signal(), Signal()
        m.d.sync += line.eq(self.line)
        m.d.comb += self.interrupts.eq(line & ~marked & ~denied)
        with m.If(self.settled):
            m.d.sync += marked.eq(0)
        with m.Elif(self.interrupts & self.passes):
            m.d.sync += marked.eq(1)
        with m.If(self.denies):
            m.d.sync += denied.eq(1)
        with m.Elif(self.retire):
            m.d.sync += denied.eq(0)
        with m.If(self.write):
            m.d.sync += self.handler.eq(Cat(Const(0, 2), self.value[2:]))
        return m

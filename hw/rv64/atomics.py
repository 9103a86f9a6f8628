"""What an atomic operation makes of the word it finds."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.encoding import Atomic
from uintr.registers import XLEN

__all__ = ["AtomicUnit"]


class AtomicUnit(wiring.Component):
    """The operation of an AMO; combinational. Words of 32 bits come sign-extended, which keeps
    their order, signed and unsigned.

    Members
    -------
    old, operand, function : what memory holds, rs2, funct5
    new : what memory shall hold
    """

    def __init__(self) -> None:
        super().__init__(
            {"old": In(XLEN), "operand": In(XLEN), "function": In(5), "new": Out(XLEN)}
        )

    def elaborate(self, platform: Any) -> Module:
        """One comparison for four of them."""
        m = Module()
        old, operand = self.old, self.operand
        unsigned = self.function[3]
        less = Signal()
        m.d.comb += less.eq(
            Cat(old[:-1], old[-1] ^ ~unsigned) < Cat(operand[:-1], operand[-1] ^ ~unsigned)
        )
        greatest = self.function[2]
        m.d.comb += self.new.eq(Mux(less ^ greatest, old, operand))
        with m.Switch(self.function):
            for function, result in (
                (Atomic.ADD, old + operand),
                (Atomic.SWAP, operand),
                (Atomic.XOR, old ^ operand),
                (Atomic.OR, old | operand),
                (Atomic.AND, old & operand),
            ):
                with m.Case(function):
                    m.d.comb += self.new.eq(result)
        return m

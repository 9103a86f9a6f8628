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
        """One adder adds, or compares by subtracting."""
        m = Module()
        old, operand, function = self.old, self.operand, self.function
        compares = function[4]
        total = Signal(XLEN + 2)
        m.d.comb += total.eq(Cat(compares, old) + Cat(compares, operand ^ compares.replicate(XLEN)))
        # Without a carry there was a borrow; operands of different signs are told apart by them.
        unsigned, greatest = function[3], function[2]
        less = Signal()
        m.d.comb += less.eq(
            Mux(old[-1] ^ operand[-1], Mux(unsigned, operand[-1], old[-1]), ~total[-1])
        )
        chooses_old = Signal()
        bits = Signal(XLEN)
        m.d.comb += [
            chooses_old.eq(compares & (less ^ greatest)),
            bits.eq(
                Mux(function[3], Mux(function[2], old & operand, old | operand), old ^ operand)
            ),
        ]
        with m.If(function == Atomic.ADD):
            m.d.comb += self.new.eq(total[1:])
        with m.Elif(function.matches(Atomic.XOR, Atomic.OR, Atomic.AND)):
            m.d.comb += self.new.eq(bits)
        with m.Else():  # SWAP takes the operand
            m.d.comb += self.new.eq(Mux(chooses_old, old, operand))
        return m

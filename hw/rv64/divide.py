"""The divider: one bit a cycle."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.alu import extend
from uintr.registers import XLEN

__all__ = ["Divider"]


class Divider(wiring.Component):
    """Divides by shifting and subtracting.

    With ``start`` in cycle t, ``done`` and ``result`` are there in t + 66, or t + 34 for 32 bits,
    for one cycle. Operands are those of t. ``cancel`` forgets what is under way.

    Members
    -------
    start, cancel : begin; forget
    a, b : dividend, divisor
    funct3, word : DIV, DIVU, REM or REMU; of 32 bits
    done, result : the answer is there
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "cancel": In(1),
                "a": In(XLEN),
                "b": In(XLEN),
                "funct3": In(3),
                "word": In(1),
                "done": Out(1),
                "result": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Magnitudes, as many steps as bits, then the signs."""
        m = Module()
        signed = ~self.funct3[0]

        # Operands of 32 bits stand at the top of the dividend, so that half the steps do.
        a = Mux(self.word, Cat(self.a[:32], (self.a[31] & signed).replicate(32)), self.a)
        b = Mux(self.word, Cat(self.b[:32], (self.b[31] & signed).replicate(32)), self.b)
        negative_a, negative_b = a[-1] & signed, b[-1] & signed

        quotient = Signal(XLEN)
        remainder = Signal(XLEN)
        divisor = Signal(XLEN)
        negate = Signal()
        wants_remainder = Signal()
        word = Signal()
        count = Signal(range(XLEN + 1))
        begun = Signal()  # the magnitude of the dividend is still to be moved up
        busy = Signal()

        difference = Signal(XLEN + 1)
        shifted = Cat(quotient[-1], remainder)
        m.d.comb += difference.eq(shifted - divisor)

        m.d.sync += self.done.eq(0)
        with m.If(self.start):
            m.d.sync += [
                quotient.eq(Mux(negative_a, -a, a)),
                remainder.eq(0),
                divisor.eq(Mux(negative_b, -b, b)),
                wants_remainder.eq(self.funct3[1]),
                # The remainder has the dividend's sign. A quotient by 0 is all ones, whatever the
                # signs.
                negate.eq(Mux(self.funct3[1], negative_a, (negative_a ^ negative_b) & b.any())),
                word.eq(self.word),
                count.eq(Mux(self.word, 32, 64)),
                begun.eq(1),
                busy.eq(1),
            ]
        with m.Elif(busy & begun):
            m.d.sync += begun.eq(0)
            with m.If(word):
                m.d.sync += quotient.eq(Cat(quotient[32:], quotient[:32]))
        with m.Elif(busy):
            m.d.sync += [
                count.eq(count - 1),
                quotient.eq(Cat(~difference[-1], quotient[:-1])),
                remainder.eq(Mux(difference[-1], shifted, difference)),
            ]
            with m.If(count == 1):
                m.d.sync += [busy.eq(0), self.done.eq(1)]
        with m.If(self.cancel):
            m.d.sync += [busy.eq(0), self.done.eq(0)]

        chosen = Signal(XLEN)
        result = Signal(XLEN)
        m.d.comb += [
            chosen.eq(Mux(wants_remainder, remainder, quotient)),
            result.eq(Mux(negate, -chosen, chosen)),
            self.result.eq(Mux(word, extend(result), result)),
        ]
        return m

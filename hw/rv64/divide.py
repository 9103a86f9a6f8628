"""The divider: one bit a cycle."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.alu import extend
from uintr.registers import XLEN

__all__ = ["Divider"]


class Divider(wiring.Component):
    """Divides by shifting and subtracting. One negation serves both operands and the answer.

    With ``start`` in cycle t, ``done`` is high in t + 66, or t + 34 for 32 bits, for one cycle, and
    ``result`` is there from the next cycle on, until the next start. Operands are those of t.
    ``cancel`` forgets what is under way.

    Members
    -------
    start, cancel : begin; forget
    a, b : dividend, divisor
    funct3, word : DIV, DIVU, REM or REMU; of 32 bits
    done, result : the answer is there in the next cycle; the answer
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
        """Magnitudes one after the other, as many steps as bits, then the sign."""
        m = Module()
        quotient = Signal(XLEN)  # first the dividend
        remainder = Signal(XLEN)
        divisor = Signal(XLEN)
        signed, wants_remainder, word = Signal(), Signal(), Signal()
        negative = Signal()  # the answer's sign
        count = Signal(range(XLEN))

        negate = Signal()
        plus, turned = Signal(XLEN), Signal(XLEN)
        m.d.comb += turned.eq((plus ^ negate.replicate(XLEN)) + negate)

        difference = Signal(XLEN + 1)
        shifted = Cat(quotient[-1], remainder)
        m.d.comb += difference.eq(shifted - divisor)

        m.d.comb += self.result.eq(Mux(word, extend(turned), turned))
        with m.FSM():
            with m.State("IDLE"):
                # The answer of the last division stays until the next.
                m.d.comb += [
                    plus.eq(Mux(wants_remainder, remainder, quotient)),
                    negate.eq(negative),
                ]
                with m.If(self.start):
                    m.d.sync += [
                        quotient.eq(self.a),
                        divisor.eq(self.b),
                        signed.eq(~self.funct3[0]),
                        wants_remainder.eq(self.funct3[1]),
                        word.eq(self.word),
                    ]
                    with m.If(self.word):
                        for operand, target in ((self.a, quotient), (self.b, divisor)):
                            sign = operand[31] & ~self.funct3[0]
                            m.d.sync += target[32:].eq(sign.replicate(32))
                    with m.If(~self.cancel):
                        m.next = "DIVIDEND"

            # The remainder has the dividend's sign. A quotient by 0 is all ones, whatever the
            # signs. A dividend of 32 bits goes to the top, so that half the steps do.
            with m.State("DIVIDEND"):
                m.d.comb += [plus.eq(quotient), negate.eq(signed & quotient[-1])]
                m.d.sync += [
                    quotient.eq(Mux(word, Cat(C(0, 32), turned[:32]), turned)),
                    remainder.eq(0),
                    count.eq(Mux(word, 31, 63)),
                    negative.eq(
                        signed
                        & Mux(
                            wants_remainder,
                            quotient[-1],
                            (quotient[-1] ^ divisor[-1]) & divisor.any(),
                        )
                    ),
                ]
                m.next = "DIVISOR"
                with m.If(self.cancel):
                    m.next = "IDLE"

            with m.State("DIVISOR"):
                m.d.comb += [plus.eq(divisor), negate.eq(signed & divisor[-1])]
                m.d.sync += divisor.eq(turned)
                m.next = "STEP"
                with m.If(self.cancel):
                    m.next = "IDLE"

            with m.State("STEP"):
                m.d.sync += [
                    count.eq(count - 1),
                    quotient.eq(Cat(~difference[-1], quotient[:-1])),
                    remainder.eq(Mux(difference[-1], shifted, difference)),
                ]
                with m.If(self.cancel):
                    m.next = "IDLE"
                with m.Elif(count == 0):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
        return m

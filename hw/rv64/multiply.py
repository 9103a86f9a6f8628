"""The multiplier: four cycles, sixteen bits of one factor in each."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.alu import extend
from uintr.registers import XLEN

__all__ = ["MULTIPLY_CYCLES", "Multiplier"]

_STEP = 16
MULTIPLY_CYCLES = 5
"""From ``start`` to ``done``, a cycle before the result."""


class Multiplier(wiring.Component):
    """Multiplies in steps of 65 by 17 bits, which are four DSP blocks, added up a cycle later.

    With ``start`` in cycle t, ``done`` is high in t + 5, for one cycle, and ``result`` is there
    from t + 6 on, until the next start. Operands are those of t. ``cancel`` forgets what is under
    way.

    Members
    -------
    start, cancel : begin; forget
    a, b : factors
    funct3, word : MUL, MULH, MULHSU or MULHU; MULW
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
        """Registers hold the factors; a partial product; a sum that moves down."""
        m = Module()
        a = Signal(signed(XLEN + 1))
        b = Signal(XLEN)
        b_signed = Signal()
        high = Signal()
        word = Signal()
        steps = Signal(MULTIPLY_CYCLES)  # one bit goes up: which step is under way
        last = steps[3]

        with m.If(self.start):
            m.d.sync += [
                a.eq(Cat(self.a, self.a[-1] & (self.funct3[:2] != 3))),
                b.eq(self.b),
                b_signed.eq(~self.funct3[1]),
                high.eq(self.funct3[:2] != 0),
                word.eq(self.word),
            ]
        with m.Else():
            m.d.sync += b.eq(b >> _STEP)
        m.d.sync += steps.eq(Mux(self.cancel, 0, Cat(self.start, steps[:-1])))

        # Only the topmost part of the second factor has a sign.
        digit = Signal(signed(_STEP + 1))
        product = Signal(signed(XLEN + _STEP + 2))
        m.d.comb += digit.eq(Cat(b[:_STEP], b[_STEP - 1] & b_signed & last))
        m.d.sync += product.eq(a * digit)

        # The low digits of the sum are done, and move out to the right.
        total = Signal(signed(XLEN + _STEP + 3))
        low = Signal(XLEN)
        with m.If(self.start):
            m.d.sync += total.eq(0)
        with m.Elif(steps[1:5].any()):
            m.d.sync += [
                total.eq((total >> _STEP) + product),
                low.eq(Cat(low[_STEP:], total[:_STEP])),
            ]
        # After the fourth addition the lowest digit of the sum has not moved out yet.
        whole = Cat(low[_STEP:], total[: XLEN + _STEP])
        m.d.comb += [
            self.done.eq(steps[-1]),
            self.result.eq(
                Mux(
                    high,
                    whole[XLEN : 2 * XLEN],
                    Mux(word, extend(whole), whole[:XLEN]),
                )
            ),
        ]
        return m

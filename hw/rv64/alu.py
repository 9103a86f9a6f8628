"""The arithmetic and logic unit, which also decides branches."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.encoding import Alu
from uintr.registers import XLEN

__all__ = ["AluUnit", "Comparator", "extend"]


def extend(word: Any) -> Any:
    """The low 32 bits of ``word``, sign-extended."""
    return Cat(word[:32], word[31].replicate(32))


class Comparator(wiring.Component):
    """Decides branches, without the choice of operands that is before an adder; combinational.

    Members
    -------
    a, b, funct3 : operands; which branch
    condition, taken : equal, or less; whether the branch is taken, for which the lowest bit of
        funct3 turns it round
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(XLEN),
                "b": In(XLEN),
                "funct3": In(3),
                "condition": Out(1),
                "taken": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Signed numbers are in the order of unsigned ones if their signs are inverted."""
        m = Module()
        signed = ~self.funct3[1]
        a, b = (Cat(each[:-1], each[-1] ^ signed) for each in (self.a, self.b))
        m.d.comb += [
            self.condition.eq(Mux(self.funct3[2], a < b, self.a == self.b)),
            self.taken.eq(self.condition ^ self.funct3[0]),
        ]
        return m


class AluUnit(wiring.Component):
    """All results of one cycle; combinational.

    ``sum`` is there without the choice of a result behind it: it is the address of an access and
    the target of JALR. With ``compare`` it is a difference, whose sign decides.

    Members
    -------
    a, b : operands
    alu, alternative, word : the operation; shift arithmetically, or subtract; of 32 bits
    compare : subtract, for SLT
    replaces, other : another unit's result takes the place of a sum
    result, sum : what comes out
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(XLEN),
                "b": In(XLEN),
                "alu": In(Alu),
                "alternative": In(1),
                "compare": In(1),
                "word": In(1),
                "replaces": In(1),
                "other": In(XLEN),
                "result": Out(XLEN),
                "sum": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One adder, one shifter to the right."""
        m = Module()
        a, b, word = self.a, self.b, self.word

        # One adder for both: a subtrahend is inverted, and the carry goes in below.
        total = Signal(XLEN + 2)
        minus = Signal()
        m.d.comb += [
            minus.eq(self.alternative | self.compare),
            total.eq(Cat(minus, a) + Cat(minus, b ^ minus.replicate(XLEN))),
            self.sum.eq(total[1:]),
        ]

        # Less: without a carry there was a borrow. Operands of different signs, if they have any,
        # are told apart by them.
        less = Signal()
        differ = a[-1] ^ b[-1]
        m.d.comb += less.eq(Mux(differ, Mux(self.alu == Alu.SLTU, b[-1], a[-1]), ~total[-1]))

        # A shift to the left is one to the right, of the word turned round. A shift of 32 bits
        # brings its own sign, or none, into the upper half.
        left = self.alu == Alu.SLL
        fill = Signal()
        m.d.comb += fill.eq(self.alternative & Mux(word, a[31], a[63]))
        shifted = Mux(left, a[::-1], Cat(a[:32], Mux(word, fill.replicate(32), a[32:])))
        for stage, amount in enumerate(Cat(b[:5], b[5] & ~word)):
            more = Signal(XLEN, name=f"shifted_{stage}")
            m.d.comb += more.eq(
                Mux(amount, Cat(shifted[1 << stage :], fill.replicate(1 << stage)), shifted)
            )
            shifted = more

        # What is not chosen is zero, so that the last steps are of few inputs. An OR is the
        # exclusive one together with the AND.
        alu = Value.cast(self.alu)
        exclusive, both = alu[2] & ~alu[0], alu[2] & alu[1]
        adds = (self.alu == Alu.ADD) & ~self.replaces
        shift, rest = Signal(XLEN), Signal(XLEN)  # a shift comes last
        m.d.comb += [
            shift.eq(
                shifted[::-1] & left.replicate(XLEN)
                | shifted & (self.alu == Alu.SRL).replicate(XLEN)
            ),
            rest.eq(
                (a ^ b) & exclusive.replicate(XLEN)
                | a & b & both.replicate(XLEN)
                | self.sum & adds.replicate(XLEN)
                | self.other & self.replaces.replicate(XLEN)
                | less & self.alu.matches(Alu.SLT, Alu.SLTU)
            ),
            self.result.eq(
                Cat(
                    (rest | shift)[:32],
                    Mux(word, (rest[31] | shift[31]).replicate(32), (rest | shift)[32:]),
                )
            ),
        ]
        return m

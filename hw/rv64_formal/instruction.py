"""Properties of what the second and third stage make of an instruction.

Whatever comes from the first stage, whatever the last one holds, and whatever multiplier and
divider answer: an instruction of 32 bits that leaves the third stage has the result, the
destination and the successor that the ISA's tables give it, for the operands that it says it had.
"""

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Elaboratable,
    Module,
    Mux,
    Signal,
    Value,
)

from rv64.encoding import Kind
from rv64.execute import Execute
from uintr_formal.specification import Specification

__all__ = ["GROUPS", "AnyResult", "InstructionSpec"]


GROUPS: dict[str, tuple[int, ...]] = {
    "upper": (0x37, 0x17),
    "jumps": (0x6F, 0x67),
    "branches": (0x63,),
    "memory": (0x03, 0x23),
    "immediates": (0x13,),
    "immediates 32": (0x1B,),
    "registers": (0x33,),
    "registers 32": (0x3B,),
}
"""Opcodes by the proof that is about them."""


class AnyResult(Elaboratable):
    """A unit of several cycles that may answer anything, at any time: stands in for multiplier and
    divider."""

    def __init__(self) -> None:
        self.start, self.cancel, self.word = Signal(), Signal(), Signal()
        self.a, self.b, self.funct3 = Signal(64), Signal(64), Signal(3)
        self.done, self.result = Signal(), Signal(64)

    def elaborate(self, platform: Any) -> Module:
        """No state at all."""
        m = Module()
        m.d.comb += [self.done.eq(AnySeq(1)), self.result.eq(AnySeq(64))]
        return m


def _signed(value: Any, width: int) -> Any:
    """Sign-extended from ``width`` to 64 bits."""
    return Cat(value[:width], value[width - 1].replicate(64 - width))


class InstructionSpec(Specification):
    """Checks `Execute.executed` against the ISA's tables.

    Parameters
    ----------
    opcodes : of the instructions that come; None: any but those of the other specifications
    """

    def __init__(self, opcodes: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self._opcodes = opcodes

    def _comes(self, opcode: Any) -> Any:
        if self._opcodes is None:
            return ~opcode.matches(*(each for group in GROUPS.values() for each in group))
        return opcode.matches(*self._opcodes)

    def specify(self, m: Module) -> None:
        """Free inputs, then one opcode after another."""
        m.submodules.dut = dut = Execute()
        for signal in (
            dut.fetched,
            dut.hold,
            dut.flush,
            dut.interrupt,
            dut.handler,
            dut.write,
            dut.rd,
            dut.value,
        ):
            bits = Value.cast(signal)
            m.d.comb += bits.eq(AnySeq(len(bits)))
        fetched, out = dut.fetched, dut.executed
        # What the first stage hands on: a word of 32 bits as it is, without a fault.
        m.d.comb += [
            Assume(fetched.raw[:2] == 3),
            Assume(fetched.form == 0),
            Assume(~fetched.fault.valid),
            Assume(fetched.next == fetched.pc + 4),
            Assume(self._comes(fetched.raw[:7])),
        ]

        word, pc, a = out.raw, out.pc, out.a
        # The second operand of instructions of two registers is what a store would store.
        b = out.b
        opcode, funct3, funct7 = word[:7], word[12:15], word[25:32]
        i_type = _signed(word[20:32], 12)
        s_type = _signed(Cat(word[7:12], word[25:32]), 12)
        b_type = _signed(Cat(C0, word[8:12], word[25:31], word[7], word[31]), 13)
        u_type = _signed(Cat(Const(0, 12), word[12:32]), 32)
        j_type = _signed(Cat(C0, word[21:31], word[20], word[12:20], word[31]), 21)

        def arithmetic(left: Any, right: Any, *, other: Any) -> Any:
            """All of funct3, 64 bits."""
            amount = right[:6]
            table = (
                Mux(other, left - right, left + right),
                left << amount,
                left.as_signed() < right.as_signed(),
                left < right,
                left ^ right,
                Mux(other, left.as_signed() >> amount, left >> amount),
                left | right,
                left & right,
            )
            result = Signal(64)
            with m.Switch(funct3):
                for number, each in enumerate(table):
                    with m.Case(number):
                        m.d.comb += result.eq(each)
            return result

        def narrow(left: Any, right: Any, *, other: Any) -> Any:
            """ADD, SLL, SRL and their likes, 32 bits, sign-extended."""
            amount = right[:5]
            low = left[:32]
            result = Signal(32)
            with m.Switch(funct3):
                with m.Case(0):
                    m.d.comb += result.eq(Mux(other, low - right[:32], low + right[:32]))
                with m.Case(1):
                    m.d.comb += result.eq(low << amount)
                with m.Case(5):
                    m.d.comb += result.eq(Mux(other, low.as_signed() >> amount, low >> amount))
            return _signed(result, 32)

        expected, rd, kind, following = Signal(64), Signal(5), Signal(Kind), Signal(64)
        checked, result = Signal(), Signal(init=1)
        destination = word[7:12]
        m.d.comb += [following.eq(pc + 4), rd.eq(destination), kind.eq(Kind.ALU), checked.eq(1)]
        other = word[30]
        with m.Switch(opcode):
            with m.Case(0x37):
                m.d.comb += expected.eq(u_type)
            with m.Case(0x17):
                m.d.comb += expected.eq(pc + u_type)
            with m.Case(0x6F):
                m.d.comb += [expected.eq(pc + 4), kind.eq(Kind.JAL), following.eq(pc + j_type)]
            with m.Case(0x67):
                m.d.comb += [
                    checked.eq(funct3 == 0),
                    kind.eq(Kind.JALR),
                    expected.eq(pc + 4),
                    following.eq((a + i_type) & ~1),
                ]
            with m.Case(0x63):
                taken = Signal()
                with m.Switch(funct3):
                    for number, each in (
                        (0, a == b),
                        (1, a != b),
                        (4, a.as_signed() < b.as_signed()),
                        (5, a.as_signed() >= b.as_signed()),
                        (6, a < b),
                        (7, a >= b),
                    ):
                        with m.Case(number):
                            m.d.comb += taken.eq(each)
                m.d.comb += [
                    checked.eq(funct3[1:] != 1),
                    kind.eq(Kind.BRANCH),
                    rd.eq(0),
                    result.eq(0),
                    following.eq(pc + Mux(taken, b_type, 4)),
                ]
            with m.Case(0x03):
                m.d.comb += [
                    checked.eq(funct3 != 7),
                    kind.eq(Kind.LOAD),
                    expected.eq(a + i_type),
                ]
            with m.Case(0x23):
                m.d.comb += [
                    checked.eq(funct3 < 4),
                    kind.eq(Kind.STORE),
                    rd.eq(0),
                    expected.eq(a + s_type),
                ]
            with m.Case(0x13):
                shift = (funct3 == 1) | (funct3 == 5)
                m.d.comb += [
                    checked.eq(~shift | (word[26:] == 0) | ((word[26:] == 0x10) & (funct3 == 5))),
                    expected.eq(arithmetic(a, i_type, other=other & (funct3 == 5))),
                ]
            with m.Case(0x1B):
                m.d.comb += [
                    checked.eq(
                        (funct3 == 0)
                        | ((funct3 == 1) & (funct7 == 0))
                        | ((funct3 == 5) & ((funct7 == 0) | (funct7 == 0x20)))
                    ),
                    expected.eq(narrow(a, i_type, other=other & (funct3 == 5))),
                ]
            with m.Case(0x33):
                two = (funct3 == 0) | (funct3 == 5)
                m.d.comb += [
                    checked.eq((funct7 == 0) | ((funct7 == 0x20) & two)),
                    expected.eq(arithmetic(a, b, other=other)),
                ]
            with m.Case(0x3B):
                plain = (funct3 == 0) | (funct3 == 1) | (funct3 == 5)
                two = (funct3 == 0) | (funct3 == 5)
                m.d.comb += [
                    checked.eq(((funct7 == 0) & plain) | ((funct7 == 0x20) & two)),
                    expected.eq(narrow(a, b, other=other)),
                ]
            with m.Case(0x0F):
                m.d.comb += [
                    checked.eq(funct3 < 2),
                    kind.eq(Mux(funct3[0], Kind.FENCE_I, Kind.FENCE)),
                    rd.eq(0),
                    result.eq(0),
                ]
            with m.Default():
                m.d.comb += checked.eq(0)

        # No opcode of the ISA, and no other word of those above, is an instruction.
        known = (0x37, 0x17, 0x6F, 0x67, 0x63, 0x03, 0x23, 0x13, 0x1B, 0x33, 0x3B, 0x0F)
        more = (0x2F, 0x73, 0x7B)
        multiply = ((opcode == 0x33) | ((opcode == 0x3B) & ((funct3 == 0) | funct3[2]))) & (
            funct7 == 1
        )
        with m.If(out.valid):
            with m.If(checked):
                m.d.comb += [
                    Assert(out.kind == kind),
                    Assert(out.rd == rd),
                    Assert(out.next == following),
                    Assert(~result | (out.result == expected)),
                ]
            with m.Elif(opcode.matches(*known) & ~multiply):
                m.d.comb += Assert(out.kind == Kind.ILLEGAL)
            with m.Elif(multiply):
                m.d.comb += [
                    Assert(out.kind == Mux(funct3[2], Kind.DIVIDE, Kind.MULTIPLY)),
                    Assert(out.rd == destination),
                ]
            with m.Elif(~opcode.matches(*more)):
                m.d.comb += Assert(out.kind == Kind.ILLEGAL)
        for each in known:
            m.d.comb += Cover(out.valid & checked & (opcode == each))


C0 = Const(0, 1)

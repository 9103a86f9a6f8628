"""The instruction decoder."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.encoding import DECODED, Alu, Atomic, Kind
from uintr.registers import UIPI_OPCODE, URET_WORD

__all__ = ["Decoder", "follow"]

_FENCES = 0x0F
_SYSTEM = {
    0x0000_0073: Kind.ECALL,
    0x0010_0073: Kind.EBREAK,
    0x3020_0073: Kind.MRET,
    0x1020_0073: Kind.SRET,
    URET_WORD: Kind.URET,
    0x1050_0073: Kind.WFI,
}
_SFENCE_FUNCT7 = 0b0001001


def follow(raw: Any) -> tuple[Any, Any]:
    """Whether an instruction as it stands in memory is a jump, or a branch backwards; and how far
    both go, and branches forward as well. What is neither jump nor branch may say anything."""
    sign, short_sign = raw[31], raw[12]
    jal = Cat(C(0, 1), raw[21:31], raw[20], raw[12:20], sign)
    branch = Cat(C(0, 1), raw[8:12], raw[25:31], raw[7], sign.replicate(9))
    c_j = Cat(C(0, 1), raw[3:6], raw[11], raw[2], raw[7], raw[6], raw[9:11], raw[8])
    c_j = Cat(c_j, short_sign.replicate(10))
    c_branch = Cat(C(0, 1), raw[3:5], raw[10:12], raw[2], raw[5:7], short_sign.replicate(13))
    jumps = (raw[:7] == 0x6F) | ((raw[:7] == 0x63) & sign)
    short_jumps = (raw[:2] == 1) & ((raw[13:16] == 5) | (raw[14:16].all() & short_sign))
    offset = Mux(raw[:2] == 3, Mux(raw[2], jal, branch), Mux(raw[14], c_branch, c_j))
    return jumps | short_jumps, offset


class Decoder(wiring.Component):
    """Decodes one 32-bit instruction; combinational.

    UIPI is of opcode custom-3 in its three published encodings: funct3 110, or 010 with bits 24:20
    clear, with the function in funct7; 010 with others there, with the function in the immediate.
    What is decided here is whether an instruction exists at all; what privilege, status or CSR have
    to say is the last stage's.

    Members
    -------
    word, illegal : the instruction; it was a compressed one that does not exist
    decoded : what it is
    """

    def __init__(self) -> None:
        super().__init__({"word": In(32), "illegal": In(1), "decoded": Out(DECODED)})

    def elaborate(self, platform: Any) -> Module:
        """One opcode after another."""
        m = Module()
        word, d = self.word, self.decoded
        opcode, funct3, funct7 = word[:7], word[12:15], word[25:32]
        sign = word[31]

        i_type = Cat(word[20:31], sign.replicate(21))
        s_type = Cat(word[7:12], word[25:31], sign.replicate(21))
        u_type = Cat(C(0, 12), word[12:32])

        kind = Signal(Kind)
        writes = Signal()
        rd = word[7:12]
        m.d.comb += [
            d.kind.eq(kind),
            d.funct3.eq(funct3),
            d.rs1.eq(word[15:20]),
            d.rs2.eq(word[20:25]),
            d.rd.eq(rd & writes.replicate(5)),
            d.immediate.eq(i_type),
            d.compare.eq(d.alu.matches(Alu.SLT, Alu.SLTU)),
            kind.eq(Kind.ILLEGAL),
        ]

        def is_(what: Kind, *, reads: int = 0, rd: int = 0, **fields: Any) -> list[Any]:
            return [
                kind.eq(what),
                d.use_rs1.eq(reads >= 1),
                d.use_rs2.eq(reads >= 2),
                writes.eq(rd),
                *(d[name].eq(value) for name, value in fields.items()),
            ]

        with m.If(~self.illegal), m.Switch(opcode):
            with m.Case(0x37):  # LUI
                m.d.comb += is_(Kind.ALU, rd=1, from_zero=1, use_immediate=1, immediate=u_type)
            with m.Case(0x17):  # AUIPC
                m.d.comb += is_(Kind.ALU, rd=1, from_pc=1, use_immediate=1, immediate=u_type)
            with m.Case(0x6F):
                m.d.comb += is_(Kind.JAL, rd=1)
            with m.Case(0x67), m.If(funct3 == 0):
                m.d.comb += is_(Kind.JALR, reads=1, rd=1, use_immediate=1)
            with m.Case(0x63), m.If(funct3[1:] != 1):
                m.d.comb += is_(Kind.BRANCH, reads=2)
            with m.Case(0x03), m.If(funct3 != 7):
                m.d.comb += is_(Kind.LOAD, reads=1, rd=1, use_immediate=1)
            with m.Case(0x23), m.If(~funct3[2]):
                m.d.comb += is_(Kind.STORE, reads=2, use_immediate=1, immediate=s_type)

            with m.Case(0x13):
                shifts = funct3.matches(Alu.SLL, Alu.SRL)
                arithmetic = (funct3 == Alu.SRL) & word[30]
                with m.If(~shifts | ~Cat(word[26:30], word[30] & (funct3 == Alu.SLL), sign).any()):
                    m.d.comb += is_(
                        Kind.ALU, reads=1, rd=1, use_immediate=1, alu=funct3, alternative=arithmetic
                    )
            with m.Case(0x1B):
                fits = ~Cat(word[25:30], word[30] & (funct3 == Alu.SLL), sign).any()
                arithmetic = (funct3 == Alu.SRL) & word[30]
                with m.If((funct3 == Alu.ADD) | (funct3.matches(Alu.SLL, Alu.SRL) & fits)):
                    m.d.comb += is_(
                        Kind.ALU,
                        reads=1,
                        rd=1,
                        use_immediate=1,
                        alu=funct3,
                        alternative=arithmetic,
                        word=1,
                    )
            with m.Case(0x33, 0x3B):
                narrow = word[3]
                plain = (funct7 == 0) & (~narrow | funct3.matches(Alu.ADD, Alu.SLL, Alu.SRL))
                other = (funct7 == 0x20) & funct3.matches(Alu.ADD, Alu.SRL)
                fields = {"reads": 2, "rd": 1, "word": narrow}
                with m.If(plain | other):
                    m.d.comb += is_(Kind.ALU, alu=funct3, alternative=word[30], **fields)
                with m.Elif((funct7 == 1) & funct3[2]):
                    m.d.comb += is_(Kind.DIVIDE, **fields)
                with m.Elif((funct7 == 1) & (~narrow | (funct3 == 0))):
                    m.d.comb += is_(Kind.MULTIPLY, **fields)

            with m.Case(0x2F), m.If(funct3[1:] == 1), m.Switch(word[27:32]):
                fields = {"rd": 1, "use_immediate": 1, "immediate": 0}
                for atomic in Atomic:
                    with m.Case(atomic):
                        if atomic is Atomic.LR:
                            with m.If(word[20:25] == 0):
                                m.d.comb += is_(Kind.ATOMIC, reads=1, **fields)
                        else:
                            m.d.comb += is_(Kind.ATOMIC, reads=2, **fields)

            with m.Case(_FENCES):
                with m.If(funct3 == 0):
                    m.d.comb += is_(Kind.FENCE)
                with m.Elif(funct3 == 1):
                    m.d.comb += is_(Kind.FENCE_I)

            with m.Case(0x73):
                with m.If(funct3[:2] != 0):
                    # The operand is rs1, or in its place a number.
                    m.d.comb += is_(
                        Kind.CSR,
                        rd=1,
                        from_zero=funct3[2],
                        use_immediate=1,
                        immediate=word[15:20] & funct3[2].replicate(5),
                    )
                    m.d.comb += d.use_rs1.eq(~funct3[2])
                with m.Elif((funct3 == 0) & (funct7 == _SFENCE_FUNCT7) & (rd == 0)):
                    m.d.comb += is_(Kind.SFENCE, reads=2)
                with m.Switch(word):
                    for whole, each in _SYSTEM.items():
                        with m.Case(whole):
                            m.d.comb += is_(each)
                            if each is Kind.EBREAK:  # its own address is what its trap tells
                                m.d.comb += is_(each, from_pc=1, use_immediate=1, immediate=0)

            with m.Case(UIPI_OPCODE), m.If(funct3.matches(0b110, 0b010)):
                m.d.comb += is_(Kind.UIPI, reads=1, rd=1, use_immediate=1, immediate=0)
        return m

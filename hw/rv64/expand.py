"""Compressed instructions as the instructions that they stand for."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FORMS", "Expander", "forms"]

_OP, _OP_IMM, _OP_32, _OP_IMM_32 = 0x33, 0x13, 0x3B, 0x1B
_LOAD, _STORE, _LUI, _BRANCH, _JALR, _JAL, _SYSTEM = 0x03, 0x23, 0x37, 0x63, 0x67, 0x6F, 0x73


def _x(number: int) -> Any:
    return C(number, 5)


def _r(opcode: int, rd: Any, funct3: int, rs1: Any, rs2: Any, funct7: int = 0) -> Any:
    return Cat(C(opcode, 7), rd, C(funct3, 3), rs1, rs2, C(funct7, 7))


def _i(opcode: int, rd: Any, funct3: int, rs1: Any, immediate: Any) -> Any:
    return Cat(C(opcode, 7), rd, C(funct3, 3), rs1, immediate)


def _s(funct3: int, rs1: Any, rs2: Any, immediate: Any) -> Any:
    return Cat(C(_STORE, 7), immediate[:5], C(funct3, 3), rs1, rs2, immediate[5:12])


def forms(c: Any) -> list[tuple[Any, Any]]:
    """The RV64C instructions of a machine without floating point: when ``c`` is this one, and what
    it stands for. At most one of them holds; none if it is reserved, or no compressed one."""
    rd, rs2 = c[7:12], c[2:7]
    rd_short = Cat(c[2:5], C(1, 2))  # rd' of loads, rs2' of stores and arithmetic
    rs1_short = Cat(c[7:10], C(1, 2))

    sign = c[12]
    imm6 = Cat(c[2:7], sign.replicate(7))
    shamt = Cat(c[2:7], c[12], C(0, 6))
    offset_w = Cat(C(0, 2), c[6], c[10:13], c[5], C(0, 5))
    offset_d = Cat(C(0, 3), c[10:13], c[5:7], C(0, 4))
    jump = Cat(c[3:6], c[11], c[2], c[7], c[6], c[9:11], c[8], sign.replicate(10))  # [11:1]..
    branch = Cat(c[3:5], c[10:12], c[2], c[5:7], sign.replicate(5))  # bits 1 to 12

    found: list[tuple[Any, Any]] = []

    def is_(where: int, word: Any, only: Any = None) -> None:
        here = Cat(c[13:16], c[:2]) == where
        found.append((here if only is None else here & only, word))

    # addi4spn
    nz = Cat(C(0, 2), c[6], c[5], c[11:13], c[7:11], C(0, 2))
    is_(0b00_000, _i(_OP_IMM, rd_short, 0, _x(2), nz), c[5:13].any())
    is_(0b00_010, _i(_LOAD, rd_short, 2, rs1_short, offset_w))
    is_(0b00_011, _i(_LOAD, rd_short, 3, rs1_short, offset_d))
    is_(0b00_110, _s(2, rs1_short, rd_short, offset_w))
    is_(0b00_111, _s(3, rs1_short, rd_short, offset_d))

    is_(0b01_000, _i(_OP_IMM, rd, 0, rd, imm6))
    is_(0b01_001, _i(_OP_IMM_32, rd, 0, rd, imm6), rd.any())  # addiw
    is_(0b01_010, _i(_OP_IMM, rd, 0, _x(0), imm6))
    nz = Cat(C(0, 4), c[6], c[2], c[5], c[3:5], sign.replicate(3))
    is_(0b01_011, _i(_OP_IMM, _x(2), 0, _x(2), nz), (rd == 2) & imm6[:6].any())  # addi16sp
    lui = Cat(C(_LUI, 7), rd, c[2:7], sign.replicate(15))
    is_(0b01_011, lui, (rd != 2) & imm6[:6].any())
    which = c[10:12]
    is_(0b01_100, _i(_OP_IMM, rs1_short, 5, rs1_short, shamt | c[10] << 10), ~c[11])
    is_(0b01_100, _i(_OP_IMM, rs1_short, 7, rs1_short, imm6), which == 2)
    for place, (opcode, funct3, funct7) in enumerate(
        (
            (_OP, 0, 0x20),
            (_OP, 4, 0),
            (_OP, 6, 0),
            (_OP, 7, 0),
            (_OP_32, 0, 0x20),
            (_OP_32, 0, 0),
        )
    ):
        is_(
            0b01_100,
            _r(opcode, rs1_short, funct3, rs1_short, rd_short, funct7),
            Cat(c[5:7], c[12], which) == place | 3 << 3,
        )
    is_(0b01_101, Cat(C(_JAL, 7), _x(0), jump[11:19], jump[10], jump[:10], jump[19]))
    for each in (0b01_110, 0b01_111):
        funct3 = Cat(C(each & 1, 1), C(0, 2))
        low = Cat(C(_BRANCH, 7), branch[10], branch[:4], funct3)
        is_(each, Cat(low, rs1_short, _x(0), branch[4:10], branch[11]))

    is_(0b10_000, _i(_OP_IMM, rd, 1, rd, shamt))
    offset = Cat(C(0, 2), c[4:7], c[12], c[2:4], C(0, 4))
    is_(0b10_010, _i(_LOAD, rd, 2, _x(2), offset), rd.any())  # lwsp
    offset = Cat(C(0, 3), c[5:7], c[12], c[2:5], C(0, 3))
    is_(0b10_011, _i(_LOAD, rd, 3, _x(2), offset), rd.any())  # ldsp
    base = rd & c[12].replicate(5)
    is_(0b10_100, _r(_OP, rd, 0, base, rs2), rs2.any())  # mv, add
    link = Cat(c[12], C(0, 4))
    is_(0b10_100, _i(_JALR, link, 0, rd, C(0, 12)), ~rs2.any() & rd.any())  # jr, jalr
    is_(0b10_100, C(0x0010_0073, 32), ~rs2.any() & ~rd.any() & c[12])  # ebreak
    is_(0b10_110, _s(2, _x(2), rs2, Cat(C(0, 2), c[9:13], c[7:9], C(0, 4))))
    is_(0b10_111, _s(3, _x(2), rs2, Cat(C(0, 3), c[10:13], c[7:10], C(0, 3))))
    return found


FORMS = len(forms(Signal(16)))


class Expander(wiring.Component):
    """Expands compressed instructions; combinational. What no two forms need at once is or-ed,
    which is quicker than a choice.

    Members
    -------
    half, form : the first 16 bits; which of `forms` it is
    word : what it stands for; 0 if it is none
    """

    def __init__(self) -> None:
        super().__init__({"half": In(16), "form": In(FORMS), "word": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        """Bit by bit."""
        m = Module()
        words = [word for _, word in forms(self.half)]
        for bit in range(32):
            terms = (
                self.form[number] & word[bit]
                for number, word in enumerate(words)
                if bit < len(word)
            )
            m.d.comb += self.word[bit].eq(Cat(terms).any())
        return m

"""A few instructions as words, for the programs of these tests."""

from uintr.registers import URET_WORD, UipiFunction, uipi_word

__all__ = [
    "ECALL",
    "FENCE",
    "MRET",
    "NOP",
    "SRET",
    "URET",
    "WFI",
    "addi",
    "amo",
    "branch",
    "csr",
    "divide",
    "jal",
    "jalr",
    "li",
    "load",
    "multiply",
    "operate",
    "store",
    "uipi",
]

NOP, ECALL, MRET, SRET, WFI = 0x13, 0x73, 0x3020_0073, 0x1020_0073, 0x1050_0073
FENCE, URET = 0x0FF0_000F, URET_WORD


def _i(opcode: int, funct3: int, rd: int, rs1: int, immediate: int) -> int:
    return (immediate & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def _r(opcode: int, funct3: int, rd: int, rs1: int, rs2: int, funct7: int = 0) -> int:
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def addi(rd: int, rs1: int, immediate: int) -> int:
    return _i(0x13, 0, rd, rs1, immediate)


def operate(funct3: int, rd: int, rs1: int, rs2: int, funct7: int = 0) -> int:
    return _r(0x33, funct3, rd, rs1, rs2, funct7)


def multiply(rd: int, rs1: int, rs2: int) -> int:
    return operate(0, rd, rs1, rs2, 1)


def divide(rd: int, rs1: int, rs2: int) -> int:
    return operate(4, rd, rs1, rs2, 1)


def load(rd: int, rs1: int, offset: int = 0, funct3: int = 3) -> int:
    return _i(0x03, funct3, rd, rs1, offset)


def store(rs2: int, rs1: int, offset: int = 0, funct3: int = 3) -> int:
    return (
        (offset >> 5 & 0x7F) << 25
        | rs2 << 20
        | rs1 << 15
        | funct3 << 12
        | (offset & 0x1F) << 7
        | 0x23
    )


def branch(funct3: int, rs1: int, rs2: int, offset: int) -> int:
    return (
        (offset >> 12 & 1) << 31
        | (offset >> 5 & 0x3F) << 25
        | rs2 << 20
        | rs1 << 15
        | funct3 << 12
        | (offset >> 1 & 0xF) << 8
        | (offset >> 11 & 1) << 7
        | 0x63
    )


def jal(rd: int, offset: int) -> int:
    return (
        (offset >> 20 & 1) << 31
        | (offset >> 1 & 0x3FF) << 21
        | (offset >> 11 & 1) << 20
        | (offset >> 12 & 0xFF) << 12
        | rd << 7
        | 0x6F
    )


def jalr(rd: int, rs1: int, offset: int = 0) -> int:
    return _i(0x67, 0, rd, rs1, offset)


def csr(number: int, rs1: int, *, rd: int = 0, funct3: int = 1) -> int:
    """CSRRW unless another ``funct3`` is given."""
    return _i(0x73, funct3, rd, rs1, number)


def amo(funct5: int, rd: int, rs1: int, rs2: int, funct3: int = 3) -> int:
    return _r(0x2F, funct3, rd, rs1, rs2, funct5 << 2)


def uipi(function: UipiFunction, *, rd: int = 0, rs1: int = 0) -> int:
    return uipi_word(function, rd=rd, rs1=rs1)


def li(rd: int, value: int) -> list[int]:
    """Any constant of 64 bits, twelve bits at a time: always the same number of instructions."""
    words = [addi(rd, 0, value >> 55 & 0x1FF)]
    for shift in (44, 33, 22, 11, 0):
        words += [_i(0x13, 1, rd, rd, 11), _i(0x13, 6, rd, rd, value >> shift & 0x7FF)]
    return words

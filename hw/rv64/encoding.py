"""What an instruction is, once decoded: kinds, operations, causes of traps, and the word between
stages."""

from enum import IntEnum

from amaranth.lib import data

__all__ = ["Alu", "Atomic", "Cause", "DECODED", "FAULT", "Kind"]


class Kind(IntEnum):
    """What the pipeline does with an instruction. From `CSR` on it is the last stage's work, with
    nothing ahead of it any more."""

    ALU = 0  #: result of the ALU
    BRANCH = 1
    JAL = 2
    JALR = 3
    MULTIPLY = 4
    DIVIDE = 5
    LOAD = 6
    STORE = 7
    ATOMIC = 8  #: LR, SC and AMO
    CSR = 16
    UIPI = 17
    FENCE = 18
    FENCE_I = 19
    SFENCE = 20
    ECALL = 21
    EBREAK = 22
    MRET = 23
    SRET = 24
    URET = 25
    WFI = 26
    ILLEGAL = 31


class Alu(IntEnum):
    """Operations, numbered as funct3."""

    ADD = 0
    SLL = 1
    SLT = 2
    SLTU = 3
    XOR = 4
    SRL = 5
    OR = 6
    AND = 7


class Atomic(IntEnum):
    """funct5 of atomic instructions."""

    ADD = 0b00000
    SWAP = 0b00001
    LR = 0b00010
    SC = 0b00011
    XOR = 0b00100
    OR = 0b01000
    AND = 0b01100
    MIN = 0b10000
    MAX = 0b10100
    MINU = 0b11000
    MAXU = 0b11100


class Cause(IntEnum):
    """Exception codes."""

    FETCH_ACCESS = 1
    ILLEGAL = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_ACCESS = 5
    STORE_MISALIGNED = 6
    STORE_ACCESS = 7
    ECALL_U = 8
    ECALL_S = 9
    ECALL_M = 11
    FETCH_PAGE = 12
    LOAD_PAGE = 13
    STORE_PAGE = 15


FAULT = data.StructLayout({"valid": 1, "cause": 4})
"""An exception that an instruction carries to the last stage. Its value (mtval) is told there: the
address of the access, of the instruction, or the instruction."""

DECODED = data.StructLayout(
    {
        "kind": Kind,
        "alu": Alu,
        "alternative": 1,  # subtract, or shift arithmetically
        "compare": 1,  # subtract, for SLT and branches
        "word": 1,  # 32-bit operation
        "funct3": 3,
        "rd": 5,  # 0: none
        "rs1": 5,
        "rs2": 5,
        "use_rs1": 1,
        "use_rs2": 1,
        "from_pc": 1,  # first operand is the pc
        "from_zero": 1,  # first operand is 0
        "use_immediate": 1,  # second operand is the immediate
        "immediate": 32,  # sign-extended where it is used
    }
)
"""An instruction between decoding and its end."""

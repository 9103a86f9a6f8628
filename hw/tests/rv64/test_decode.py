"""What is an instruction, and the three encodings of UIPI."""

from typing import Any

import pytest
from hwbench import simulated

from rv64.decode import Decoder
from rv64.encoding import Kind
from uintr.registers import URET_WORD, UipiFunction, uipi_word

WORDS = {
    0x0000_0037: Kind.ALU,
    0x0000_0017: Kind.ALU,
    0x0000_006F: Kind.JAL,
    0x0000_0067: Kind.JALR,
    0x0000_0063: Kind.BRANCH,
    0x0000_3003: Kind.LOAD,
    0x0000_3023: Kind.STORE,
    0x03F0_1013: Kind.ALU,  # slli by 63
    0x43F0_5013: Kind.ALU,  # srai by 63
    0x01F0_101B: Kind.ALU,  # slliw by 31
    0x0200_0033: Kind.MULTIPLY,
    0x0200_403B: Kind.DIVIDE,
    0x0000_302F: Kind.ATOMIC,
    0x1000_202F: Kind.ATOMIC,
    0x0000_000F: Kind.FENCE,
    0x0000_100F: Kind.FENCE_I,
    0x3000_1073: Kind.CSR,
    0x0000_0073: Kind.ECALL,
    0x0010_0073: Kind.EBREAK,
    0x3020_0073: Kind.MRET,
    0x1020_0073: Kind.SRET,
    0x1050_0073: Kind.WFI,
    0x1200_0073: Kind.SFENCE,
    URET_WORD: Kind.URET,
    uipi_word(UipiFunction.SEND, rs1=5): Kind.UIPI,
    0x0002_A07B: Kind.UIPI,  # funct3 010
}
ILLEGAL = (
    0x0000_0000,
    0xFFFF_FFFF,
    0x0000_1067,  # jalr with another funct3
    0x0000_2063,  # a branch that there is not
    0x0000_7003,
    0x0000_4023,
    0x0400_1013 | 1 << 30,  # slli with the bit of srai
    0x0200_101B,  # slliw by 32
    0x0200_103B,  # mulhw
    0x4000_1033,  # the bit of sub with sll
    0x0000_102F,  # amo of a byte
    0x1010_302F,  # lr with an rs2
    0x2800_302F,  # an atomic that there is not
    0x0000_4073,
    0x3020_00F3,  # mret with a register
    0x0000_007B,  # UIPI with another funct3
    0x0000_0007,  # flw
)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: f"{word:08x}")
@simulated(Decoder)
async def test_kinds(ctx: Any, dut: Decoder, word: int) -> None:
    ctx.set(dut.word, word)
    assert ctx.get(dut.decoded.kind) == WORDS[word]
    ctx.set(dut.illegal, 1)
    assert ctx.get(dut.decoded.kind) == Kind.ILLEGAL


@pytest.mark.parametrize("word", ILLEGAL, ids=lambda word: f"{word:08x}")
@simulated(Decoder)
async def test_what_there_is_not(ctx: Any, dut: Decoder, word: int) -> None:
    ctx.set(dut.word, word)
    assert ctx.get(dut.decoded.kind) == Kind.ILLEGAL
    assert ctx.get(dut.decoded.rd) == 0

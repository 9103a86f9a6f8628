"""Compressed instructions and what they stand for; the pairs are an assembler's."""

from typing import Any

import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Signal
from hwbench import simulated

from rv64.expand import Expander, forms

PAIRS = [
    (0x1FE8, 0x3FC10513),  # c.addi4spn a0,sp,1020
    (0x0044, 0x00410493),  # c.addi4spn s1,sp,4
    (0x42B0, 0x0406A603),  # c.lw a2,64(a3)
    (0x5CE0, 0x07C4A403),  # c.lw s0,124(s1)
    (0x671C, 0x00873783),  # c.ld a5,8(a4)
    (0x7DE8, 0x0F85B503),  # c.ld a0,248(a1)
    (0xC14C, 0x00B52223),  # c.sw a1,4(a0)
    (0xE064, 0x0C943023),  # c.sd s1,192(s0)
    (0x0001, 0x00000013),  # c.nop
    (0x1281, 0xFE028293),  # c.addi t0,-32
    (0x00FD, 0x01F08093),  # c.addi ra,31
    (0x38FD, 0xFFF8889B),  # c.addiw a7,-1
    (0x2901, 0x0009091B),  # c.addiw s2,0
    (0x5F81, 0xFE000F93),  # c.li t6,-32
    (0x4545, 0x01100513),  # c.li a0,17
    (0x7101, 0xE0010113),  # c.addi16sp sp,-512
    (0x617D, 0x1F010113),  # c.addi16sp sp,496
    (0x677D, 0x0001F737),  # c.lui a4,31
    (0x7301, 0xFFFE0337),  # c.lui t1,0xfffe0
    (0x917D, 0x03F55513),  # c.srli a0,63
    (0x8585, 0x4015D593),  # c.srai a1,1
    (0x986D, 0xFFB47413),  # c.andi s0,-5
    (0x8D0D, 0x40B50533),  # c.sub a0,a1
    (0x8E25, 0x00964633),  # c.xor a2,s1
    (0x8ED9, 0x00E6E6B3),  # c.or a3,a4
    (0x8FE1, 0x0087F7B3),  # c.and a5,s0
    (0x9D0D, 0x40B5053B),  # c.subw a0,a1
    (0x9CBD, 0x00F484BB),  # c.addw s1,a5
    (0xB001, 0x801FF06F),  # c.j .-2048
    (0xAFFD, 0x7FE0006F),  # c.j .+2046
    (0xA46D, 0x2AA0006F),  # c.j .+682
    (0xD101, 0xF00500E3),  # c.beqz a0,.-256
    (0xECFD, 0x0E049F63),  # c.bnez s1,.+254
    (0xEBB1, 0x04079A63),  # c.bnez a5,.+84
    (0x1286, 0x02129293),  # c.slli t0,33
    (0x0D06, 0x001D1D13),  # c.slli s10,1
    (0x52FE, 0x0FC12283),  # c.lwsp t0,252(sp)
    (0x40D2, 0x01412083),  # c.lwsp ra,20(sp)
    (0x757E, 0x1F813503),  # c.ldsp a0,504(sp)
    (0x7DA2, 0x02813D83),  # c.ldsp s11,40(sp)
    (0x8082, 0x00008067),  # c.jr ra
    (0x9302, 0x000300E7),  # c.jalr t1
    (0x851E, 0x00700533),  # c.mv a0,t2
    (0x99AA, 0x00A989B3),  # c.add s3,a0
    (0x9002, 0x00100073),  # c.ebreak
    (0xC172, 0x09C12023),  # c.swsp t3,128(sp)
    (0xE406, 0x00113423),  # c.sdsp ra,8(sp)
    (0xFFAA, 0x1EA13C23),  # c.sdsp a0,504(sp)
]
RESERVED = {
    0x0000: "all zeros",
    0x0004: "c.addi4spn without an offset",
    0x2000: "c.fld",
    0xA000: "c.fsd",
    0x8000: "reserved row of quadrant 0",
    0x2001: "c.addiw of x0",
    0x6101: "c.addi16sp of 0",
    0x6281: "c.lui of 0",
    0x9C41: "reserved arithmetic",
    0x9C61: "reserved arithmetic",
    0x4002: "c.lwsp to x0",
    0x6002: "c.ldsp to x0",
    0x2002: "c.fldsp",
    0xA002: "c.fsdsp",
    0x8002: "c.jr of x0",
}


class Whole(Elaboratable):
    """Which form it is, as fetch finds it, and then the word."""

    def __init__(self) -> None:
        self.half, self.word = Signal(16), Signal(32)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.expander = expander = Expander()
        m.d.comb += [
            expander.half.eq(self.half),
            expander.form.eq(Cat(condition for condition, _ in forms(self.half))),
            self.word.eq(expander.word),
        ]
        return m


@simulated(Whole)
async def test_every_form_expands_as_an_assembler_has_it(ctx: Any, dut: Whole) -> None:
    for half, word in PAIRS:
        ctx.set(dut.half, half)
        assert ctx.get(dut.word) == word, f"{half:04x}"


@pytest.mark.parametrize("half", RESERVED, ids=lambda half: RESERVED[half].replace(" ", "-"))
@simulated(Whole)
async def test_what_is_reserved_is_none(ctx: Any, dut: Whole, half: int) -> None:
    ctx.set(dut.half, half)
    assert ctx.get(dut.word) == 0

"""Words of random programs that trap: no instructions, and what a privilege may not run."""

from collections.abc import Callable
from random import Random

from rv64_verify.encode import encode
from uintr.registers import Csr, Privilege

__all__ = ["MACHINE_CSRS", "READ_ONLY", "SUPERVISOR_CSRS", "forbidden_word", "illegal_word"]

S, U = Privilege.S, Privilege.U
S0, S1 = 8, 9

SUPERVISOR_CSRS = (0x100, 0x104, 0x106, 0x10A, 0x141, 0x142, 0x143, 0x144)
_ABSENT = (0x007, 0x200, 0x312, 0x5A8, 0x5C0, 0x7A0, 0x800, 0xB20, 0xC03, 0xC80, 0xFC0)
READ_ONLY = (0xC00, 0xC01, 0xC02)
MACHINE_CSRS = (
    *(0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x30A, 0x320, 0x341, 0x342, 0x343, 0x344),
    *(0x3B1, 0x3B7, 0xB00, 0xB02, 0xB03, 0xB1F, 0x323, 0x33F),
)


def illegal_word(random: Random, rd: Callable[[], int]) -> int:
    """A word that is no instruction; of 16 bits where its lowest two are not 3."""
    target, rs1 = rd() << 7, random.choice((S0, S1)) << 15
    noise = random.getrandbits(32)
    words = [
        noise & ~0x7F | random.choice((0x07, 0x0B, 0x27, 0x2B, 0x43, 0x53, 0x57, 0x5B, 0x77)),
        noise & 0x01FF_F000 | 0x4200_0000 | target | 0x33,
        noise & 0x01FF_0000 | 0x1000 | 0x4000_0000 | target | 0x13,
        noise & 0x01FF_0000 | 0x2000 | target | 0x1B,
        noise & 0xFE00_0000 & ~0x0200_0000 | 0x0200_1000 | target | rs1 | 0x3B,
        noise & 0xFFF0_0000 | 0x7000 | target | rs1 | 0x03,
        noise & 0xFE00_0F80 | random.choice((4, 5, 6, 7)) << 12 | rs1 | 0x23,
        noise & 0xFE00_0000 | random.choice((2, 3)) << 12 | 0x63,
        noise & 0xFFF0_0000 | random.randrange(1, 8) << 12 | target | rs1 | 0x67,
        noise & 0xFFFF_8F80 | random.randrange(3, 8) << 12 | 0x0F,
        noise & 0x01F0_0000 | random.choice((0x28, 0x38, 0x70, 0xF8)) << 24 | 0x3000 | rs1 | 0x2F,
        noise & 0x0600_0000 | 0x1010_3000 | target | rs1 | 0x2F,  # LR with rs2
        noise & 0x01F0_0000 | random.choice((0, 1, 4, 5, 6, 7)) << 12 | target | rs1 | 0x2F,
        noise & ~0x7FFF | 0x4073,
        random.choice((0x0030_0073, 0x7B20_0073, 0x0000_0173, 0x1040_0073, 0x1200_00F3)),
        noise & ~0x707F | random.choice((0, 1, 3, 4, 5, 7)) << 12 | 0x7B,
        random.randrange(5, 128) << 25 | 0x607B | rs1,
        encode("csrrs", rd(), 0, imm=random.choice(_ABSENT)),
        encode("csrrw", rd(), 0, imm=random.choice(READ_ONLY)),
        0x0000,
        random.choice((0x2000, 0xA000, 0x8000, 0x2002, 0xA002)) | random.getrandbits(10) << 2,
        0x6001 | target & 0xF80,
        0x2001 | (random.getrandbits(5) << 2),
        0x4002,
        0x6002,
        0x8002,
        0x9C41 | random.choice((0x00, 0x20)),
    ]
    word = random.choice(words)
    return word if word & 3 == 3 else word & 0xFFFF


def forbidden_word(random: Random, privilege: Privilege, rd: Callable[[], int]) -> int | None:
    """What a privilege may not; in M-mode there is nothing."""
    if privilege == U:
        return random.choice(
            (
                encode("sret"),
                encode("mret"),
                encode("wfi"),
                encode("sfence.vma", 0, S0, 0),
                encode("csrrs", rd(), 0, imm=random.choice(SUPERVISOR_CSRS)),
                encode("csrrw", rd(), S0, imm=random.choice(SUPERVISOR_CSRS)),
                encode("csrrs", rd(), 0, imm=random.choice((Csr.SUIST, Csr.SIDELEG))),
            )
        )
    if privilege == S:
        return random.choice(
            (
                encode("mret"),
                encode("csrrs", rd(), 0, imm=random.choice(MACHINE_CSRS)),
                encode("csrrw", rd(), S0, imm=random.choice((0x300, 0x341, 0xF14))),
            )
        )
    return None

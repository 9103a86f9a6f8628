"""The ALU against integers."""

import random
from itertools import product
from typing import Any

import pytest
from hwbench import ONES, drive, simulated
from rv64bench import extended

from rv64.alu import AluUnit, Comparator
from rv64.encoding import Alu

EDGES = (0, 1, ONES, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xFFFF_FFFF_8000_0000)


def operands(rng: random.Random) -> int:
    return rng.choice(EDGES) if rng.random() < 0.4 else rng.getrandbits(64)


def expected(alu: Alu, alternative: int, word: int, a: int, b: int) -> int:
    bits = 32 if word else 64
    amount = b % bits
    low = a & (1 << bits) - 1
    result = {
        Alu.ADD: a - b if alternative else a + b,
        Alu.SLL: a << amount,
        Alu.SLT: int(extended(a) < extended(b)),
        Alu.SLTU: int(a < b),
        Alu.XOR: a ^ b,
        Alu.SRL: (extended(a, bits) if alternative else low) >> amount,
        Alu.OR: a | b,
        Alu.AND: a & b,
    }[alu]
    return (extended(result, 32) if word else result) & ONES


@simulated(AluUnit)
async def test_every_operation(ctx: Any, dut: AluUnit) -> None:
    rng = random.Random(1)
    for _ in range(3000):
        alu = rng.choice(list(Alu))
        narrow = alu in (Alu.ADD, Alu.SLL, Alu.SRL)
        word = rng.getrandbits(1) if narrow else 0
        alternative = rng.getrandbits(1) if alu in (Alu.ADD, Alu.SRL) else 0
        a, b = operands(rng), operands(rng)
        drive(ctx, dut, a=a, b=b, alu=alu, word=word, alternative=alternative)
        ctx.set(dut.compare, alu in (Alu.SLT, Alu.SLTU))
        wanted = expected(alu, alternative, word, a, b)
        assert ctx.get(dut.result) == wanted, (alu, alternative, word, hex(a), hex(b))


@simulated(Comparator)
async def test_every_branch(ctx: Any, dut: Comparator) -> None:
    branches = {
        0: lambda a, b: a == b,
        1: lambda a, b: a != b,
        4: lambda a, b: extended(a) < extended(b),
        5: lambda a, b: extended(a) >= extended(b),
        6: lambda a, b: a < b,
        7: lambda a, b: a >= b,
    }
    rng = random.Random(2)
    for _ in range(2000):
        a, b = operands(rng), operands(rng)
        b = a if rng.random() < 0.2 else b
        drive(ctx, dut, a=a, b=b)
        for funct3, holds in branches.items():
            ctx.set(dut.funct3, funct3)
            assert ctx.get(dut.taken) == holds(a, b), (funct3, hex(a), hex(b))


@pytest.mark.parametrize("word", [0, 1])
@simulated(AluUnit)
async def test_every_amount_of_every_shift(ctx: Any, dut: AluUnit, word: int) -> None:
    shifts = ((Alu.SLL, 0), (Alu.SRL, 0), (Alu.SRL, 1))
    ctx.set(dut.word, word)
    for (alu, alternative), amount, a in product(
        shifts, range(64), (1, 1 << 31, 1 << 63, ONES, 0x0123_4567_89AB_CDEF)
    ):
        # Bits above those of the amount mean nothing.
        b = amount | 0xFFFF_FFFF_FFFF_FF40 * (amount & 1)
        drive(ctx, dut, a=a, b=b, alu=alu, alternative=alternative)
        wanted = expected(alu, alternative, word, a, b)
        assert ctx.get(dut.result) == wanted, (alu, alternative, amount, hex(a))

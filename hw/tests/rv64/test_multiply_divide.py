"""Multiplier and divider against integers, and the cycles that they promise."""

import random
from typing import Any

import pytest
from hwbench import ONES, drive, pulse, simulated
from rv64bench import extended

from rv64.divide import Divider
from rv64.multiply import MULTIPLY_CYCLES, Multiplier

EDGES = (0, 1, ONES, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xFFFF_FFFF_8000_0000)


def product(funct3: int, word: int, a: int, b: int) -> int:
    whole = (
        extended(a) * extended(b),
        extended(a) * extended(b) >> 64,
        extended(a) * b >> 64,
        a * b >> 64,
    )[funct3]
    return (extended(whole, 32) if word else whole) & ONES


def quotient(funct3: int, word: int, a: int, b: int) -> int:
    bits = 32 if word else 64
    if funct3 & 1:
        a, b = a & (1 << bits) - 1, b & (1 << bits) - 1
    else:
        a, b = extended(a, bits), extended(b, bits)
    if b:
        whole = abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)
        rest = a - whole * b
    else:
        whole, rest = -1, a
    result = rest if funct3 & 2 else whole
    return (extended(result, 32) if word else result) & ONES


def made(unit: Any) -> Any:
    return unit()


@pytest.mark.parametrize(
    ("unit", "functions", "expected", "cycles"),
    [
        (Multiplier, range(4), product, {0: MULTIPLY_CYCLES, 1: MULTIPLY_CYCLES}),
        (Divider, range(4, 8), quotient, {0: 66, 1: 34}),
    ],
)
@simulated(made, "unit")
async def test_answers_and_cycles(
    ctx: Any, dut: Any, unit: Any, functions: range, expected: Any, cycles: dict[int, int]
) -> None:
    rng = random.Random(3)
    for _ in range(150):
        a, b = (
            rng.choice(EDGES) if rng.random() < 0.4 else rng.getrandbits(rng.choice((8, 64)))
            for _ in range(2)
        )
        word = rng.getrandbits(1)
        funct3 = 0 if word and unit is Multiplier else rng.choice(functions)
        drive(ctx, dut, a=a, b=b, funct3=funct3, word=word)
        await pulse(ctx, dut.start)
        for name in ("a", "b", "funct3", "word"):  # nobody looks again
            ctx.set(getattr(dut, name), rng.getrandbits(3) & 1)
        taken = 1
        while not ctx.get(dut.done):
            await ctx.tick()
            taken += 1
        await ctx.tick()
        what = (funct3, word, hex(a), hex(b))
        assert ctx.get(dut.result) == expected(funct3, word, a, b), what
        assert taken == cycles[word]
        await ctx.tick()
        assert ctx.get(dut.result) == expected(funct3, word, a, b), "it stays"


@pytest.mark.parametrize("unit", [Multiplier, Divider])
@simulated(made, "unit")
async def test_what_is_cancelled_is_never_done(ctx: Any, dut: Any, unit: Any) -> None:
    for wait in (0, 1, 2, 3):
        await pulse(ctx, dut.start)
        await ctx.tick().repeat(wait + 1)
        await pulse(ctx, dut.cancel)
        for _ in range(70):
            assert not ctx.get(dut.done)
            await ctx.tick()

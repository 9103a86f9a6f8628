"""The bucket of tokens against a naive one that counts in absolute cycles."""

import random
from typing import Any

import pytest
from hwbench import drive, simulated

from uintr.registers import THROTTLE
from uintr.throttle import Throttle


class Naive:
    """Remembers when posts took tokens; each token has a time at which it is back."""

    def __init__(self) -> None:
        self.now = 0
        self.period = self.burst = self.count = 0
        self.back: list[
            int
        ] = []  # first cycles in which the missing tokens are in the bucket again

    @property
    def open(self) -> bool:
        return not self.period or len(self.back) < self.burst

    def step(self, posted: bool, refused: bool, write: int | None) -> None:
        if posted and self.period:
            last = self.back[-1] if self.back else self.now + 1
            self.back.append(last + self.period)
        self.count += refused
        if write is not None:
            self.period, self.burst = write & 0xFF_FFFF, write >> 24 & 0xFF
            self.back = []
            self.count = int(refused)
        self.now += 1
        self.back = [each for each in self.back if each > self.now]


@pytest.mark.parametrize("seed", range(3))
@simulated(Throttle)
async def test_random_posts(ctx: Any, dut: Throttle, seed: int) -> None:
    draw = random.Random(seed)
    naive = Naive()
    shut = open_again = full = 0
    was_open = True
    for _ in range(4000):
        write = None
        if draw.random() < 0.01:
            period, burst = draw.choice((0, 1, 2, 3, 10, 50)), draw.choice((0, 1, 2, 5, 255))
            write = THROTTLE.pack(period=period, burst=burst)
        is_open = bool(ctx.get(dut.open))
        assert is_open == naive.open
        assert ctx.get(dut.resting) == (not naive.back)
        assert ctx.get(dut.word.as_value()) == (
            naive.period | naive.burst << 24 | naive.count << 32
        )
        shut += not is_open
        open_again += is_open and not was_open
        full += not naive.back
        was_open = is_open
        # A post that was let in may be accepted later, when the bucket is not what it was.
        posted = draw.random() < 0.3 and (naive.open or draw.random() < 0.01 > len(naive.back))
        refused = draw.random() < 0.2
        drive(ctx, dut, posted=posted, refused=refused, write=write is not None)
        ctx.set(dut.data.as_value(), draw.getrandbits(64) if write is None else write)
        await ctx.tick()
        naive.step(posted, refused, write)
    assert min(shut, open_again, full) > 20


@pytest.mark.parametrize("period", [1, 2, 5])
@simulated(Throttle)
async def test_when_a_token_comes_back(ctx: Any, dut: Throttle, period: int) -> None:
    """Accepted in cycle p: back from p + period + 1 on."""
    ctx.set(dut.write, 1)
    ctx.set(dut.data.as_value(), THROTTLE.pack(period=period, burst=1))
    await ctx.tick()
    drive(ctx, dut, write=0, posted=1)
    await ctx.tick()  # the end of p
    ctx.set(dut.posted, 0)
    for _ in range(period):
        assert not ctx.get(dut.open)
        await ctx.tick()
    assert ctx.get(dut.open)
    assert ctx.get(dut.resting)


@simulated(Throttle)
async def test_a_write_wins_over_a_post_and_counts_a_refusal(ctx: Any, dut: Throttle) -> None:
    word = THROTTLE.pack(period=4, burst=1)
    ctx.set(dut.write, 1)
    ctx.set(dut.data.as_value(), word)
    await ctx.tick()
    drive(ctx, dut, posted=1, refused=1)
    await ctx.tick()
    ctx.set(dut.posted, 0)
    assert ctx.get(dut.open)
    assert ctx.get(dut.word.as_value()) == word | 1 << 32


@simulated(Throttle)
async def test_the_counter_stays_at_its_highest_value(ctx: Any, dut: Throttle) -> None:
    drive(ctx, dut, count=2**32 - 2, refused=1)
    for expected in (2**32 - 1, 2**32 - 1):
        await ctx.tick()
        assert ctx.get(dut.word.count) == expected

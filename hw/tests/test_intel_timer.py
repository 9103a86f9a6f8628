"""The user timer against its contract, cycle by cycle."""

import random
from typing import Any

from hwbench import ONES, drive, pulse, simulated

from uintr.intel.registers import MSRS, Msr
from uintr.intel.timer import UserTimer

TIMER = MSRS[Msr.UINTR_TIMER]


@simulated(UserTimer)
async def test_random_writes_follow_the_model(ctx: Any, dut: UserTimer) -> None:
    source = random.Random(3)
    timer = tsc = events = 0
    for _ in range(5_000):
        word = source.choice([0, 64, 128, 4096, (tsc + source.randrange(200)) & ONES, ONES])
        write_timer, write_tsc = source.random() < 0.05, source.random() < 0.03
        allowed = source.random() < 0.6
        drive(ctx, dut, word=word, write_timer=write_timer, write_tsc=write_tsc, allowed=allowed)
        deadline = timer & ~63
        counting = deadline != 0 and tsc < deadline
        due = deadline != 0 and tsc >= deadline and allowed
        assert ctx.get(dut.counting) == counting
        assert ctx.get(dut.due) == due
        assert ctx.get(dut.event) == (1 << (timer & 63) if due else 0)
        assert (ctx.get(dut.timer), ctx.get(dut.tsc)) == (timer, tsc)
        events += due
        timer = word if write_timer else 0 if due else timer
        tsc = word if write_tsc else (tsc + counting) & ONES
        await ctx.tick()
    assert events > 20


@simulated(UserTimer)
async def test_every_vector_and_every_bit_of_the_deadline_is_due(ctx: Any, dut: UserTimer) -> None:
    timers = [TIMER.pack(vector=vector, deadline=1) for vector in range(64)]
    timers += [TIMER.pack(vector=1, deadline=1 << bit) for bit in range(58)]
    ctx.set(dut.allowed, 1)
    for word in timers:
        for early in (1, 0):
            ctx.set(dut.word, (word & ~63) - early)
            await pulse(ctx, dut.write_tsc)
            ctx.set(dut.word, word)
            await pulse(ctx, dut.write_timer)
            if early:
                assert (ctx.get(dut.counting), ctx.get(dut.due)) == (1, 0)
                await ctx.tick()
            assert (ctx.get(dut.due), ctx.get(dut.event)) == (1, 1 << (word & 63))


@simulated(UserTimer)
async def test_the_event_comes_once_when_it_is_allowed(ctx: Any, dut: UserTimer) -> None:
    ctx.set(dut.word, 64 * 3 - 2)
    await pulse(ctx, dut.write_tsc)
    ctx.set(dut.word, TIMER.pack(vector=7, deadline=3))
    await pulse(ctx, dut.write_timer)
    for _ in range(2):
        assert (ctx.get(dut.counting), ctx.get(dut.due)) == (1, 0)
        await ctx.tick()
    for _ in range(5):  # reached, and waits
        assert (ctx.get(dut.counting), ctx.get(dut.due), ctx.get(dut.event)) == (0, 0, 0)
        await ctx.tick()
    ctx.set(dut.allowed, 1)
    assert (ctx.get(dut.due), ctx.get(dut.event)) == (1, 1 << 7)
    await ctx.tick()
    assert (ctx.get(dut.due), ctx.get(dut.timer)) == (0, 0)

"""The arbiter with a lock: what it forwards, for whom, and how long an initiator stays."""

import random
from typing import Any

import pytest
from hwbench import pulse, refused, simulated

from uintr.intel.bus import LockingArbiter


def want(ctx: Any, dut: LockingArbiter, number: int, wanted: int, locked: int = 0) -> None:
    each = dut.initiators[number]
    for signal in (each.cyc, each.stb):
        ctx.set(signal, wanted)
    ctx.set(each.adr, 100 + number)
    ctx.set(dut.lock[number], locked)


def owner(ctx: Any, dut: LockingArbiter) -> int | None:
    return ctx.get(dut.bus.adr) - 100 if ctx.get(dut.bus.stb) else None


async def transfer(ctx: Any, dut: LockingArbiter, *, end: str = "ack") -> int:
    """End the transfer that is presented in its second cycle; returns whose it was."""
    first = owner(ctx, dut)
    assert first is not None
    await ctx.tick()
    assert owner(ctx, dut) == first
    ctx.set(getattr(dut.bus, end), 1)
    ends = [(ctx.get(each.ack), ctx.get(each.err)) for each in dut.initiators]
    mine = (int(end == "ack"), int(end == "err"))
    assert ends == [mine if n == first else (0, 0) for n in range(len(ends))]
    await ctx.tick()
    ctx.set(getattr(dut.bus, end), 0)
    return first


@simulated(LockingArbiter, count=3)
async def test_without_locks_all_take_turns(ctx: Any, dut: LockingArbiter) -> None:
    for number in range(3):
        want(ctx, dut, number, 1)
    assert [await transfer(ctx, dut) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


@simulated(LockingArbiter, count=3)
async def test_a_reset_forgets_whose_turn_it_is(ctx: Any, dut: LockingArbiter, reset: Any) -> None:
    for served in range(3):
        for number in range(3):
            want(ctx, dut, number, int(number == served))
        assert await transfer(ctx, dut) == served
        want(ctx, dut, served, 0)
        await pulse(ctx, reset)
        for number in range(3):
            want(ctx, dut, number, 1)
        assert [await transfer(ctx, dut) for _ in range(3)] == [0, 1, 2]


@simulated(LockingArbiter, count=3)
async def test_the_lock_keeps_the_bus_until_an_end_without_it(
    ctx: Any, dut: LockingArbiter
) -> None:
    for number in range(3):
        want(ctx, dut, number, 1, locked=int(number == 1))
    assert [await transfer(ctx, dut) for _ in range(4)] == [0, 1, 1, 1]
    want(ctx, dut, 1, 0, locked=1)  # between two transfers
    for _ in range(5):
        assert owner(ctx, dut) is None
        await ctx.tick()
    want(ctx, dut, 1, 1, locked=0)
    assert [await transfer(ctx, dut) for _ in range(3)] == [1, 2, 0]


@simulated(LockingArbiter, count=2)
async def test_an_error_ends_the_lock_and_so_does_lowering_it_between_transfers(
    ctx: Any, dut: LockingArbiter
) -> None:
    for number in range(2):
        want(ctx, dut, number, 1, locked=1 - number)
    assert await transfer(ctx, dut) == 0
    assert await transfer(ctx, dut, end="err") == 0
    want(ctx, dut, 1, 1, locked=1)
    assert await transfer(ctx, dut) == 1
    want(ctx, dut, 1, 0, locked=0)
    await ctx.tick()
    assert owner(ctx, dut) == 0


@simulated(LockingArbiter, count=2)
async def test_stb_without_cyc_asks_for_nothing_and_keeps_nothing(
    ctx: Any, dut: LockingArbiter
) -> None:
    want(ctx, dut, 0, 1, locked=1)
    assert await transfer(ctx, dut) == 0
    want(ctx, dut, 0, 1, locked=0)
    want(ctx, dut, 1, 1)
    ctx.set(dut.initiators[0].cyc, 0)
    await ctx.tick()
    assert [await transfer(ctx, dut) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("count", [2, 3, 5])
@simulated(LockingArbiter, "count")
async def test_nobody_comes_between_locked_transfers(
    ctx: Any, dut: LockingArbiter, count: int
) -> None:
    """Each initiator makes pairs under the lock; every pair is whole, and all get their turn."""
    source = random.Random(count)
    pairs = [0] * count
    second: int | None = None
    for number in range(count):
        want(ctx, dut, number, 1, locked=1)
    for _ in range(400):
        who = await transfer(ctx, dut)
        if second is None:
            second = who
            want(ctx, dut, who, 1, locked=0)
        else:
            assert who == second
            pairs[who] += 1
            second = None
            want(ctx, dut, who, 1, locked=1)
        for _ in range(source.randrange(2)):
            await ctx.tick()
    assert min(pairs) == max(pairs) or max(pairs) - min(pairs) == 1


def test_parameters_are_checked() -> None:
    assert refused(LockingArbiter, count=0) == "count must be 1 to 65536, not 0"

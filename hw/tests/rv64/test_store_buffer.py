"""Stores come out as they went in, one cycle later at the earliest, and eight fit."""

from random import Random
from typing import Any

import pytest
from hwbench import drive, pulse, simulated

from rv64.store_buffer import DEPTH, StoreBuffer


def store(number: int) -> dict[str, int]:
    return {"address": 0x1000 + number, "mask": number & 0xFF, "data": number * 0x1_0001_0001}


async def put(ctx: Any, dut: StoreBuffer, number: int) -> None:
    ctx.set(dut.input.payload, store(number))
    await pulse(ctx, dut.input.valid)


def shown(ctx: Any, dut: StoreBuffer) -> dict[str, int]:
    payload = ctx.get(dut.output.payload)
    return {name: getattr(payload, name) for name in ("address", "mask", "data")}


@simulated(StoreBuffer)
async def test_a_store_is_at_the_other_end_in_the_next_cycle(ctx: Any, dut: StoreBuffer) -> None:
    assert (ctx.get(dut.empty), ctx.get(dut.output.valid)) == (1, 0)
    drive(ctx, dut.input, payload=store(7), valid=1)
    assert ctx.get(dut.output.valid) == 0
    await ctx.tick()
    ctx.set(dut.input.valid, 0)
    assert (ctx.get(dut.empty), ctx.get(dut.output.valid)) == (0, 1)
    assert shown(ctx, dut) == store(7)
    await ctx.tick()
    assert shown(ctx, dut) == store(7), "it stays until it is taken"
    ctx.set(dut.output.ready, 1)
    await ctx.tick()
    assert (ctx.get(dut.empty), ctx.get(dut.output.valid)) == (1, 0)


@simulated(StoreBuffer)
async def test_eight_fit_and_a_ninth_waits(ctx: Any, dut: StoreBuffer) -> None:
    for number in range(DEPTH):
        assert ctx.get(dut.input.ready) == 1
        await put(ctx, dut, number)
    assert ctx.get(dut.input.ready) == 0
    await put(ctx, dut, 99)  # is not taken
    ctx.set(dut.output.ready, 1)
    for number in range(DEPTH):
        assert shown(ctx, dut) == store(number)
        await ctx.tick()
        assert ctx.get(dut.input.ready) == 1
    assert ctx.get(dut.empty) == 1


@simulated(StoreBuffer)
async def test_a_full_buffer_takes_none_in_the_cycle_in_which_one_leaves(
    ctx: Any, dut: StoreBuffer
) -> None:
    """``ready`` is a register: what leaves makes room for the next cycle."""
    for number in range(DEPTH):
        await put(ctx, dut, number)
    ctx.set(dut.output.ready, 1)
    await put(ctx, dut, 99)
    for number in range(1, DEPTH):
        assert shown(ctx, dut) == store(number)
        await ctx.tick()
    assert ctx.get(dut.empty) == 1


@pytest.mark.parametrize("seed", range(4))
@simulated(StoreBuffer)
async def test_the_order_is_kept_whoever_is_faster(ctx: Any, dut: StoreBuffer, seed: int) -> None:
    random = Random(seed)
    queue: list[int] = []
    for number in range(300):
        put_one, take_one = random.random() < 0.6, random.random() < 0.2 + 0.2 * seed
        drive(ctx, dut.input, valid=put_one, payload=store(number))
        ctx.set(dut.output.ready, take_one)
        assert ctx.get(dut.output.valid) == bool(queue)
        assert ctx.get(dut.empty) == (not queue)
        assert ctx.get(dut.input.ready) == (len(queue) < DEPTH)
        if queue:
            assert shown(ctx, dut) == store(queue[0])
        had = len(queue)
        if queue and take_one:
            queue.pop(0)
        if put_one and had < DEPTH:
            queue.append(number)
        await ctx.tick()

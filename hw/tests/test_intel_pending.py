"""The pending interrupts of a hart against a set of vectors."""

import random
from typing import Any

from hwbench import drive, simulated

from uintr.intel.pending import PendingInterrupts
from uintr.intel.registers import FIRST_VECTOR

UINV = 0xEC


def arrive(ctx: Any, dut: PendingInterrupts, vector: int | None) -> None:
    drive(ctx, dut, arrive=int(vector is not None), vector=vector or 0)


@simulated(PendingInterrupts)
async def test_random_arrivals_and_takes_follow_the_model(ctx: Any, dut: PendingInterrupts) -> None:
    source = random.Random(1)
    pending: set[int] = set()
    for _ in range(3_000):
        enabled = source.random() < 0.8
        uinv = source.choice([UINV, 0xE0, 0xFF, 0])
        drive(ctx, dut, enabled=enabled, notification_vector=uinv)
        notified = enabled and uinv in pending
        ordinary = {vector for vector in pending if not (enabled and vector == uinv)}
        new = source.choice([None, source.randrange(256), source.choice([UINV, 0xE0, 0xFF])])
        arrive(ctx, dut, new)
        take_notification = notified and source.random() < 0.3
        take_ordinary = source.random() < 0.2
        drive(ctx, dut, take_notification=take_notification, take_ordinary=take_ordinary)
        assert ctx.get(dut.notification) == notified
        assert ctx.get(dut.ordinary) == bool(ordinary)
        assert ctx.get(dut.highest) == max(ordinary, default=0)
        assert ctx.get(dut.requests) == sum(1 << vector - FIRST_VECTOR for vector in pending)
        if take_notification:
            pending.discard(uinv)
        if take_ordinary and ordinary:
            pending.discard(max(ordinary))
        if new is not None and new >= FIRST_VECTOR:
            pending.add(new)
        await ctx.tick()


@simulated(PendingInterrupts)
async def test_what_arrives_as_the_same_vector_is_taken_stays(
    ctx: Any, dut: PendingInterrupts
) -> None:
    drive(ctx, dut, enabled=1, notification_vector=UINV)
    for vector, take in ((UINV, dut.take_notification), (0xE5, dut.take_ordinary)):
        arrive(ctx, dut, vector)
        await ctx.tick()
        ctx.set(take, 1)
        await ctx.tick()
        arrive(ctx, dut, None)
        assert ctx.get(dut.requests) >> vector - FIRST_VECTOR & 1
        await ctx.tick()
        assert ctx.get(dut.requests) == 0
        ctx.set(take, 0)

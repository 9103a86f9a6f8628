"""The control page, its bus alone."""

from functools import partial
from typing import Any

import pytest
from hwbench import ONES, drive, present, pulse, refused, simulated, withdraw

from uintr.control_page import ControlPage
from uintr.interfaces import OperationFunction
from uintr.registers import (
    ALL_FEATURES,
    CLAIM,
    CONTROL_REGISTERS,
    ENABLE,
    ENTRY_CACHE,
    FEATURES,
    HARTS,
    ID,
    INVALIDATE,
    MAGIC,
    NOTIFY_HART,
    RECEIVERS,
    REJECTED,
    SLOT_RESET,
    THROTTLE,
    Feature,
    Status,
)


async def transfer(
    ctx: Any, dut: ControlPage, address: int, data: int | None = None, sel: int = 0xFF
) -> int | OperationFunction | None:
    """The word read, or the operation handed over, or None for an error."""
    bus = dut.bus
    present(ctx, bus, address // 8, data, sel)
    answer: int | OperationFunction | None = None
    invalidates = ctx.get(dut.invalidate)
    for _ in range(100 if invalidates else 1):
        assert not ctx.get(bus.ack)
        assert ctx.get(dut.invalidate) == invalidates
        if ctx.get(dut.operates):
            break
        await ctx.tick()
        if ctx.get(bus.ack) or ctx.get(dut.operates):
            break
    if ctx.get(dut.operates):
        answer = OperationFunction(ctx.get(dut.function))
        for _ in range(3):  # as long as the controller takes
            assert ctx.get(dut.operates)
            await ctx.tick()
            assert not ctx.get(bus.ack)
            assert not ctx.get(bus.err)
        await pulse(ctx, dut.done)
    else:
        assert ctx.get(bus.ack) != ctx.get(bus.err)
        answer = ctx.get(bus.dat_r) if ctx.get(bus.ack) else None
        await ctx.tick()
        assert not ctx.get(bus.ack)
        assert not ctx.get(bus.err)
    withdraw(ctx, bus)
    await ctx.tick()
    return answer


with_page = partial(simulated, ControlPage, harts=3, receivers=5, features=ALL_FEATURES)


@with_page()
async def test_identification_is_read_only(ctx: Any, dut: ControlPage) -> None:
    for register, value in (
        (ID, MAGIC << 32 | 2), (FEATURES, 0b111_1111), (HARTS, 3), (RECEIVERS, 5),
    ):  # fmt: skip
        assert await transfer(ctx, dut, register.address, ONES) == 0
        assert await transfer(ctx, dut, register.address) == value


@pytest.mark.parametrize("features", [*Feature, Feature(0)])
@with_page("features")
async def test_a_register_without_its_feature_is_not_there(
    ctx: Any, dut: ControlPage, features: Feature
) -> None:
    there = {ID: True, FEATURES: True, HARTS: True, RECEIVERS: True}
    there |= {SLOT_RESET: Feature.SLOT_RESET in features, REJECTED: Feature.REJECTED in features}
    there |= {CLAIM: Feature.NOTIFY in features, NOTIFY_HART: Feature.NOTIFY in features}
    there |= {THROTTLE: Feature.THROTTLE in features}
    there |= {ENABLE: bool(features & (Feature.SUPERVISOR | Feature.NOTIFY))}
    there |= dict.fromkeys((INVALIDATE, ENTRY_CACHE), Feature.ENTRY_CACHE in features)
    assert set(there) == {*CONTROL_REGISTERS, REJECTED, THROTTLE, ENTRY_CACHE}
    assert await transfer(ctx, dut, FEATURES.address) == features
    for register, exists in there.items():
        for data in (None, 1):
            answer = await transfer(ctx, dut, register.address, data)
            assert (answer is not None) == exists, register.name


@with_page()
async def test_what_is_not_a_register_is_an_error(ctx: Any, dut: ControlPage) -> None:
    for address in (0x48, 0x3F8, 0x400 + 3 * 8, 0x600 + 3 * 8, 0x800 + 3 * 8, 0xFF8):
        assert await transfer(ctx, dut, address) is None
        assert await transfer(ctx, dut, address, 1) is None
    for sel in (0, 0x7F, 0xFE):
        for register in (ID, CLAIM, NOTIFY_HART):
            assert await transfer(ctx, dut, register.address, 0, sel) is None
            assert await transfer(ctx, dut, register.address, None, sel) is None


@with_page()
async def test_slot_reset_and_claim_are_operations(ctx: Any, dut: ControlPage) -> None:
    for receiver in (0, 4):
        answer = await transfer(ctx, dut, SLOT_RESET.address, receiver)
        assert answer == OperationFunction.RESET_SLOT
        assert ctx.get(dut.bus.dat_w) == receiver
    for receiver in (5, 2**16, 2**63):
        assert await transfer(ctx, dut, SLOT_RESET.address, receiver) is None
    assert await transfer(ctx, dut, SLOT_RESET.address) == 0
    assert await transfer(ctx, dut, CLAIM.address) == OperationFunction.CLAIM
    assert await transfer(ctx, dut, CLAIM.address, 1) == 0


@with_page()
async def test_the_hart_that_is_told(ctx: Any, dut: ControlPage) -> None:
    assert await transfer(ctx, dut, NOTIFY_HART.address) == 3
    for value, kept in ((0, 0), (2, 2), (3, 3), (4, 3), (0xFFFF, 3), (1 << 16, 0)):
        assert await transfer(ctx, dut, NOTIFY_HART.address, value) == 0
        assert await transfer(ctx, dut, NOTIFY_HART.address) == kept
        assert ctx.get(dut.notify_hart) == kept


@with_page()
async def test_each_hart_has_its_counter(ctx: Any, dut: ControlPage) -> None:
    ctx.set(dut.rejected, 0b101)
    ctx.set(dut.cause[0], Status.INDEX)
    ctx.set(dut.cause[2], Status.BUS)
    await ctx.tick()
    ctx.set(dut.rejected, 0b100)
    ctx.set(dut.cause[2], Status.VECTOR)
    await ctx.tick()
    ctx.set(dut.rejected, 0)
    words = [await transfer(ctx, dut, REJECTED.address + 8 * hart) for hart in range(3)]
    assert words == [
        REJECTED.pack(count=1, cause=Status.INDEX), 0,
        REJECTED.pack(count=2, cause=Status.VECTOR),
    ]  # fmt: skip
    assert await transfer(ctx, dut, REJECTED.address + 16, ONES) == 0
    words = [await transfer(ctx, dut, REJECTED.address + 8 * hart) for hart in range(3)]
    assert words == [REJECTED.pack(count=1, cause=Status.INDEX), 0, 0]


@with_page()
async def test_each_hart_has_its_budget(ctx: Any, dut: ControlPage) -> None:
    assert ctx.get(dut.open) == 0b111
    word = THROTTLE.pack(period=40, burst=1)
    assert await transfer(ctx, dut, THROTTLE.address + 8, word) == 0
    assert await transfer(ctx, dut, THROTTLE.address + 8) == word
    assert await transfer(ctx, dut, THROTTLE.address) == 0
    assert ctx.get(dut.resting)
    ctx.set(dut.posted, 0b011)
    await ctx.tick()
    ctx.set(dut.posted, 0)
    assert ctx.get(dut.open) == 0b101
    assert not ctx.get(dut.resting)
    # Refused for want of a token, and for another reason.
    ctx.set(dut.rejected, 0b110)
    ctx.set(dut.cause[1], Status.THROTTLED)
    ctx.set(dut.cause[2], Status.INDEX)
    await ctx.tick()
    ctx.set(dut.rejected, 0)
    counts = [await transfer(ctx, dut, THROTTLE.address + 8 * hart) for hart in range(3)]
    assert counts == [0, word | 1 << 32, 0]
    rejected = await transfer(ctx, dut, REJECTED.address + 8)
    assert rejected == REJECTED.pack(count=1, cause=Status.THROTTLED)


@pytest.mark.parametrize("posts", [0, 1, 5])
@with_page()
async def test_an_invalidation_waits_for_the_posts_it_concerns(
    ctx: Any, dut: ControlPage, posts: int
) -> None:
    """First seen in cycle 0, in which a hart finds an entry in its cache, whose post waits from
    cycle 1 on: answered in the second cycle after the last that waits, a slot reset handed over
    in the first.
    """
    for address, harts, posting in (
        (INVALIDATE.address, 0b111, 0b100),
        (ENTRY_CACHE.address + 8, 0b010, 0b010),
        (ENTRY_CACHE.address, 0b001, 0b110),  # the posts of others are of no concern
        (SLOT_RESET.address, 0b111, 0b010),
    ):
        resets = address == SLOT_RESET.address
        waits = posts if posting & harts else 0
        present(ctx, dut.bus, address // 8, 1)
        for cycle in range(waits + 3):
            ctx.set(dut.posting, posting if 1 <= cycle <= posts else 0)
            ctx.set(dut.done, resets and cycle == waits + 2)
            acknowledged = cycle == waits + 2 and not resets
            assert ctx.get(dut.bus.ack) == acknowledged, cycle
            assert ctx.get(dut.operates) == (resets and cycle > waits), cycle
            assert ctx.get(dut.invalidate) == (0 if acknowledged else harts), cycle
            await ctx.tick()
        withdraw(ctx, dut.bus)
        drive(ctx, dut, done=0, posting=0)
        await ctx.tick()
    assert ctx.get(dut.caches) == 0b011


@pytest.mark.parametrize("shape", [{"harts": 0}, {"receivers": 0}])
def test_parameters_are_checked(shape: dict[str, int]) -> None:
    sentence = refused(ControlPage, **({"harts": 2, "receivers": 2} | shape), features=Feature(0))
    assert sentence.endswith("not 0")

"""The arrays of a cache: sweep, lookup, fill, and what others write."""

from typing import Any

import pytest
from hwbench import drive, pulse, simulated

from rv64.cache import LINE_WORDS, CacheArray

FRAME, OTHER = 0x80001, 0x80002
LINE = 5


async def swept(ctx: Any, dut: CacheArray) -> int:
    ctx.set(dut.read, 1)
    cycles = 0
    while ctx.get(dut.sweeping):
        await ctx.tick()
        cycles += 1
    return cycles


async def fill(ctx: Any, dut: CacheArray, frame: int = FRAME, way: int = 0) -> None:
    """A line whose words are its frame and their places."""
    for place in range(LINE_WORDS):
        drive(ctx, dut, write_ways=1 << way, write_index=LINE * LINE_WORDS + place)
        drive(ctx, dut, write_mask=0xFF, write_data=frame << 8 | place)
        if place == LINE_WORDS - 1:
            drive(ctx, dut, tag_ways=1 << way, tag_line=LINE, tag_frame=frame, tag_valid=1)
        await ctx.tick()
    drive(ctx, dut, write_ways=0, tag_ways=0)


async def look(ctx: Any, dut: CacheArray, frame: int, place: int) -> int | None:
    """The word if it is there."""
    ctx.set(dut.index, LINE * LINE_WORDS + place)
    await ctx.tick()
    ctx.set(dut.frame, frame)
    return ctx.get(dut.word) if ctx.get(dut.hit) else None


@simulated(CacheArray, ways=1, snooped=False)
async def test_reset_and_sweep_leave_nothing(ctx: Any, dut: CacheArray) -> None:
    assert await swept(ctx, dut) == 128
    await fill(ctx, dut)
    assert await look(ctx, dut, FRAME, 2) == FRAME << 8 | 2
    await pulse(ctx, dut.sweep)
    assert await swept(ctx, dut) == 128
    assert await look(ctx, dut, FRAME, 2) is None


@simulated(CacheArray, ways=1, snooped=False)
async def test_a_line_is_found_by_its_frame_alone(ctx: Any, dut: CacheArray) -> None:
    await swept(ctx, dut)
    await fill(ctx, dut)
    for place in range(LINE_WORDS):
        assert await look(ctx, dut, FRAME, place) == FRAME << 8 | place
        assert await look(ctx, dut, OTHER, place) is None
    await fill(ctx, dut, OTHER)
    assert await look(ctx, dut, FRAME, 0) is None
    assert await look(ctx, dut, OTHER, 0) == OTHER << 8


@simulated(CacheArray, ways=2, snooped=False)
async def test_ways_hold_lines_of_one_place_side_by_side(ctx: Any, dut: CacheArray) -> None:
    await swept(ctx, dut)
    await fill(ctx, dut, FRAME, 0)
    await fill(ctx, dut, OTHER, 1)
    assert await look(ctx, dut, FRAME, 1) == FRAME << 8 | 1
    assert ctx.get(dut.hits) == 0b01
    assert await look(ctx, dut, OTHER, 1) == OTHER << 8 | 1
    assert ctx.get(dut.hits) == 0b10


@simulated(CacheArray, ways=1, snooped=False)
async def test_a_write_of_some_bytes(ctx: Any, dut: CacheArray) -> None:
    await swept(ctx, dut)
    await fill(ctx, dut)
    drive(ctx, dut, write_index=LINE * LINE_WORDS, write_mask=0b1000_0001)
    ctx.set(dut.write_data, 0xAA00_0000_0000_00BB)
    await pulse(ctx, dut.write_ways)
    assert await look(ctx, dut, FRAME, 0) == 0xAA00_0000_0000_00BB | FRAME << 8


@pytest.mark.parametrize("frame", [FRAME, OTHER])
@simulated(CacheArray, ways=1, snooped=True)
async def test_a_snooped_write_invalidates_its_line_three_cycles_later(
    ctx: Any, dut: CacheArray, frame: int
) -> None:
    await swept(ctx, dut)
    await fill(ctx, dut)
    await ctx.tick()
    drive(ctx, dut, frame=FRAME, index=LINE * LINE_WORDS)
    await ctx.tick()
    drive(ctx, dut, snoop=1, snoop_address=frame << 9 | LINE * LINE_WORDS + 3)
    hits = []
    for _ in range(5):
        hits.append(ctx.get(dut.hit))
        await ctx.tick()
        ctx.set(dut.snoop, 0)
    assert hits == [1, 1, 1, 0, 0] if frame == FRAME else [1, 1, 1, 1, 1]

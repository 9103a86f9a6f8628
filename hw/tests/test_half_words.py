"""Halves of words against a list of words, with halves in any order."""

import random
from typing import Any

from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from hwbench import drive, present, simulated, withdraw

from uintr.half_words import HalfWords
from uintr.table_ram import TableRam

WHOLE, LOW, HIGH = 0xFF, 0x0F, 0xF0
HALF = 0xFFFF_FFFF


async def transfer(
    ctx: Any, bus: Any, address: int, sel: int, data: int | None = None
) -> int | None:
    """One transfer: None if it ended badly, else what was read."""
    present(ctx, bus, address, data, sel)
    assert not ctx.get(bus.ack | bus.err)
    await ctx.tick()
    answer = int(ctx.get(bus.dat_r))
    bad = bool(ctx.get(bus.err))
    assert bad != bool(ctx.get(bus.ack))
    await ctx.tick()
    withdraw(ctx, bus)
    return None if bad else answer


def on_a_memory() -> Module:
    m = Module()
    m.submodules.halves = halves = HalfWords()
    m.submodules.memory = memory = TableRam(pages=1)
    connect(m, halves.target, memory.bus)
    return m


@simulated(on_a_memory)
async def test_random_halves(ctx: Any, dut: Module) -> None:
    """A model that keeps the last low half; three words, so that halves often belong together."""
    bus = dut.submodules.halves.bus
    draw = random.Random("half words")
    seen = {(sel, we, good): 0 for sel in (LOW, HIGH) for we in (0, 1) for good in (0, 1)}
    words = [0, 0, 0]
    kept: tuple[int, bool, int] | None = None
    for _ in range(3000):
        address, write = draw.randrange(3), draw.random() < 0.5
        sel = draw.choice((LOW, HIGH, HIGH, WHOLE))
        if kept is not None and draw.random() < 0.5:
            address, write, sel = kept[0], kept[1], HIGH
        data = draw.getrandbits(64)
        answer = await transfer(ctx, bus, address, sel, data if write else None)
        if sel == WHOLE:
            if write:
                words[address] = data
            else:
                assert answer == words[address]
            kept = None
        elif sel == LOW:
            kept = (address, write, data & HALF if write else words[address] >> 32)
            if not write:
                assert answer is not None
                assert answer & HALF == words[address] & HALF
        else:
            good = kept is not None and kept[:2] == (address, write)
            assert (answer is not None) == good
            if good and kept is not None and answer is not None:
                if write:
                    words[address] = data & ~HALF | kept[2]
                else:
                    assert answer >> 32 == kept[2]
            seen[sel, int(write), int(good)] += 1
            kept = None
        if sel == LOW:
            seen[sel, int(write), 1] += 1
        if draw.random() < 0.2:
            await ctx.tick()
    for address, word in enumerate(words):
        assert await transfer(ctx, bus, address, WHOLE) == word
    assert all(seen[sel, we, good] > 50 for sel, we, good in seen if sel == HIGH or good), seen


@simulated(on_a_memory)
async def test_a_word_is_read_once(ctx: Any, dut: Module) -> None:
    """The high half comes from the read of the low half, whatever was written in between."""
    bus, memory = dut.submodules.halves.bus, dut.submodules.memory.bus
    await transfer(ctx, bus, 5, WHOLE, 0x1111_2222_3333_4444)
    assert (await transfer(ctx, bus, 5, LOW) or 0) & HALF == 0x3333_4444
    drive(ctx, bus, sel=HIGH, cyc=1, stb=1)
    for _ in range(2):
        assert ctx.get(memory.stb) == 0
        await ctx.tick()
    assert ctx.get(bus.dat_r) >> 32 == 0x1111_2222


@simulated(on_a_memory)
async def test_other_selections_go_through(ctx: Any, dut: Module) -> None:
    bus = dut.submodules.halves.bus
    await transfer(ctx, bus, 1, WHOLE, 0)
    await transfer(ctx, bus, 1, 0b0001_1000, 0xAABB_CCDD_EEFF_0011)
    assert await transfer(ctx, bus, 1, WHOLE) == 0x0000_00DD_EE00_0000

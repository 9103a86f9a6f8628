"""The entry cache against a dictionary."""

import random
from typing import Any

from hwbench import drive, simulated

from uintr.entry_cache import EntryCache
from uintr.registers import CACHE_ENTRIES


@simulated(EntryCache)
async def test_random_accesses(ctx: Any, dut: EntryCache) -> None:
    draw = random.Random("entry cache")
    naive: dict[int, tuple[int, int, int]] = {}
    hits = 0
    for _ in range(4000):
        index = draw.choice((*range(2 * CACHE_ENTRIES), 1 << 20, draw.randrange(1 << 21)))
        fill, invalidate = draw.random() < 0.4, draw.random() < 0.05
        receiver, vector = draw.getrandbits(16), draw.getrandbits(6)
        ctx.set(dut.index, index)
        drive(
            ctx, dut, fill=fill, fill_receiver=receiver, fill_vector=vector, invalidate=invalidate
        )
        kept = naive.get(index % CACHE_ENTRIES)
        hit = kept is not None and kept[0] == index
        assert ctx.get(dut.hit) == hit
        if kept is not None and hit:
            assert (ctx.get(dut.receiver), ctx.get(dut.vector)) == kept[1:]
        hits += hit
        await ctx.tick()
        if fill:
            naive[index % CACHE_ENTRIES] = (index, receiver, vector)
        if invalidate:
            naive.clear()
    assert hits > 300


@simulated(EntryCache)
async def test_forgetting_wins_over_filling(ctx: Any, dut: EntryCache) -> None:
    ctx.set(dut.fill, 1)
    await ctx.tick()
    assert ctx.get(dut.hit)
    ctx.set(dut.invalidate, 1)
    await ctx.tick()
    assert not ctx.get(dut.hit)

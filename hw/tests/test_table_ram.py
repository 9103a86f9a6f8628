"""The table memory against a list of bytes."""

import random
from typing import Any

import pytest
from hwbench import ONES, drive, present, pulse, refused, simulated, withdraw

from uintr.table_ram import TableRam


async def transfer(
    ctx: Any, bus: Any, address: int, data: int | None = None, sel: int = 0xFF, waits: int = 0
) -> int:
    """One transfer; checks that `ack` comes in the second cycle, or later, and stays for one."""
    present(ctx, bus, address, data, sel)
    for _ in range(waits + 1):
        assert ctx.get(bus.ack) == 0
        await ctx.tick()
    assert ctx.get(bus.ack) == 1
    assert ctx.get(bus.err) == 0
    answer = int(ctx.get(bus.dat_r))
    await ctx.tick()
    withdraw(ctx, bus)
    assert ctx.get(bus.ack) == 0
    return answer


@pytest.mark.parametrize("wait_states", [0, 1, 3])
@simulated(TableRam, "wait_states", pages=2)
async def test_random_transfers_with_byte_selects(
    ctx: Any, dut: TableRam, wait_states: int
) -> None:
    generator = random.Random(1)
    memory = bytearray(2 * 4096)
    words = [generator.randrange(2 * 512) for _ in range(12)] + [0, 2 * 512 - 1]
    for _ in range(800):
        word = generator.choice(words)
        if generator.random() < 0.5:
            data, sel = generator.getrandbits(64), generator.getrandbits(8)
            await transfer(ctx, dut.bus, word, data, sel, wait_states)
            for byte in range(8):
                if sel >> byte & 1:
                    memory[word * 8 + byte] = data >> 8 * byte & 0xFF
        else:
            expected = int.from_bytes(memory[word * 8 : word * 8 + 8], "little")
            assert await transfer(ctx, dut.bus, word, waits=wait_states) == expected
        if generator.random() < 0.2:
            await ctx.tick()


@simulated(TableRam, pages=1)
async def test_half_a_request_is_none(ctx: Any, dut: TableRam) -> None:
    drive(ctx, dut.bus, we=1, sel=0xFF, dat_w=ONES)
    for half in (dut.bus.cyc, dut.bus.stb):
        ctx.set(half, 1)
        await ctx.tick()
        assert ctx.get(dut.bus.ack) == 0
        ctx.set(half, 0)
    assert await transfer(ctx, dut.bus, 0) == 0


@simulated(TableRam, pages=1)
async def test_reset_leaves_the_contents(ctx: Any, dut: TableRam, reset: Any) -> None:
    await transfer(ctx, dut.bus, 77, 0x1234)
    await pulse(ctx, reset)
    assert await transfer(ctx, dut.bus, 77) == 0x1234


@pytest.mark.parametrize("pages", [0, 4096])
def test_pages_are_checked(pages: int) -> None:
    assert refused(TableRam, pages=pages) == f"pages must be 1 to 4095, not {pages}"

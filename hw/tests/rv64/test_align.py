"""Loads and stores of every size at every place."""

from typing import Any

from hwbench import ONES, drive, simulated
from rv64bench import extended

from rv64.align import LoadAlign, StoreAlign

WORD = 0x8877_66F5_C4B3_A291


@simulated(LoadAlign)
async def test_a_load_brings_its_bytes_with_their_sign(ctx: Any, dut: LoadAlign) -> None:
    ctx.set(dut.word, WORD)
    for funct3 in range(7):
        size = 1 << (funct3 & 3)
        for offset in range(0, 8, size):
            drive(ctx, dut, offset=offset, funct3=funct3)
            bits = 8 * size
            value = WORD >> 8 * offset & (1 << bits) - 1
            wanted = value if funct3 & 4 else extended(value, bits) & ONES
            assert ctx.get(dut.value) == wanted, (funct3, offset)


@simulated(StoreAlign)
async def test_a_store_puts_its_bytes_in_place(ctx: Any, dut: StoreAlign) -> None:
    ctx.set(dut.value, WORD)
    for size in range(4):
        for offset in range(8):
            drive(ctx, dut, size=size, offset=offset)
            assert ctx.get(dut.misaligned) == (offset % (1 << size) != 0)
            if not offset % (1 << size):
                mask = ctx.get(dut.mask)
                assert mask == ((1 << (1 << size)) - 1) << offset
                bits = sum(0xFF << 8 * byte for byte in range(8) if mask >> byte & 1)
                assert ctx.get(dut.word) & bits == WORD << 8 * offset & bits

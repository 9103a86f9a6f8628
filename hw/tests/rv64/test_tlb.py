"""Translations are found by page and space, and forgotten."""

from typing import Any

import pytest
from hwbench import drive, pulse, simulated

from rv64.tlb import ENTRIES, Tlb

SPACE = {"translated": 1, "machine": 0, "asid": 7}
BARE = {"translated": 0, "machine": 1, "asid": 7}


async def keep(
    ctx: Any, dut: Tlb, vpn: int, frame: int, space: dict[str, int] | None = None
) -> None:
    drive(ctx, dut, fill_vpn=vpn, fill_frame=frame, fill_space=space or SPACE)
    ctx.set(dut.fill_rights.read, 1)
    await pulse(ctx, dut.fill)


def look(ctx: Any, dut: Tlb, address: int, space: dict[str, int] | None = None) -> int | None:
    drive(ctx, dut, address=address & (1 << 64) - 1, space=space or SPACE)
    return ctx.get(dut.frame) if ctx.get(dut.hit) else None


@pytest.mark.parametrize("ways", [1, 2])
@simulated(Tlb, "ways")
async def test_what_was_filled_in_is_found_in_its_space(ctx: Any, dut: Tlb, ways: int) -> None:
    assert look(ctx, dut, 0x1000) is None
    await keep(ctx, dut, 0x1, 0x80005)
    assert look(ctx, dut, 0x1ABC) == 0x80005
    assert ctx.get(dut.rights.read) == 1
    assert look(ctx, dut, 0x2ABC) is None
    assert look(ctx, dut, 0x1ABC, {**SPACE, "asid": 8}) is None
    assert look(ctx, dut, 0x1ABC, BARE) is None
    await pulse(ctx, dut.flush)
    assert look(ctx, dut, 0x1ABC) is None


@simulated(Tlb, ways=2)
async def test_pages_of_one_place_take_turns_and_two_stay(ctx: Any, dut: Tlb) -> None:
    pages = (0x0, 0x11, 0x22)  # the place is an exclusive or
    await keep(ctx, dut, pages[0], 100)
    await keep(ctx, dut, pages[1], 101)
    assert [look(ctx, dut, page << 12) for page in pages] == [100, 101, None]
    await keep(ctx, dut, pages[2], 102)
    assert [look(ctx, dut, page << 12) for page in pages] == [None, 101, 102]


@simulated(Tlb)
async def test_every_entry_is_used(ctx: Any, dut: Tlb) -> None:
    for page in range(ENTRIES):
        await keep(ctx, dut, page, 1000 + page)
    assert [look(ctx, dut, page << 12) for page in range(ENTRIES)] == [
        1000 + page for page in range(ENTRIES)
    ]


@simulated(Tlb)
async def test_an_address_with_other_upper_bits_is_never_there(ctx: Any, dut: Tlb) -> None:
    await keep(ctx, dut, 0x7FF_FFFF, 5)
    assert look(ctx, dut, -1) == 5
    assert look(ctx, dut, (1 << 39) - 1) is None
    assert look(ctx, dut, (1 << 63) - 1) is None
    await keep(ctx, dut, 0x80, 6, BARE)
    assert look(ctx, dut, 0x80 << 12, BARE) == 6
    assert look(ctx, dut, 1 << 40 | 0x80 << 12, BARE) is None
    await keep(ctx, dut, 0x7FF_FFFF, 7, BARE)
    assert look(ctx, dut, -1, BARE) is None

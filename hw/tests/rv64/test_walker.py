"""The page walker, paragraph by paragraph of the specification's Sv39 (privileged, "Virtual Address
Translation Process")."""

from typing import Any

import pytest
from hwbench import drive, pulse
from rv64walks import (
    BARE,
    LOW,
    MIDDLE,
    NUMBERS,
    PAGE,
    RAM_FRAME,
    RAM_PAGES,
    ROOT,
    SPACE,
    A,
    D,
    G,
    R,
    U,
    V,
    W,
    World,
    X,
    access_fault,
    ask,
    page_fault,
    pte,
    walked,
)

from rv64.walker import Walker

FRAME = RAM_FRAME + 0x123
ALL = V | R | W | X | U | A | D
MAY = {"may_read", "may_write", "may_execute"}


# --- step 1: the root, and addresses that are none ---


@pytest.mark.parametrize(
    "address", [1 << 38, 1 << 39, 1 << 63, (1 << 64) - (1 << 39), 0xFFFF << 40]
)
def test_bits_63_to_39_must_equal_bit_38(address: int) -> None:
    world = World()
    assert page_fault(walked(world, address))
    assert world.reads == []


@pytest.mark.parametrize("address", [0, (1 << 38) - 8, (1 << 64) - 8, (1 << 64) - (1 << 38)])
def test_addresses_of_both_halves_are_walked(address: int) -> None:
    world = World()
    assert page_fault(walked(world, address))  # there are zeroes in the table
    assert world.reads == [ROOT << 9 | address >> 30 & 0x1FF]


# --- step 2: where the entry is, and an access fault when it cannot be read ---


def test_three_words_are_read_each_where_its_number_says() -> None:
    world = World().tables(pte(FRAME, ALL))
    answer = walked(world)
    assert not answer.fault
    assert answer.filled
    assert answer.frame == FRAME
    assert answer.rights == {"read", "write", "execute", "user", "dirty", *MAY}
    places = zip((ROOT, MIDDLE, LOW), reversed(NUMBERS), strict=True)
    assert world.reads == [table << 9 | number for table, number in places]


def test_a_table_is_read_as_a_supervisor_and_the_page_with_its_own_privilege() -> None:
    world = World().tables(pte(FRAME, ALL))
    walked(world)
    assert world.asked == [(ROOT, 0), (MIDDLE, 0), (LOW, 0), (FRAME, 0)]


@pytest.mark.parametrize("table", [ROOT, MIDDLE, LOW])
def test_a_table_that_pmp_keeps_from_a_supervisor(table: int) -> None:
    world = World(allowed={table: 0b110}).tables(pte(FRAME, ALL))
    assert access_fault(walked(world))
    assert table not in {address >> 9 for address in world.reads}


@pytest.mark.parametrize("table", [ROOT, MIDDLE, LOW])
def test_a_table_that_the_bus_does_not_have(table: int) -> None:
    world = World().tables(pte(FRAME, ALL))
    world.broken = {address for address in world.words if address >> 9 == table}
    assert access_fault(walked(world))


@pytest.mark.parametrize("frame", [RAM_FRAME - 1, RAM_FRAME + RAM_PAGES, 1 << 20, 1 << 43, 0])
def test_a_table_outside_main_memory(frame: int) -> None:
    world = World()
    world.entry(ROOT, NUMBERS[2], pte(frame, V))
    assert access_fault(walked(world))
    assert len(world.reads) == 1


# --- step 3: entries that are not valid ---


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize(
    "word",
    [
        pte(FRAME, ALL & ~V),
        pte(FRAME, ALL & ~R),  # W without R is reserved
        pte(FRAME, V | W | A | D),
        *(pte(FRAME & ~0x3FFFF, ALL) | 1 << bit for bit in range(54, 64)),
    ],
)
def test_an_entry_that_is_not_valid_or_reserved(level: int, word: int) -> None:
    world = World().tables(pte(FRAME, ALL))
    world.entry((LOW, MIDDLE, ROOT)[level], NUMBERS[level], word)
    assert page_fault(walked(world))
    assert len(world.reads) == 3 - level


# --- step 4: pointers ---


@pytest.mark.parametrize("bit", [U, A, D])
@pytest.mark.parametrize("level", [1, 2])
def test_a_pointer_has_no_a_d_or_u(level: int, bit: int) -> None:
    world = World().tables(pte(FRAME, ALL))
    table, below = ((MIDDLE, LOW), (ROOT, MIDDLE))[level - 1]
    world.entry(table, NUMBERS[level], pte(below, V | bit))
    assert page_fault(walked(world))


def test_g_and_the_software_bits_of_a_pointer_say_nothing() -> None:
    world = World().tables(pte(FRAME, ALL | G | 3 << 8))
    world.entry(ROOT, NUMBERS[2], pte(MIDDLE, V | G | 3 << 8))
    assert walked(world).frame == FRAME


def test_a_pointer_at_the_last_level() -> None:
    world = World().tables(pte(FRAME, V))
    assert page_fault(walked(world))
    assert len(world.reads) == 3


# --- steps 5 to 8: leaves ---


@pytest.mark.parametrize(
    ("flags", "rights"),
    [
        (R, {"read"}),
        (X, {"execute"}),
        (R | W, {"read", "write"}),
        (R | X | U, {"read", "execute", "user"}),
        (R | W | X | D, {"read", "write", "execute", "dirty"}),
    ],
)
def test_rights_are_told_and_not_judged(flags: int, rights: set[str]) -> None:
    answer = walked(World().tables(pte(FRAME, V | A | flags)))
    assert answer.rights == rights | MAY


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_page_that_was_not_accessed_faults(level: int) -> None:
    """Svade: software sets A and D."""
    world = World().tables(pte(FRAME, ALL))
    table = (LOW, MIDDLE, ROOT)[level]
    world.entry(table, NUMBERS[level], pte(RAM_FRAME, ALL & ~A))
    assert page_fault(walked(world))


def test_a_large_page_takes_its_piece_from_the_address() -> None:
    world = World().tables(0)
    world.entry(MIDDLE, NUMBERS[1], pte(RAM_FRAME + 0x400, ALL))
    assert walked(world).frame == RAM_FRAME + 0x400 + NUMBERS[0]
    world.entry(ROOT, NUMBERS[2], pte(RAM_FRAME, ALL))
    assert walked(world).frame == RAM_FRAME + (NUMBERS[1] << 9) + NUMBERS[0]


@pytest.mark.parametrize(("level", "bit"), [(1, 0), (1, 8), (2, 0), (2, 8), (2, 9), (2, 17)])
def test_a_large_page_must_be_aligned(level: int, bit: int) -> None:
    world = World().tables(0)
    table = (LOW, MIDDLE, ROOT)[level]
    world.entry(table, NUMBERS[level], pte(RAM_FRAME | 1 << bit, ALL))
    assert page_fault(walked(world))


# --- what a page may be used for ---


@pytest.mark.parametrize("allowed", range(8))
def test_pmp_says_what_may_be_done_with_a_page(allowed: int) -> None:
    answer = walked(World(allowed={FRAME: allowed}).tables(pte(FRAME, ALL)))
    names = ("may_read", "may_write", "may_execute")
    assert answer.rights & MAY == {name for bit, name in enumerate(names) if allowed >> bit & 1}


def test_a_device_is_not_executed() -> None:
    answer = walked(World().tables(pte(0x200, ALL)))
    assert answer.rights & (MAY | {"device"}) == {"may_read", "may_write", "device"}


@pytest.mark.parametrize("frame", [RAM_FRAME + RAM_PAGES, 1 << 20, 1 << 32, (1 << 44) - 1])
def test_a_page_where_nothing_is_may_not_be_used(frame: int) -> None:
    answer = walked(World().tables(pte(frame, ALL)))
    assert answer.filled
    assert not answer.rights & MAY


def test_the_last_page_of_main_memory() -> None:
    answer = walked(World().tables(pte(RAM_FRAME + RAM_PAGES - 1, ALL)))
    assert answer.rights & MAY == MAY


# --- without translation ---


def test_without_translation_an_address_is_its_own() -> None:
    world = World()
    answer = walked(world, FRAME << 12, BARE)
    assert (answer.frame, world.reads, world.asked) == (FRAME, [], [(FRAME, 1)])
    assert {"read", "write", "execute", "dirty"} <= answer.rights
    assert "user" not in answer.rights


@pytest.mark.parametrize("bit", [39, 40, 55, 56, 63])
def test_without_translation_there_is_no_such_address(bit: int) -> None:
    answer = walked(World(), 1 << bit, BARE)
    assert answer.fault
    assert answer.access


# --- two who ask, and what gets old ---


def both(world: World, bench: Any) -> None:
    dut = Walker(ram_frame=RAM_FRAME)

    async def run(ctx: Any) -> None:
        drive(ctx, dut, root=ROOT, ram_pages=RAM_PAGES)
        await bench(ctx, dut)

    world.served(dut, run)


def test_data_comes_before_instructions_and_both_are_answered() -> None:
    world = World().tables(pte(FRAME, ALL))

    async def bench(ctx: Any, dut: Walker) -> None:
        drive(ctx, dut.fetch, wanted=1, address=PAGE, space=SPACE)
        answer = await ask(ctx, dut, FRAME << 12, BARE)
        assert answer.frame == FRAME
        ctx.set(dut.fetch.wanted, 0)
        assert (await ask(ctx, dut, PAGE, data=False)).frame == FRAME

    both(world, bench)


@pytest.mark.parametrize("cycles", range(0, 24, 3))
def test_a_walk_that_a_flush_overtakes_is_not_kept(cycles: int) -> None:
    """Its owner is told that it is done, finds nothing, and asks again."""
    world = World().tables(pte(FRAME, ALL))

    async def bench(ctx: Any, dut: Walker) -> None:
        drive(ctx, dut.data, address=PAGE, space=SPACE, wanted=1)
        await ctx.tick().repeat(cycles + 1)
        assert not ctx.get(dut.data.done)
        await pulse(ctx, dut.flush)
        for _ in range(60):
            if ctx.get(dut.data.done):
                break
            await ctx.tick()
        assert ctx.get(dut.data.done)
        assert not ctx.get(dut.fill)
        assert not ctx.get(dut.data.fault)
        ctx.set(dut.data.wanted, 0)
        await ctx.tick()
        assert (await ask(ctx, dut, PAGE)).filled, "the next one is kept"

    both(world, bench)


def test_a_walk_of_tables_is_told_once() -> None:
    world = World().tables(pte(FRAME, ALL))

    async def bench(ctx: Any, dut: Walker) -> None:
        told = 0
        drive(ctx, dut.data, address=PAGE, space=SPACE, wanted=1)
        while not ctx.get(dut.data.done):
            told += ctx.get(dut.begins)
            await ctx.tick()
        assert told == 1
        ctx.set(dut.data.space, BARE)
        for _ in range(4):
            await ctx.tick()
            assert not ctx.get(dut.begins)

    both(world, bench)

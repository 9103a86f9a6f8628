"""The bus: delay, bursts, turns, locks, and what is told of writes."""

from typing import Any

import pytest
from hwbench import drive, run_by, simulate

from rv64.fabric import Fabric
from rv64.interfaces import WORD_ADDRESS_BITS
from rv64.memory_map import RAM_BASE

FIRST = RAM_BASE >> 3
WORDS = 1 << 12


def fabric(harts: int = 2, others: int = 0) -> Fabric:
    return Fabric(harts=harts, others=others, ram_base=RAM_BASE)


async def ram(ctx: Any, dut: Fabric, words: dict[int, int]) -> None:
    """The memory behind the port, for ever."""
    port = dut.memory
    while True:
        answer = None
        if ctx.get(port.enable):
            address = ctx.get(port.address)
            assert address < WORDS
            if ctx.get(port.write_mask):
                words[address] = ctx.get(port.write_data)
            else:
                answer = words.get(address, address)
        await ctx.tick()
        ctx.set(port.read_data, 0xDEAD if answer is None else answer)


def with_fabric(job: Any, latency: int = 1, jitter: int = 0, **shape: int) -> None:
    dut = fabric(**shape)
    words: dict[int, int] = {}

    async def bench(ctx: Any) -> None:
        drive(ctx, dut, memory_words=WORDS, latency=latency, jitter=jitter, seed=1)
        await ctx.tick().repeat(2)
        await job(ctx=ctx, dut=dut)

    async def behind(ctx: Any) -> None:
        await ram(ctx, dut, words)

    simulate(dut, bench, background=[behind])


def present(ctx: Any, port: Any, **values: int) -> None:
    plain = dict.fromkeys(("valid", "write", "line", "lock", "device", "data"), 0)
    values = plain | {"address": FIRST, "mask": 0xFF} | values
    values["address"] &= (1 << WORD_ADDRESS_BITS) - 1
    drive(ctx, port, **values)


async def transfer(ctx: Any, port: Any, limit: int = 300, **values: int) -> tuple[list[int], int]:
    """A read's words, and the cycles from grant to the first; -1 in place of a word is an error."""
    present(ctx, port, valid=1, **values)
    for _ in range(limit):
        if ctx.get(port.grant):
            break
        await ctx.tick()
    else:
        raise AssertionError("not granted")
    await ctx.tick()
    present(ctx, port)
    if values.get("write"):
        return [], 0
    words, waited, first = [], 1, 0
    for _ in range(limit):
        if ctx.get(port.error):
            words.append(-1)
            await ctx.tick()
            return words, waited
        if ctx.get(port.beat):
            first = first or waited
            words.append(ctx.get(port.read_data))
            if ctx.get(port.last):
                await ctx.tick()
                return words, first
        await ctx.tick()
        waited += 1
    raise AssertionError("not answered")


@pytest.mark.parametrize("latency", [1, 2, 30, 200])
@run_by(with_fabric, "latency")
async def test_the_first_word_comes_after_the_latency_and_a_line_in_a_row(
    ctx: Any, dut: Fabric, latency: int
) -> None:
    port = dut.initiators[0]
    assert await transfer(ctx, port, address=FIRST + 7) == ([7], latency + 1)
    words, first = await transfer(ctx, port, address=FIRST + 8, line=1)
    assert (words, first) == ([8, 9, 10, 11], latency + 1)


@run_by(with_fabric, latency=5, jitter=9)
async def test_jitter_adds_up_to_its_most_and_not_always_the_same(ctx: Any, dut: Fabric) -> None:
    waits = {(await transfer(ctx, dut.initiators[0]))[1] - 6 for _ in range(60)}
    assert min(waits) >= 0
    assert max(waits) <= 9
    assert len(waits) > 4


@run_by(with_fabric, harts=3)
async def test_what_is_written_is_read_and_told_to_the_others_alone(ctx: Any, dut: Fabric) -> None:
    port = dut.initiators[1]
    present(ctx, port, valid=1, write=1, address=FIRST + 5, data=77)
    while not ctx.get(port.grant):
        await ctx.tick()
    assert [ctx.get(each.valid) for each in dut.snoop] == [1, 0, 1]
    assert ctx.get(dut.snoop[0].address) == FIRST + 5
    await ctx.tick()
    present(ctx, port)
    assert await transfer(ctx, dut.initiators[2], address=FIRST + 5) == ([77], 2)
    assert not any(ctx.get(each.valid) for each in dut.snoop)
    # A write of no byte, as of a failed SC, is told to nobody.
    present(ctx, port, valid=1, write=1, mask=0)
    while not ctx.get(port.grant):
        await ctx.tick()
    assert not any(ctx.get(each.valid) for each in dut.snoop)


@run_by(with_fabric)
async def test_two_that_write_take_turns_one_a_cycle(ctx: Any, dut: Fabric) -> None:
    for port in dut.initiators:
        present(ctx, port, valid=1, write=1)
    owners = []
    for _ in range(12):
        owners.append([ctx.get(port.grant) for port in dut.initiators])
        await ctx.tick()
    assert owners[2:] == [[1, 0], [0, 1]] * 5 or owners[2:] == [[0, 1], [1, 0]] * 5


@run_by(with_fabric)
async def test_one_that_writes_alone_writes_every_cycle(ctx: Any, dut: Fabric) -> None:
    present(ctx, dut.initiators[1], valid=1, write=1)
    granted = []
    for _ in range(10):
        granted.append(ctx.get(dut.initiators[1].grant))
        await ctx.tick()
    assert granted == [0] + [1] * 9


@run_by(with_fabric)
async def test_nobody_comes_between_a_locked_read_and_its_write(ctx: Any, dut: Fabric) -> None:
    order = []
    first, second = dut.initiators
    present(ctx, first, valid=1, lock=1, address=FIRST + 1)
    present(ctx, second, valid=1, write=1, address=FIRST + 1, data=5)
    waiting = 0
    for _ in range(30):
        if ctx.get(second.grant):
            order.append("other")
        if ctx.get(first.grant):
            order.append("write" if waiting else "read")
            await ctx.tick()
            if waiting:
                present(ctx, first)
            else:
                present(ctx, first)
                for _ in range(4):
                    assert not ctx.get(second.grant)
                    await ctx.tick()
                present(ctx, first, valid=1, write=1, address=FIRST + 1)
            waiting = 1
            continue
        await ctx.tick()
    read = order.index("read")
    assert order[read + 1] == "write"
    assert "other" in order


@pytest.mark.parametrize("address", [FIRST + WORDS, FIRST - 1, 0])
@run_by(with_fabric)
async def test_beyond_the_memory_a_read_is_an_error(ctx: Any, dut: Fabric, address: int) -> None:
    assert (await transfer(ctx, dut.initiators[0], address=address))[0] == [-1]
    assert (await transfer(ctx, dut.initiators[0], address=FIRST))[0] == [0]


@run_by(with_fabric)
async def test_the_word_that_ends_a_program_is_told(ctx: Any, dut: Fabric) -> None:
    ctx.set(dut.tohost_address, RAM_BASE + 0x40)
    port = dut.initiators[0]
    seen = []
    for address, mask in ((FIRST + 8, 0x0F), (FIRST + 8, 0xF0), (FIRST + 9, 0xFF)):
        present(ctx, port, valid=1, write=1, address=address, mask=mask, data=1 << 32 | 7)
        await ctx.tick()
        present(ctx, port)
        seen.append((ctx.get(dut.tohost_valid), ctx.get(dut.tohost_data)))
    assert seen[0] == (1, 7)
    assert [valid for valid, _ in seen] == [1, 0, 0]

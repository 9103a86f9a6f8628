"""The first stage: what it hands on, against a reader of the same memory, with random waits of
cache lines, of walks and of the stage behind, and redirections at any moment."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hwbench import drive, pulse, simulate

from rv64.encoding import Cause
from rv64.fetch import Fetch

RESET = 0x8000_0000
VIRTUAL = 0x40_0000_0000 - 0x8000
PAGES = 8
PAGE = 0x1000
OK, NOT_EXECUTABLE, NOT_HERE, NOT_MAPPED, NO_ACCESS = range(5)
CAUSES = {
    NOT_EXECUTABLE: Cause.FETCH_PAGE,
    NOT_HERE: Cause.FETCH_ACCESS,
    NOT_MAPPED: Cause.FETCH_PAGE,
    NO_ACCESS: Cause.FETCH_ACCESS,
}
Handed = tuple[int, int, int] | tuple[int, Cause, bool]
"""An instruction: address, bits, next address. A fault: address, cause, whether of the second
half."""


class World:
    """A few pages of random instructions of both lengths, some of which cannot be fetched."""

    def __init__(self, seed: int, kinds: tuple[int, ...] = (OK,) * PAGES) -> None:
        self.rng = random.Random(seed)
        self.kinds = kinds
        self.frames = self.rng.sample(range(RESET >> 12, (RESET >> 12) + 64), PAGES)
        halves = [
            self.rng.getrandbits(16) | 3 * self.rng.getrandbits(1) for _ in range(PAGES * 2048)
        ]
        self.data = b"".join(half.to_bytes(2, "little") for half in halves)
        self.walks = self.lines = 0

    def half(self, address: int) -> int:
        offset = address - VIRTUAL
        return int.from_bytes(self.data[offset : offset + 2], "little")

    def word(self, physical: int) -> int:
        page = self.frames.index(physical >> 12)
        offset = page * PAGE + physical % PAGE
        return int.from_bytes(self.data[offset : offset + 8], "little")

    def kind(self, address: int) -> int:
        return self.kinds[(address - VIRTUAL) // PAGE]

    def handed(self, address: int) -> Iterator[Handed]:
        """From ``address`` on; a fault again and again."""
        while True:
            kind = self.kind(address)
            if kind != OK:
                yield address, CAUSES[kind], False
                continue
            low = self.half(address)
            if low & 3 != 3:
                yield address, low, address + 2
                address += 2
            elif (above := self.kind(address + 2)) != OK:
                yield address, CAUSES[above], True
            else:
                yield address, low | self.half(address + 2) << 16, address + 4
                address += 4

    def somewhere(self) -> int:
        """An address not so near the end that the code could run out."""
        return VIRTUAL + 2 * self.rng.randrange((PAGES - 1) * PAGE // 2)


def benches(dut: Fetch, world: World, most: int) -> tuple[Any, Any]:
    """Walker and bus, which let `dut` wait for up to ``most`` cycles."""

    async def walker(ctx: Any) -> None:
        walk, tlb = dut.walk, dut.tlb
        while True:
            await ctx.tick()
            if not ctx.get(walk.wanted):
                continue
            for _ in range(world.rng.randint(0, most)):
                await ctx.tick()
                assert ctx.get(walk.wanted)
            world.walks += 1
            address = ctx.get(walk.address)
            page, kind = (address - VIRTUAL) // PAGE, world.kind(address)
            found = kind not in (NOT_MAPPED, NO_ACCESS)
            drive(ctx, tlb, fill=found, fill_vpn=address >> 12 & (1 << 27) - 1)
            drive(ctx, tlb, fill_space=ctx.get(walk.space), fill_frame=world.frames[page])
            rights = {"execute": kind != NOT_EXECUTABLE, "may_execute": kind != NOT_HERE}
            drive(ctx, tlb.fill_rights, **rights)
            await ctx.tick()
            ctx.set(tlb.fill, 0)
            drive(ctx, walk, fault=not found, access=kind == NO_ACCESS)
            await pulse(ctx, walk.done)

    async def bus(ctx: Any) -> None:
        port = dut.bus
        while True:
            await ctx.tick()
            if not ctx.get(port.valid):
                continue
            for _ in range(world.rng.randint(0, most)):
                await ctx.tick()
                assert ctx.get(port.valid)
            assert (ctx.get(port.line), ctx.get(port.write)) == (1, 0)
            world.lines += 1
            address = ctx.get(port.address) << 3
            ctx.set(port.grant, 1)
            assert ctx.get(dut.miss)
            await ctx.tick()
            ctx.set(port.grant, 0)
            for _ in range(world.rng.randint(0, most)):
                await ctx.tick()
            for place in range(4):
                word = world.word(address + 8 * place)
                drive(ctx, port, beat=1, last=place == 3, read_data=word)
                await ctx.tick()
            drive(ctx, port, beat=0, last=0)

    return walker, bus


def shown(ctx: Any, dut: Fetch) -> Handed:
    fetched = dut.fetched
    pc = ctx.get(fetched.pc)
    if ctx.get(fetched.fault.valid):
        return pc, Cause(ctx.get(fetched.fault.cause)), bool(ctx.get(fetched.fault_above))
    return pc, ctx.get(fetched.raw), ctx.get(fetched.next)


async def redirected(ctx: Any, dut: Fetch, target: int) -> None:
    """A cycle with a redirection; what is shown in the next one is nothing."""
    ctx.set(dut.target, target)
    await pulse(ctx, dut.redirect)
    assert not ctx.get(dut.fetched.valid)


def begun(ctx: Any, dut: Fetch) -> None:
    drive(ctx, dut.space, translated=1, asid=5)


@pytest.mark.parametrize(
    ("seed", "most", "often", "kinds"),
    [
        (1, 0, 1.0, (OK,) * PAGES),
        (2, 5, 0.7, (OK,) * PAGES),
        (3, 3, 0.3, (OK,) * PAGES),
        (4, 2, 0.8, (OK, NOT_EXECUTABLE, OK, NOT_MAPPED, OK, NO_ACCESS, OK, NOT_HERE)),
        (5, 0, 1.0, (OK, NOT_HERE, OK, NO_ACCESS, OK, NOT_EXECUTABLE, OK, NOT_MAPPED)),
    ],
)
@pytest.mark.parametrize("ways", [1, 2])
def test_every_instruction_once_and_in_order(
    ways: int, seed: int, most: int, often: float, kinds: tuple[int, ...]
) -> None:
    world = World(seed, kinds)
    dut = Fetch(ways=ways, reset_vector=RESET)
    counts = {"instructions": 0, "faults": 0, "above": 0}

    async def bench(ctx: Any) -> None:
        rng = world.rng
        begun(ctx, dut)
        await redirected(ctx, dut, target := world.somewhere())
        expected = world.handed(target)
        for _ in range(6000):
            ctx.set(dut.ready, rng.random() < often)
            if rng.random() < 0.02:
                # Ends of pages, where an instruction may have two, as often as anywhere else.
                target = world.somewhere()
                if rng.random() < 0.5:
                    target = (target & -PAGE) + PAGE - 2 * rng.randint(1, 6)
                await redirected(ctx, dut, target)
                expected = world.handed(target)
                continue
            if ctx.get(dut.ready) and ctx.get(dut.fetched.valid):
                it = shown(ctx, dut)
                assert it == next(expected)
                fault = isinstance(it[1], Cause)
                counts["faults" if fault else "instructions"] += 1
                counts["above"] += fault and it[2]
            await ctx.tick()

    simulate(dut, bench, background=benches(dut, world, most))
    assert counts["instructions"] > 300
    assert world.lines > 20
    if kinds != (OK,) * PAGES:
        assert counts["faults"] > 20
        assert counts["above"] > 5


def test_what_is_there_comes_two_cycles_behind_a_redirection_and_then_each_cycle() -> None:
    world = World(7)
    dut = Fetch(ways=1, reset_vector=RESET)

    async def bench(ctx: Any) -> None:
        begun(ctx, dut)
        ctx.set(dut.ready, 1)
        for _ in range(2):  # the second time all is there
            await redirected(ctx, dut, VIRTUAL)
            await ctx.tick().repeat(400)
        await redirected(ctx, dut, VIRTUAL)
        expected = world.handed(VIRTUAL)
        for _ in range(100):
            await ctx.tick()
            assert ctx.get(dut.fetched.valid)
            assert shown(ctx, dut) == next(expected)

    simulate(dut, bench, background=benches(dut, world, 0))


def test_what_was_invalidated_is_read_again() -> None:
    world = World(8)
    dut = Fetch(ways=1, reset_vector=RESET)

    async def bench(ctx: Any) -> None:
        begun(ctx, dut)
        ctx.set(dut.ready, 1)
        await redirected(ctx, dut, VIRTUAL)
        await ctx.tick().repeat(400)
        before = world.lines
        await redirected(ctx, dut, VIRTUAL)
        await ctx.tick().repeat(20)
        assert world.lines == before
        world.data = world.data[::-1]
        ctx.set(dut.invalidate, 1)
        while not ctx.get(dut.invalidated):
            await ctx.tick()
        ctx.set(dut.invalidate, 0)
        await redirected(ctx, dut, VIRTUAL)
        expected = world.handed(VIRTUAL)
        for _ in range(100):
            if ctx.get(dut.fetched.valid):
                assert shown(ctx, dut) == next(expected)
            await ctx.tick()
        assert world.lines > before

    simulate(dut, bench, background=benches(dut, world, 0))

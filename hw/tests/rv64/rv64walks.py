"""The page walker with page tables in a dictionary, for its tests."""

from dataclasses import dataclass, field
from typing import Any

from hwbench import drive, pulse, simulate

from rv64.walker import Walker

RAM_FRAME = 0x8_0000
RAM_PAGES = 0x1_0000
ROOT, MIDDLE, LOW = RAM_FRAME + 1, RAM_FRAME + 2, RAM_FRAME + 3
V, R, W, X, U, G, A, D = (1 << bit for bit in range(8))
ASID = 0x2A
SPACE = {"translated": 1, "machine": 0, "asid": ASID}
BARE = {"translated": 0, "machine": 1, "asid": ASID}
PAGE = 0x40_0000_0000 - (1 << 30) + (5 << 21) + (9 << 12)  # of the upper half of positive ones
NUMBERS = (PAGE >> 12 & 0x1FF, PAGE >> 21 & 0x1FF, PAGE >> 30 & 0x1FF)


def pte(frame: int, flags: int) -> int:
    return frame << 10 | flags


@dataclass
class World:
    """What memory and PMP say, and what the walker did."""

    words: dict[int, int] = field(default_factory=dict)
    allowed: dict[int, int] = field(default_factory=dict)  # by frame; 7 else
    broken: set[int] = field(default_factory=set)
    reads: list[int] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)  # PMP: frame, machine

    def entry(self, table: int, index: int, word: int) -> None:
        self.words[table << 9 | index] = word

    def tables(self, leaf: int) -> "World":
        """Three levels down to a leaf for `PAGE`."""
        self.entry(ROOT, NUMBERS[2], pte(MIDDLE, V))
        self.entry(MIDDLE, NUMBERS[1], pte(LOW, V))
        self.entry(LOW, NUMBERS[0], leaf)
        return self

    def served(self, dut: Walker, *benches: Any) -> None:
        """Run benches with this world around the walker."""

        async def pmp(ctx: Any) -> None:
            await self._pmp(ctx, dut)

        async def bus(ctx: Any) -> None:
            await self._bus(ctx, dut)

        simulate(dut, *benches, background=(pmp, bus))

    async def _pmp(self, ctx: Any, dut: Walker) -> None:
        """Answers in the cycle after it is asked."""
        while True:
            await ctx.tick()
            if not ctx.get(dut.start):
                continue
            frame, machine = ctx.get(dut.frame), ctx.get(dut.machine)
            self.asked.append((frame, machine))
            await ctx.tick()
            ctx.set(dut.allowed, self.allowed.get(frame, 7))
            await pulse(ctx, dut.checked)

    async def _bus(self, ctx: Any, dut: Walker) -> None:
        """Grants at once, answers after three cycles."""
        while True:
            await ctx.tick()
            if not ctx.get(dut.read):
                continue
            address = ctx.get(dut.address)
            await pulse(ctx, dut.granted)
            self.reads.append(address)
            await ctx.tick().repeat(2)
            name = dut.error if address in self.broken else dut.beat
            ctx.set(dut.read_data, self.words.get(address, 0))
            await pulse(ctx, name)


@dataclass
class Answer:
    fault: bool
    access: bool
    filled: bool
    frame: int
    rights: set[str]


async def ask(
    ctx: Any, dut: Walker, address: int, space: dict[str, int] = SPACE, *, data: bool = True
) -> Answer:
    port = dut.data if data else dut.fetch
    drive(ctx, port, address=address & (1 << 64) - 1, space=space, wanted=1)
    for _ in range(100):
        if ctx.get(port.done):
            break
        await ctx.tick()
    else:
        raise AssertionError("no answer")
    rights = ctx.get(dut.rights)
    names = [
        "read",
        "write",
        "execute",
        "user",
        "dirty",
        "may_read",
        "may_write",
        "may_execute",
        "device",
    ]
    answer = Answer(
        bool(ctx.get(port.fault)),
        bool(ctx.get(port.access)),
        bool(ctx.get(dut.fill)),
        ctx.get(dut.to_frame),
        {name for name in names if getattr(rights, name)},
    )
    assert ctx.get(dut.to_data) == data
    if answer.filled:
        assert ctx.get(dut.vpn) == address >> 12 & (1 << 27) - 1
        kept = ctx.get(dut.space)
        assert {name: getattr(kept, name) for name in space} == space
    assert not (answer.fault and answer.filled)
    ctx.set(port.wanted, 0)
    await ctx.tick()
    return answer


def walked(world: World, address: int = PAGE, space: dict[str, int] = SPACE) -> Answer:
    """One walk of the data side."""
    dut = Walker(ram_frame=RAM_FRAME)
    answers: list[Answer] = []

    async def bench(ctx: Any) -> None:
        drive(ctx, dut, root=ROOT, ram_pages=RAM_PAGES)
        answers.append(await ask(ctx, dut, address, space))

    world.served(dut, bench)
    return answers[0]


def page_fault(answer: Answer) -> bool:
    return answer.fault and not answer.access


def access_fault(answer: Answer) -> bool:
    return answer.fault and answer.access

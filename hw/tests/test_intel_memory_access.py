"""Loads, stores and locked stores of a supervisor, on a bus as slow as one likes."""

import random
from typing import Any

import pytest
from hwbench import ONES, drive, simulated

from uintr.intel.memory_access import MemoryAccess
from uintr.intel.registers import StoreFunction
from uintr.registers import Privilege, RequestKind, Status

PLACE = 0x8400_0010


class Bench:
    """The block, and a memory behind it."""

    def __init__(self, ctx: Any, dut: MemoryAccess) -> None:
        self.ctx, self.dut = ctx, dut
        self.memory: dict[int, int] = {}
        self.delay = 1
        self.error_at: int | None = None  # number of the transfer that ends with an error
        self.transfers: list[tuple[bool, bool]] = []  # (written, lock at the end)

    async def ask(
        self, kind: int, function: int = 0, address: int = PLACE, data: int = 0, level: int = 1
    ) -> tuple[Status, int, int]:
        """Status, data, and cycles from the start to the end."""
        ctx, dut, bus = self.ctx, self.dut, self.dut.bus
        drive(ctx, dut, privilege=level, start=1)
        drive(ctx, dut.request, kind=kind, function=function, address=address, data=data)
        waited = 0
        for cycles in range(200):
            ends = bool(ctx.get(bus.stb)) and waited == self.delay
            fails = ends and self.error_at == len(self.transfers)
            drive(ctx, bus, ack=ends and not fails, err=fails)
            place = 8 * ctx.get(bus.adr)
            ctx.set(bus.dat_r, self.memory.get(place, 0) if ends else 0xDEAD)
            if ends:
                written = bool(ctx.get(bus.we))
                assert ctx.get(bus.sel) == 0xFF
                self.transfers.append((written, bool(ctx.get(dut.lock))))
                if written and not fails:
                    self.memory[place] = ctx.get(bus.dat_w)
            waited = 0 if ends else waited + ctx.get(bus.stb)
            done = ctx.get(dut.done)
            answer = Status(ctx.get(dut.answer.status)), ctx.get(dut.answer.data), cycles
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.request.data, 0x55)  # somebody else's business from now on
            if done:
                drive(ctx, bus, ack=0, err=0)
                return answer
        raise AssertionError("no end in 200 cycles")


@simulated(MemoryAccess, bench=Bench)
async def test_plain_and_locked_accesses(bench: Bench) -> None:
    before, operand = 0xF0F0, 0xFF00
    for function, after in (
        (StoreFunction.SWAP, operand),
        (StoreFunction.AND, before & operand),
        (StoreFunction.OR, before | operand),
    ):
        bench.memory[PLACE] = before
        bench.transfers.clear()
        assert await bench.ask(RequestKind.STORE, function, data=operand) == (
            *(Status.OK, before),
            4,
        )
        assert bench.memory[PLACE] == after
        assert bench.transfers == [(False, True), (True, False)]
    bench.transfers.clear()
    assert await bench.ask(RequestKind.STORE, data=7) == (Status.OK, 0, 2)
    assert await bench.ask(RequestKind.LOAD, function=99) == (Status.OK, 7, 2)
    assert bench.transfers == [(True, False), (False, False)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": Privilege.U},
        {"level": 2},
        {"address": PLACE + 1},
        {"address": PLACE + 4},
        {"kind": RequestKind.STORE, "function": max(StoreFunction) + 1},
        {"kind": RequestKind.STORE, "function": 15},
    ],
)
@simulated(MemoryAccess, bench=Bench)
async def test_what_is_not_allowed_moves_nothing(bench: Bench, wrong: dict[str, int]) -> None:
    request = {"kind": RequestKind.LOAD, **wrong}
    assert await bench.ask(**request) == (Status.ILLEGAL, 0, 0)
    assert bench.transfers == []
    assert (await bench.ask(RequestKind.LOAD, level=Privilege.M))[0] is Status.OK


@pytest.mark.parametrize("at", [0, 1])
@simulated(MemoryAccess, bench=Bench)
async def test_an_error_ends_it_where_it_is(bench: Bench, at: int) -> None:
    bench.memory[PLACE], bench.error_at = 5, at
    assert (await bench.ask(RequestKind.STORE, StoreFunction.SWAP, data=6))[:2] == (
        Status.BUS,
        0,
    )
    assert len(bench.transfers) == at + 1
    assert bench.memory == {PLACE: 5}
    bench.error_at = None
    assert (await bench.ask(RequestKind.LOAD))[:2] == (Status.OK, 5)


@simulated(MemoryAccess, bench=Bench)
async def test_random_accesses_follow_a_memory(bench: Bench) -> None:
    source = random.Random(9)
    model: dict[int, int] = {}
    for _ in range(300):
        bench.delay = source.choice([1, 1, 2, 7])
        kind = source.choice([RequestKind.LOAD, RequestKind.STORE])
        function, data = StoreFunction(source.randrange(4)), source.getrandbits(64)
        address = PLACE + 8 * source.randrange(3)
        before = model.get(address, 0)
        status, answer, _ = await bench.ask(kind, function, address, data)
        plain = kind == RequestKind.STORE and function is StoreFunction.PLAIN
        assert (status, answer) == (Status.OK, 0 if plain else before)
        if kind == RequestKind.STORE:
            model[address] = {
                StoreFunction.AND: before & data,
                StoreFunction.OR: before | data,
            }.get(function, data) & ONES
    assert bench.memory.items() >= {k: v for k, v in model.items() if v}.items()

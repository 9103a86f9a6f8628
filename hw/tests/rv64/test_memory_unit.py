"""Atomics, reservations and what they ask of the bus."""

from collections.abc import Awaitable, Callable
from typing import Any

import hwbench
import pytest
from hwbench import ONES, drive, pulse, run_by
from rv64bench import extended

from rv64.encoding import Atomic
from rv64.memory_unit import MemoryUnit, Operation

ADDRESS = 0x8000_0108
Transfer = tuple[str, int, int]


class Bus:
    """Grants after a while, answers reads from one word, and notes what was asked."""

    def __init__(self, ctx: Any, dut: MemoryUnit, word: int) -> None:
        self._ctx, self._dut = ctx, dut
        self.word = word
        self.asked: list[Transfer] = []
        self.locked: list[int] = []

    async def operate(
        self,
        operation: Operation,
        *,
        wait: int = 2,
        before_grant: Callable[[], Awaitable[None]] | None = None,
        **values: int,
    ) -> int:
        """Start, serve the bus until done; the value."""
        ctx, dut, bus = self._ctx, self._dut, self._dut.bus
        drive(ctx, dut, **{"address": ADDRESS, "mask": 0xFF, "funct3": 3, **values})
        ctx.set(dut.operation, operation)
        await pulse(ctx, dut.start)
        ctx.set(dut.operation, 0)
        for _ in range(100):
            if ctx.get(dut.done):
                return int(ctx.get(dut.value))
            if ctx.get(bus.valid):
                for _ in range(wait):
                    await ctx.tick()
                if before_grant is not None:
                    await before_grant()
                ctx.set(bus.grant, 1)
                mask = ctx.get(bus.mask)
                kind = "write" if ctx.get(bus.write) else "read"
                self.asked.append((kind, mask, ctx.get(bus.data)))
                self.locked.append(ctx.get(bus.lock))
                if kind == "write":
                    bits = sum(0xFF << 8 * byte for byte in range(8) if mask >> byte & 1)
                    self.word = self.word & ~bits | ctx.get(bus.data) & bits
                await ctx.tick()
                ctx.set(bus.grant, 0)
                if kind == "read":
                    await ctx.tick()
                    drive(ctx, bus, beat=1, last=1, read_data=self.word)
                    await ctx.tick()
                    drive(ctx, bus, beat=0, last=0)
            else:
                await ctx.tick()
        raise AssertionError("not done")


def simulate(bench: Any, word: int = 0) -> None:
    dut = MemoryUnit()

    async def whole(ctx: Any) -> None:
        await bench(ctx=ctx, dut=dut, bus=Bus(ctx, dut, word))

    hwbench.simulate(dut, whole)


def reference(function: Atomic, old: int, operand: int, bits: int) -> int:
    signed = extended(old, bits), extended(operand, bits)
    return {
        Atomic.ADD: old + operand,
        Atomic.SWAP: operand,
        Atomic.XOR: old ^ operand,
        Atomic.OR: old | operand,
        Atomic.AND: old & operand,
        Atomic.MIN: min(signed),
        Atomic.MAX: max(signed),
        Atomic.MINU: min(old, operand),
        Atomic.MAXU: max(old, operand),
    }[function] & (1 << bits) - 1


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    "function", [each for each in Atomic if each not in (Atomic.LR, Atomic.SC)]
)
@run_by(simulate)
async def test_an_amo_reads_and_writes_with_the_bus_locked(
    ctx: Any, bus: Bus, function: Atomic, bits: int
) -> None:
    top = 1 << bits - 1
    for old, operand in ((5, 9), (top, 1), (1, top), (top | 3, top | 5), (7, 7)):
        bus.word = old
        value = await bus.operate(
            Operation.ATOMIC,
            funct5=function,
            funct3=bits.bit_length() - 4,
            mask=0x0F if bits == 32 else 0xFF,
            operand=operand,
        )
        assert value == extended(old, bits) & ONES
        assert bus.word == reference(function, old, operand, bits)
        assert [kind for kind, _, _ in bus.asked[-2:]] == ["read", "write"]
        assert bus.locked[-2:] == [1, 0]
        await ctx.tick()


async def reserve(bus: Bus) -> None:
    await bus.operate(Operation.ATOMIC, funct5=Atomic.LR)


async def conditional(bus: Bus, **values: Any) -> int:
    return await bus.operate(Operation.ATOMIC, funct5=Atomic.SC, word=77, **values)


@run_by(simulate)
async def test_sc_writes_with_a_reservation_and_only_once(ctx: Any, bus: Bus) -> None:
    assert await conditional(bus) == 1
    assert bus.asked[-1][:2] == ("write", 0)
    await ctx.tick()
    await reserve(bus)
    await ctx.tick()
    assert await conditional(bus) == 0
    assert bus.word == 77
    await ctx.tick()
    assert await conditional(bus) == 1


@run_by(simulate)
async def test_sc_elsewhere_fails_and_ends_the_reservation(ctx: Any, bus: Bus) -> None:
    await reserve(bus)
    await ctx.tick()
    assert await conditional(bus, address=ADDRESS + 8) == 1
    await ctx.tick()
    assert await conditional(bus) == 1


@pytest.mark.parametrize(("address", "fails"), [(ADDRESS, 1), (ADDRESS + 8, 0)])
@run_by(simulate)
async def test_another_harts_write_ends_it_up_to_the_cycle_before_the_grant(
    ctx: Any, dut: MemoryUnit, bus: Bus, address: int, fails: int
) -> None:
    async def other() -> None:
        ctx.set(dut.snoop.address, address >> 3)
        await pulse(ctx, dut.snoop.valid)

    await reserve(bus)
    await ctx.tick()
    assert await conditional(bus, before_grant=other) == fails
    assert bus.asked[-1][1] == (0 if fails else 0xFF)


@run_by(simulate)
async def test_a_fence_waits_for_the_store_buffer_alone(ctx: Any, dut: MemoryUnit) -> None:
    ctx.set(dut.operation, Operation.DRAIN)
    await pulse(ctx, dut.start)
    for _ in range(10):
        assert not ctx.get(dut.done)
        assert not ctx.get(dut.bus.valid)
        await ctx.tick()
    ctx.set(dut.drained, 1)
    await ctx.tick()
    assert ctx.get(dut.done)

"""Timers, software interrupts and console, through their registers."""

from typing import Any

from hwbench import drive, present, pulse, simulated, withdraw

from rv64.clint import Clint, Sswi
from rv64.memory_map import MSIP_OFFSET, MTIME_OFFSET, MTIMECMP_OFFSET
from rv64.uart import Uart16550


async def access(
    ctx: Any, bus: Any, address: int, data: int | None = None, *, size: int = 8
) -> int:
    """Write ``data``, or read; a transfer ends in the cycle after it is seen."""
    place = address % 8
    shifted = None if data is None else data << 8 * place
    present(ctx, bus, address // 8, shifted, (1 << size) - 1 << place)
    assert not ctx.get(bus.ack)
    await ctx.tick()
    assert ctx.get(bus.ack)
    word = ctx.get(bus.dat_r)
    withdraw(ctx, bus)
    await ctx.tick()
    return int(word >> 8 * place & (1 << 8 * size) - 1)


@simulated(Clint, harts=3)
async def test_a_timer_line_is_high_from_its_time_on(ctx: Any, dut: Clint) -> None:
    bus = dut.bus
    await access(ctx, bus, MTIME_OFFSET, 1000)
    assert 1000 <= await access(ctx, bus, MTIME_OFFSET) < 1010
    await access(ctx, bus, MTIMECMP_OFFSET + 16, 1040)
    assert await access(ctx, bus, MTIMECMP_OFFSET + 16) == 1040
    seen = []
    for _ in range(60):
        seen.append((ctx.get(dut.mtime), ctx.get(dut.mtip)))
        await ctx.tick()
    assert all(lines == (0b100 if time > 1040 else 0) for time, lines in seen)
    await access(ctx, bus, MTIMECMP_OFFSET + 20, 1, size=4)  # the upper half
    await ctx.tick()
    assert ctx.get(dut.mtip) == 0


@simulated(Clint, harts=3)
async def test_software_interrupts_of_machine_mode_are_bits_that_stay(ctx: Any, dut: Clint) -> None:
    for hart in (0, 1, 2):
        await access(ctx, dut.bus, MSIP_OFFSET + 4 * hart, 0xFFFF_FFFF, size=4)
        assert await access(ctx, dut.bus, MSIP_OFFSET + 4 * hart, size=4) == 1
    assert ctx.get(dut.msip) == 0b111
    await access(ctx, dut.bus, MSIP_OFFSET + 4, 0, size=4)
    assert ctx.get(dut.msip) == 0b101


@simulated(Sswi, harts=2)
async def test_software_interrupts_of_supervisors_are_pulses(ctx: Any, dut: Sswi) -> None:
    bus = dut.bus
    for value, wanted in ((1, [0b10, 0]), (0, [0, 0])):
        present(ctx, bus, 0, value << 32, 0xF0)
        seen = [ctx.get(dut.ssip)]
        await ctx.tick()
        seen.append(ctx.get(dut.ssip))
        ctx.set(bus.stb, 0)
        await ctx.tick()
        assert seen == wanted


@simulated(Uart16550)
async def test_the_console_of_a_driver_that_polls(ctx: Any, dut: Uart16550) -> None:
    bus = dut.bus
    assert await access(ctx, bus, 5, size=1) == 0x60  # empty
    await access(ctx, bus, 0, ord("a"), size=1)
    assert (ctx.get(dut.output.valid), ctx.get(dut.output.payload)) == (1, ord("a"))
    assert await access(ctx, bus, 5, size=1) == 0
    await access(ctx, bus, 0, ord("b"), size=1)  # busy: lost
    assert ctx.get(dut.output.payload) == ord("a")
    await pulse(ctx, dut.output.ready)
    assert await access(ctx, bus, 5, size=1) == 0x60

    drive(ctx, dut.input, valid=1, payload=ord("x"))
    assert await access(ctx, bus, 5, size=1) == 0x61
    assert await access(ctx, bus, 0, size=1) == ord("x")
    ctx.set(dut.input.valid, 0)
    assert await access(ctx, bus, 0, size=1) == 0
    assert await access(ctx, bus, 2, size=1) == 1  # no interrupt

    for register in (1, 3, 4, 7):
        await access(ctx, bus, register, 0x15, size=1)
        assert await access(ctx, bus, register, size=1) == 0x15
    await access(ctx, bus, 3, 0x80, size=1)  # the divisor
    await access(ctx, bus, 0, 0x1234, size=2)
    assert await access(ctx, bus, 0, size=2) == 0x1234
    assert not ctx.get(dut.output.valid)

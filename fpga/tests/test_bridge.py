"""Serial line and bridge in Amaranth's simulator: bit times, commands, time-out, recovery."""

import random
from functools import partial
from typing import Any

import hwbench
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from hwbench import pulse, refused

from uintr_fpga.bridge import INPUT_BYTES, BoneCommand, UartBridge
from uintr_fpga.uart import UartReceiver, UartTransmitter, uart_divisor
from uintr_fpga.uartbone import read_command, write_command

pytestmark = pytest.mark.sim

TIMEOUT, QUIET = 400, 20
simulate = partial(hwbench.simulate, limit=30_000)


class Loop(wiring.Component):
    """A transmitter into a receiver of another bit time."""

    def __init__(self, divisor: int, other: int) -> None:
        self.transmitter = UartTransmitter(divisor=divisor)
        self.receiver = UartReceiver(divisor=other)
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules += [self.transmitter, self.receiver]
        m.d.comb += self.receiver.line.eq(self.transmitter.line)
        return m


@pytest.mark.parametrize(("divisor", "other"), [(4, 4), (10, 10), (25, 25), (50, 51), (51, 50)])
def test_line_there_and_back(divisor: int, other: int) -> None:
    loop = Loop(divisor, other)
    data = bytes(random.Random("line").randbytes(20)) + b"\x00\xff\x55"
    got = bytearray()

    async def send(ctx: Any) -> None:
        stream = loop.transmitter.bytes
        ctx.set(stream.valid, 1)
        for byte in data:
            ctx.set(stream.payload, byte)
            await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)

    async def receive(ctx: Any) -> None:
        while len(got) < len(data):
            (byte,) = await ctx.tick().sample(loop.receiver.data).until(loop.receiver.valid)
            got.append(byte)
            assert not ctx.get(loop.receiver.error)

    simulate(loop, send, receive)
    assert got == data


def test_framing_error_and_noise() -> None:
    receiver = UartReceiver(divisor=8)
    seen: list[str] = []

    async def line(ctx: Any) -> None:
        async def level(value: int, cycles: int) -> None:
            ctx.set(receiver.line, value)
            for _ in range(cycles):
                await ctx.tick()
                for name in ("valid", "error"):
                    if ctx.get(getattr(receiver, name)):
                        seen.append(name)

        await level(1, 10)
        await level(0, 2)  # noise
        await level(1, 200)
        await level(0, 300)  # a break: one error, however long
        await level(1, 20)
        await level(0, 8)
        await level(1, 100)  # the byte 0xFF
        assert ctx.get(receiver.data) == 0xFF

    simulate(receiver, line)
    assert seen == ["error", "valid"]


def test_bad_parameters_are_refused() -> None:
    assert uart_divisor(12_000_000, 1_000_000) == 12
    for clock, baud in ((25_000_000, 2_000_000), (12_000_000, 6_000_000)):
        with pytest.raises(ValueError, match="baud must be within 2 %"):
            uart_divisor(clock, baud)
    for part in (UartReceiver, UartTransmitter):
        assert refused(part, divisor=3) == "divisor must be at least 4, not 3"
    for name, least in (("timeout", 16), ("quiet", 1)):
        sentence = refused(UartBridge, **{"timeout": 16, "quiet": 1, name: 0})
        assert sentence == f"{name} must be at least {least}, not 0"


class Host:
    """A bridge with a memory behind it; the naive model of its protocol is `expected`."""

    def __init__(self, wait: int = 0) -> None:
        self.dut = UartBridge(timeout=TIMEOUT, quiet=QUIET)
        self.memory: dict[int, int] = {}
        self.answers = bytearray()
        self.writes: list[tuple[int, int]] = []
        self.events: list[str] = []
        self.wait = wait
        self.done = False

    async def feed(self, ctx: Any, data: bytes, gap: int = 3) -> None:
        dut = self.dut
        for byte in data:
            ctx.set(dut.receive.data, byte)
            await pulse(ctx, dut.receive.valid)
            await ctx.tick().repeat(gap)

    async def bus(self, ctx: Any) -> None:
        """The memory, the line to the host, and what there is to see."""
        bus = self.dut.bus
        ctx.set(self.dut.receive_idle, 1)
        waited = 0
        while not self.done:
            ctx.set(bus.ack, 0)
            ctx.set(self.dut.send.ready, 1)
            if ctx.get(bus.stb):
                waited += 1
                if waited > self.wait:
                    waited = 0
                    address = ctx.get(bus.adr)
                    ctx.set(bus.ack, 1)
                    if ctx.get(bus.we):
                        self.memory[address] = ctx.get(bus.dat_w)
                        self.writes.append((address, ctx.get(bus.dat_w)))
                    else:
                        ctx.set(bus.dat_r, self.memory.get(address, 0))
            else:
                waited = 0
            if ctx.get(self.dut.send.valid):
                self.answers.append(ctx.get(self.dut.send.payload))
            for name in ("overrun", "timed_out"):
                if ctx.get(getattr(self.dut, name)):
                    self.events.append(name)
            await ctx.tick()

    def play(self, *parts: bytes | int) -> "Host":
        """Bytes are sent; numbers are cycles of silence."""

        async def send(ctx: Any) -> None:
            for part in parts:
                if isinstance(part, int):
                    await ctx.tick().repeat(part)
                else:
                    await self.feed(ctx, part)
            await ctx.tick().repeat(60)
            self.done = True

        simulate(self.dut, send, self.bus)
        return self


def fixed(command: bytes) -> bytes:
    """The same command without increment."""
    return bytes((command[0] + 2,)) + command[1:]


WORDS = [0x0123_4567, 0x89AB_CDEF, 0xFFFF_0000]


def test_four_commands() -> None:
    host = Host().play(
        write_command(0x1000_0004, WORDS),
        read_command(0x1000_0004, 3),
        60,
        fixed(write_command(9, WORDS)),
        fixed(read_command(9, 2)),
        60,
    )
    places = [(0x1000_0004 + at, word) for at, word in enumerate(WORDS)]
    assert host.writes == places + [(9, word) for word in WORDS]
    expected = b"".join(word.to_bytes(4, "big") for word in (*WORDS, WORDS[2], WORDS[2]))
    assert bytes(host.answers) == expected
    assert not host.events
    assert [each.value for each in BoneCommand] == [1, 2, 3, 4]


def test_unknown_and_empty_commands_take_six_bytes() -> None:
    host = Host().play(bytes((9, 1, 0, 0, 0, 1)), bytes((1, 0, 0, 0, 0, 1)), write_command(2, [5]))
    assert host.writes == [(2, 5)]


@pytest.mark.parametrize("length", [1, 3, 6, 9])
def test_truncated_command_times_out_and_writes_no_part_of_a_word(length: int) -> None:
    host = Host().play(write_command(1, WORDS[:1])[:length], TIMEOUT, write_command(2, [5]))
    assert host.events == ["timed_out"]
    assert host.writes == [(2, 5)]


def test_a_read_that_is_never_answered_times_out() -> None:
    host = Host(wait=10**9).play(read_command(1, 1), TIMEOUT)
    assert host.events == ["timed_out"]
    assert not host.answers


def test_overrun_drops_until_the_line_is_quiet() -> None:
    host = Host(wait=300).play(
        read_command(1, 1), write_command(3, [7]) * 7, 8 * QUIET, write_command(2, [5]), 320
    )
    assert "overrun" in host.events
    assert len(write_command(3, [7]) * 7) > INPUT_BYTES
    assert host.writes == [(2, 5)]


def test_framing_error_drops_the_command() -> None:
    host = Host()

    async def send(ctx: Any) -> None:
        await host.feed(ctx, write_command(1, [1])[:8])
        await pulse(ctx, host.dut.receive_error)
        await host.feed(ctx, write_command(1, [1])[8:] + write_command(1, [2]))
        await ctx.tick().repeat(QUIET + 10)
        await host.feed(ctx, write_command(2, [5]))
        await ctx.tick().repeat(20)
        host.done = True

    simulate(host.dut, send, host.bus)
    assert host.writes == [(2, 5)]

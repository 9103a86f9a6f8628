"""The descriptor unit: checks in their order, nothing half-written, the lock, the cycles."""

import random
from typing import Any

import pytest
from hwbench import ONES, drive, simulated

from uintr.intel.descriptor_unit import DescriptorUnit
from uintr.intel.registers import MSRS, UITTE, UPID, Fault, Msr
from uintr.registers import Status

TABLE, PLACE = 0x8400_0000, 0x8400_0400
TT = MSRS[Msr.UINTR_TT].pack(enable=1, uittaddr=TABLE >> 4)
MISC = MSRS[Msr.UINTR_MISC].pack(uittsz=3)
NV, NDST, VECTOR = 0xEC, 5, 9
ENTRY, NOTIFIED = UITTE.pack(v=1, uv=VECTOR), UPID.pack(nv=NV, ndst=NDST)
ON, SN = UPID.pack(on=1), UPID.pack(sn=1)


class Bench:
    """The unit, a memory as slow as one likes behind it, and a fabric."""

    def __init__(self, ctx: Any, dut: DescriptorUnit) -> None:
        self.ctx, self.dut = ctx, dut
        self.memory = {TABLE: ENTRY, TABLE + 8: PLACE, PLACE: NOTIFIED, PLACE + 8: 0}
        self.registers = {"tt": TT, "misc": MISC, "pd": PLACE}
        self.enabled = 1
        self.delay, self.accept_delay = 1, 0
        self.error_at: int | None = None
        self.transfers: list[tuple[int, bool, bool]] = []  # (address, written, locked behind it)
        self.sent: list[tuple[int, int]] = []
        self._waited = self._offered = 0

    def answer(self) -> None:
        """Bus and fabric in this cycle."""
        ctx, bus, interrupt = self.ctx, self.dut.bus, self.dut.interrupt
        wanted = bool(ctx.get(bus.stb))
        ends = wanted and self._waited == self.delay
        fails = ends and self.error_at == len(self.transfers)
        address = 8 * ctx.get(bus.adr)
        ctx.set(bus.ack, ends and not fails)
        drive(ctx, bus, err=fails, dat_r=self.memory.get(address, 0) if ends else 0xBAD0)
        if ends:
            written = bool(ctx.get(bus.we))
            self.transfers.append((address, written, bool(ctx.get(self.dut.lock)) and not fails))
            if written and not fails:
                self.memory[address] = ctx.get(bus.dat_w)
        self._waited = self._waited + 1 if wanted and not ends else 0
        valid = bool(ctx.get(interrupt.valid))
        ready = valid and self._offered >= self.accept_delay
        ctx.set(interrupt.ready, ready)
        self._offered = self._offered + 1 if valid and not ready else 0
        if ready:
            payload = interrupt.payload
            self.sent.append((ctx.get(payload.vector), ctx.get(payload.destination)))

    async def run(self, signal: Any, end: Any, operand: int = 0) -> tuple[int, dict[str, int]]:
        """Begin, and wait for the end: the cycle, and what the unit says in it."""
        ctx, dut = self.ctx, self.dut
        for name, word in self.registers.items():
            ctx.set(getattr(dut, name).as_value(), word)
        drive(ctx, dut, enabled=self.enabled, operand=operand)
        ctx.set(signal, 1)
        for cycle in range(200):
            self.answer()
            found = {
                name: ctx.get(getattr(dut, name))
                for name in ("refused", "cause", "merge", "merged", "lost")
            }
            found["status"] = ctx.get(dut.answer.status)
            done = ctx.get(end)
            await ctx.tick()
            ctx.set(signal, 0)
            for name in self.registers:  # what begins later would see other registers
                ctx.set(getattr(dut, name).as_value(), 0)
            ctx.set(dut.operand, ONES)
            if done:
                return cycle, found
        raise AssertionError("no end in 200 cycles")

    async def send(self, operand: int = 0) -> tuple[int, Status, Fault]:
        cycle, found = await self.run(self.dut.start, self.dut.done, operand)
        assert found["refused"] == (found["status"] != Status.OK)
        return cycle, Status(found["status"]), Fault(found["cause"] * found["refused"])


@pytest.mark.parametrize(
    ("before", "pir", "after", "cycle", "notifies"),
    [
        (NOTIFIED, 0, NOTIFIED | ON, 13, True),
        (NOTIFIED, 1 << VECTOR, NOTIFIED | ON, 13, True),
        (NOTIFIED | ON, 1, NOTIFIED | ON, 10, False),
        (NOTIFIED | SN, 0, NOTIFIED | SN, 10, False),
        (NOTIFIED | SN | ON, ONES, NOTIFIED | SN | ON, 10, False),
    ],
)
@simulated(DescriptorUnit, bench=Bench)
async def test_a_send_updates_under_one_lock(
    bench: Bench, before: int, pir: int, after: int, cycle: int, notifies: bool
) -> None:
    bench.memory |= {PLACE: before, PLACE + 8: pir}
    assert await bench.send() == (cycle, Status.OK, Fault.NONE)
    assert (bench.memory[PLACE], bench.memory[PLACE + 8]) == (after, pir | 1 << VECTOR)
    assert bench.sent == [(NV, NDST)] * notifies
    # The entry's two reads are one lock, the update of the descriptor another one.
    locks = [locked for _, _, locked in bench.transfers]
    assert locks == [True, False, True, True, *([True, False] if notifies else [False])]


@pytest.mark.parametrize(
    ("change", "operand", "status", "fault", "reads"),
    [
        ({"enabled": 0}, 0, Status.UD, Fault.DISABLED, 0),
        ({"tt": TT & ~1}, 0, Status.UD, Fault.DISABLED, 0),
        ({"tt": TT & ~1}, 9, Status.UD, Fault.DISABLED, 0),
        ({}, 4, Status.GP, Fault.INDEX, 0),
        ({}, 1 << 32, Status.GP, Fault.INDEX, 0),
        ({}, 1 << 63, Status.GP, Fault.INDEX, 0),
        ({"tt": (1 << 47) - 16 | 1}, 1, Status.GP, Fault.TABLE, 0),
        ({TABLE: ENTRY & ~1}, 0, Status.GP, Fault.INVALID, 2),
        ({TABLE: 0x80}, 0, Status.GP, Fault.INVALID, 2),
        ({TABLE: ENTRY | 1 << 1}, 0, Status.GP, Fault.ENTRY, 2),
        ({TABLE: ENTRY | 1 << 14}, 0, Status.GP, Fault.ENTRY, 2),
        ({TABLE: ENTRY | 1 << 63}, 0, Status.GP, Fault.ENTRY, 2),
        ({TABLE + 8: PLACE | 8}, 0, Status.GP, Fault.ENTRY, 2),
        ({TABLE + 8: 1 << 63 | 8}, 0, Status.GP, Fault.ENTRY, 2),
        ({TABLE + 8: 1 << 63}, 0, Status.GP, Fault.ADDRESS, 2),
        ({PLACE: NOTIFIED | 1 << 2}, 0, Status.GP, Fault.DESCRIPTOR, 3),
        ({PLACE: NOTIFIED | 1 << 15}, 0, Status.GP, Fault.DESCRIPTOR, 3),
        ({PLACE: NOTIFIED | 1 << 24}, 0, Status.GP, Fault.DESCRIPTOR, 3),
    ],
)
@simulated(DescriptorUnit, bench=Bench)
async def test_the_first_check_that_fails_ends_it_and_nothing_is_written(
    bench: Bench, change: dict[Any, int], operand: int, status: Status, fault: Fault, reads: int
) -> None:
    bench.enabled = change.get("enabled", 1)
    bench.registers |= {name: word for name, word in change.items() if name == "tt"}
    bench.memory |= {place: word for place, word in change.items() if isinstance(place, int)}
    before = dict(bench.memory)
    assert (await bench.send(operand))[1:] == (status, fault)
    assert [written for _, written, _ in bench.transfers] == [False] * reads
    assert not bench.transfers or not bench.transfers[-1][2]  # the lock is given up
    assert bench.memory == before
    assert bench.sent == []


@pytest.mark.parametrize("at", range(6))
@simulated(DescriptorUnit, bench=Bench)
async def test_a_transfer_that_fails_ends_a_send(bench: Bench, at: int) -> None:
    bench.error_at = at
    before = dict(bench.memory)
    assert (await bench.send())[1:] == (Status.BUS, Fault.BUS)
    assert len(bench.transfers) == at + 1
    assert bench.memory == before | ({PLACE + 8: 1 << VECTOR} if at == 5 else {})
    assert bench.sent == []
    bench.error_at = None
    assert (await bench.send())[1] is Status.OK


@pytest.mark.parametrize("at", range(4))
@simulated(DescriptorUnit, bench=Bench)
async def test_a_transfer_that_fails_ends_processing(
    bench: Bench, dut: DescriptorUnit, at: int
) -> None:
    bench.memory |= {PLACE: NOTIFIED | ON, PLACE + 8: 0xA5}
    bench.error_at = at
    _, found = await bench.run(dut.process, dut.ended)
    assert (found["merge"], found["lost"], found["refused"]) == (0, 1, 0)
    assert len(bench.transfers) == at + 1
    bench.error_at = None
    assert (await bench.send())[1] is Status.OK


@simulated(DescriptorUnit, bench=Bench)
async def test_processing_empties_the_descriptor_whatever_its_reserved_bits(
    bench: Bench, dut: DescriptorUnit
) -> None:
    for status in (NOTIFIED | ON, NOTIFIED | ON | SN | 1 << 15):
        bench.memory |= {PLACE: status, PLACE + 8: 0xA5}
        bench.transfers.clear()
        cycle, found = await bench.run(dut.process, dut.ended)
        assert (cycle, found["merge"], found["merged"], found["lost"]) == (8, 1, 0xA5, 0)
        assert (bench.memory[PLACE], bench.memory[PLACE + 8]) == (status & ~ON, 0)
        assert [locked for _, _, locked in bench.transfers] == [True, True, True, False]
    assert bench.sent == []


@simulated(DescriptorUnit, limit=40_000)
async def test_random_sends_and_processings_follow_the_model(ctx: Any, dut: DescriptorUnit) -> None:
    source = random.Random(7)
    bench = Bench(ctx, dut)
    status, pir = NOTIFIED, 0
    for _ in range(300):
        bench.delay, bench.accept_delay = source.choice([1, 1, 4]), source.randrange(3)
        vector = source.randrange(64)
        bench.memory[TABLE] = UITTE.pack(v=1, uv=vector)
        if source.random() < 0.2:
            status ^= SN
        bench.memory |= {PLACE: status}
        bench.sent.clear()
        if source.random() < 0.3:
            _, found = await bench.run(dut.process, dut.ended)
            assert (found["merge"], found["merged"]) == (1, pir)
            status, pir = status & ~ON, 0
        else:
            assert (await bench.send())[1] is Status.OK
            notifies = not status & (ON | SN)
            assert bench.sent == [(NV, NDST)] * notifies
            status, pir = status | ON * notifies, pir | 1 << vector
        assert (bench.memory[PLACE], bench.memory[PLACE + 8]) == (status, pir)

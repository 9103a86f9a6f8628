"""PMP against a naive reading of the specification, with pages as the grain."""

import random
from typing import Any

from hwbench import drive, pulse, simulated

from rv64.pmp import PMP_ENTRIES, Pmp

OFF, TOR, NA4, NAPOT = range(4)
MASK54 = (1 << 54) - 1


class Naive:
    """Registers as they are written, matching byte by byte of addresses."""

    def __init__(self) -> None:
        self.addresses = [MASK54] + [0] * (PMP_ENTRIES - 1)
        self.bytes = [NAPOT << 3 | 7] + [0] * (PMP_ENTRIES - 1)

    def write_configuration(self, word: int) -> None:
        for place in range(PMP_ENTRIES):
            new = word >> 8 * place & 0x9F
            if self.bytes[place] & 0x80:
                continue
            if not new & 1:
                new &= ~2
            if new >> 3 & 3 == NA4:
                new |= NAPOT << 3
            self.bytes[place] = new

    def write_address(self, place: int, value: int) -> None:
        above = self.bytes[place + 1] if place + 1 < PMP_ENTRIES else 0
        if not self.bytes[place] & 0x80 and not (above & 0x80 and above >> 3 & 3 == TOR):
            self.addresses[place] = value & MASK54

    def shown(self, place: int) -> int:
        value = self.addresses[place]
        return value | 0x1FF if self.bytes[place] >> 4 & 1 else value & ~0x3FF

    def allowed(self, frame: int, machine: int) -> int:
        address = frame << 10
        for place in range(PMP_ENTRIES):
            byte, mode = self.bytes[place], self.bytes[place] >> 3 & 3
            bound = self.addresses[place]
            if mode == TOR:
                low = self.addresses[place - 1] & ~0x3FF if place else 0
                match = low <= address < bound & ~0x3FF
            elif mode == NAPOT:
                bound |= 0x1FF
                size = (bound ^ bound + 1) + 1
                match = address // size == bound // size
            else:
                match = False
            if match:
                return 7 if machine and not byte & 0x80 else byte & 7
        return 7 if machine else 0


@simulated(Pmp)
async def test_against_the_naive_reading(ctx: Any, dut: Pmp) -> None:
    rng = random.Random(4)
    naive = Naive()
    await ctx.tick()

    async def check(count: int) -> None:
        for place in range(PMP_ENTRIES):
            ctx.set(dut.number, place)
            assert ctx.get(dut.address) == naive.shown(place)
        word = sum(byte << 8 * place for place, byte in enumerate(naive.bytes))
        assert ctx.get(dut.configuration) == word
        for _ in range(count):
            bounds = [bound >> 10 & 0xFFFFF for bound in naive.addresses]
            frame = rng.choice(bounds) + rng.randrange(-1, 2) & 0xFFFFF
            machine = rng.getrandbits(1)
            drive(ctx, dut, frame=frame, machine=machine)
            await pulse(ctx, dut.start)
            cycles = 1
            while not ctx.get(dut.done):
                await ctx.tick()
                cycles += 1
            assert cycles <= PMP_ENTRIES
            assert ctx.get(dut.allowed) == naive.allowed(frame, machine)
            await ctx.tick()

    await check(5)
    for turn in range(200):
        if rng.random() < 0.5:
            place = rng.randrange(PMP_ENTRIES)
            value = rng.getrandbits(54) >> rng.choice((0, 20, 24, 34))
            value |= rng.choice((0, 0x3FF, 0xFFFF, (1 << 31) - 1, (1 << 33) - 1))
            drive(ctx, dut, number=place, data=value)
            await pulse(ctx, dut.write_address)
            naive.write_address(place, value)
        else:
            locks = 0.05 * (turn >= 120)  # what is locked keeps still to the end
            value = sum(
                (rng.getrandbits(7) | 0x80 * (rng.random() < locks)) << 8 * place
                for place in range(PMP_ENTRIES)
            )
            ctx.set(dut.data, value)
            await pulse(ctx, dut.write_configuration)
            naive.write_configuration(value)
        await check(6)
    locked = [byte >> 7 for byte in naive.bytes]
    assert 0 < sum(locked) < PMP_ENTRIES

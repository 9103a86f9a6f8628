"""Bus arbiter and decoder."""

import random
from typing import Any

import pytest
from hwbench import ONES, drive, pulse, refused, simulated

from uintr.wishbone import BusArbiter, BusDecoder

SIGNALS = ("we", "adr", "sel", "dat_w")


@pytest.mark.parametrize(("count", "density"), [(1, 0.7), (2, 1.0), (3, 0.5), (5, 0.2)])
@simulated(BusArbiter, "count")
async def test_arbiter_with_random_traffic(
    ctx: Any, dut: BusArbiter, count: int, density: float
) -> None:
    """Cycle by cycle: who is connected, what the bus carries, who gets the answer."""
    generator = random.Random(count)
    wanted: list[dict[str, int] | None] = [None] * count
    owner: int | None = None
    first = 0
    served = [0] * count
    for _ in range(1500):
        for number, initiator in enumerate(dut.initiators):
            if wanted[number] is None and generator.random() < density:
                wanted[number] = {
                    "we": generator.getrandbits(1),
                    "adr": generator.getrandbits(61),
                    "sel": generator.getrandbits(8),
                    "dat_w": generator.getrandbits(64),
                }
            drive(ctx, initiator, cyc=wanted[number] is not None, stb=wanted[number] is not None)
            for name, value in (wanted[number] or dict.fromkeys(SIGNALS, 0)).items():
                ctx.set(getattr(initiator, name), value)

        if owner is None:
            order = [(first + step) % count for step in range(count)]
            connected = next((n for n in order if wanted[n] is not None), None)
        else:
            connected = owner
        assert ctx.get(dut.bus.cyc) == ctx.get(dut.bus.stb) == (connected is not None)
        transfer = None if connected is None else wanted[connected]
        if transfer is not None:
            assert {name: ctx.get(getattr(dut.bus, name)) for name in SIGNALS} == transfer

        # A target answers at the earliest in the second cycle.
        end = owner is not None and generator.random() < 0.4
        error = end and generator.random() < 0.3
        data = generator.getrandbits(64)
        drive(ctx, dut.bus, ack=end and not error, err=error, dat_r=data)
        for number, initiator in enumerate(dut.initiators):
            mine = end and number == connected
            assert ctx.get(initiator.ack) == (mine and not error)
            assert ctx.get(initiator.err) == (mine and error)
            if mine:
                assert ctx.get(initiator.dat_r) == data

        if owner is None and connected is not None:
            owner, first = connected, (connected + 1) % count
        elif end and owner is not None:
            wanted[owner] = None
            served[owner] += 1
            owner = None
        await ctx.tick()
    assert min(served) > 0.5 * max(served)


@simulated(BusArbiter, count=3)
async def test_arbiter_serves_all_in_turn_and_connects_in_the_same_cycle(
    ctx: Any, dut: BusArbiter
) -> None:
    for number, initiator in enumerate(dut.initiators):
        drive(ctx, initiator, cyc=1, stb=1, adr=number)
    order = []
    for _ in range(5):
        order.append(ctx.get(dut.bus.adr))
        await ctx.tick()
        assert ctx.get(dut.bus.adr) == order[-1]
        await pulse(ctx, dut.bus.ack)
    assert order == [0, 1, 2, 0, 1]


@simulated(BusArbiter, count=2)
async def test_arbiter_needs_cyc_and_stb(ctx: Any, dut: BusArbiter) -> None:
    ctx.set(dut.initiators[0].cyc, 1)
    ctx.set(dut.initiators[1].stb, 1)
    for _ in range(3):
        assert ctx.get(dut.bus.stb) == 0
        await ctx.tick()
    drive(ctx, dut.initiators[1], cyc=1, adr=9)
    assert (ctx.get(dut.bus.stb), ctx.get(dut.bus.adr)) == (1, 9)


WINDOWS = ((0x1000, 0x1000), (0x3008, 0x18), (2**64 - 0x40, 0x40), (0x8000, 0x3000))


def windows_of(address: int) -> int | None:
    return next(
        (n for n, (base, size) in enumerate(WINDOWS) if base <= address < base + size), None
    )


@simulated(BusDecoder, windows=WINDOWS)
async def test_decoder_finds_the_window_of_every_address(ctx: Any, dut: BusDecoder) -> None:
    generator = random.Random(4)
    addresses = [base + offset for base, size in WINDOWS for offset in (-8, 0, 8, size - 8, size)]
    addresses += [0, 2**63, 0x1000 + 2**40, 0x8000 + 2**63]
    addresses += [generator.getrandbits(16) & ~7 for _ in range(200)]
    drive(ctx, dut.bus, cyc=1, stb=1)
    for address in addresses:
        address &= ONES
        word = generator.getrandbits(64)
        drive(ctx, dut.bus, adr=address // 8, dat_w=word, sel=word & 0xFF, we=word >> 9 & 1)
        found = windows_of(address)
        for number, target in enumerate(dut.targets):
            assert ctx.get(target.cyc) == ctx.get(target.stb) == (number == found)
            ctx.set(target.dat_r, number + 100)
            if number == found:
                assert ctx.get(target.adr) == (address - WINDOWS[number][0]) // 8
                assert ctx.get(target.dat_w) == word
                assert ctx.get(target.sel) == word & 0xFF
                assert ctx.get(target.we) == word >> 9 & 1
        await ctx.tick()  # the earliest cycle of an answer
        if found is not None:
            assert ctx.get(dut.bus.dat_r) == found + 100


@simulated(BusDecoder, windows=WINDOWS)
async def test_decoder_answers_an_address_of_no_target_in_the_second_cycle(
    ctx: Any, dut: BusDecoder
) -> None:
    for _ in range(2):
        drive(ctx, dut.bus, cyc=1, stb=1, adr=0x7FF8 // 8)
        assert ctx.get(dut.bus.err) == 0
        await ctx.tick()
        assert ctx.get(dut.bus.err) == 1
        assert ctx.get(dut.bus.ack) == 0
        await ctx.tick()
        assert ctx.get(dut.bus.err) == 0
    ctx.set(dut.bus.adr, 0x8000 // 8)
    for _ in range(3):
        await ctx.tick()
        assert ctx.get(dut.bus.err) == 0


@simulated(BusDecoder, windows=WINDOWS)
async def test_decoder_passes_each_target_s_end_on(ctx: Any, dut: BusDecoder) -> None:
    for target, (base, _) in zip(dut.targets, WINDOWS, strict=True):
        ctx.set(dut.bus.adr, base // 8)
        for name in ("ack", "err"):
            assert ctx.get(getattr(dut.bus, name)) == 0
            ctx.set(getattr(target, name), 1)
            assert ctx.get(getattr(dut.bus, name)) == 1
            ctx.set(getattr(target, name), 0)


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        ((4, 8), "window base must be a 64-bit multiple of 0x8, not 0x4"),
        ((8, 4), "window size must be a 64-bit multiple of 0x8, not 0x4"),
        ((2**64 - 8, 16), f"window end must be 1 to {2**64}, not {2**64 + 8}"),
    ],
)
def test_windows_are_checked(window: tuple[int, int], sentence: str) -> None:
    assert refused(BusDecoder, windows=[window]) == sentence


def test_count_is_checked() -> None:
    assert refused(BusArbiter, count=0) == "count must be 1 to 65536, not 0"

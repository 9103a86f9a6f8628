"""Round robin against the search that its contract describes."""

import random
from typing import Any

import pytest
from amaranth.hdl import Const, Module, Signal
from hwbench import drive, refused, simulate, simulated

from uintr.arbiter import RoundRobin, select


class Model:
    """Looks at one requester after the other, beginning behind the last."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.first = 0

    def grant(self, requests: int) -> int | None:
        for step in range(self.count):
            place = (self.first + step) % self.count
            if requests >> place & 1:
                return place
        return None

    def advance(self, granted: int | None) -> None:
        if granted is not None:
            self.first = (granted + 1) % self.count


@pytest.mark.parametrize("count", [1, 2, 3, 5, 65])
@simulated(RoundRobin, "count")
async def test_random_requests_follow_the_model(ctx: Any, dut: RoundRobin, count: int) -> None:
    generator = random.Random(count)
    model = Model(count)
    for _ in range(1000):
        requests = generator.getrandbits(count)
        if generator.random() < 0.3:
            requests &= generator.getrandbits(count) & generator.getrandbits(count)
        advance = generator.random() < 0.7
        drive(ctx, dut, requests=requests, advance=advance)
        granted = model.grant(requests)
        assert ctx.get(dut.grant) == (0 if granted is None else 1 << granted)
        if advance:
            model.advance(granted)
        await ctx.tick()


@simulated(RoundRobin, count=4)
async def test_all_take_turns_from_port_0(ctx: Any, dut: RoundRobin) -> None:
    drive(ctx, dut, requests=0b1111, advance=1)
    order = []
    for _ in range(9):
        order.append(ctx.get(dut.grant).bit_length() - 1)
        await ctx.tick()
    assert order == [0, 1, 2, 3, 0, 1, 2, 3, 0]


@simulated(RoundRobin, count=3)
async def test_a_grant_not_taken_and_an_idle_cycle_keep_the_turn(ctx: Any, dut: RoundRobin) -> None:
    grants = []
    for requests, advance in ((7, 1), (7, 0), (0, 1), (7, 1), (1, 1), (7, 1)):
        drive(ctx, dut, requests=requests, advance=advance)
        grants.append(ctx.get(dut.grant))
        await ctx.tick()
    assert grants == [1, 2, 0, 2, 1, 2]


def test_select_picks_the_granted_value_or_zero() -> None:
    m = Module()
    grant = Signal(3)
    chosen = Signal(8)
    m.d.comb += chosen.eq(select(grant, [Const(0x11, 8), Const(0xA0, 8), Const(0xFF, 8)]))

    async def testbench(ctx: Any) -> None:
        for one_hot, expected in ((1, 0x11), (2, 0xA0), (4, 0xFF), (0, 0)):
            ctx.set(grant, one_hot)
            assert ctx.get(chosen) == expected

    simulate(m, testbench)


def test_select_wants_as_many_values_as_bits() -> None:
    with pytest.raises(ValueError):
        select(Signal(2), [Const(0)])


def test_count_is_checked() -> None:
    assert refused(RoundRobin, count=0) == "count must be 1 to 65536, not 0"

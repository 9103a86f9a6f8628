"""The interrupt fabric against its contract: one a cycle, in turn, to the hart that is named."""

import random
from typing import Any

import pytest
from hwbench import drive, refused, simulated

from uintr.intel.fabric import InterruptFabric
from uintr.intel.registers import BROADCAST


def present(ctx: Any, dut: InterruptFabric, hart: int, vector: int, destination: int) -> None:
    port = dut.ports[hart]
    ctx.set(port.valid, 1)
    drive(ctx, port.payload, vector=vector, destination=destination)


@pytest.mark.parametrize("harts", [1, 2, 5])
@simulated(InterruptFabric, "harts")
async def test_each_interrupt_arrives_once_and_who_was_served_goes_last(
    ctx: Any, dut: InterruptFabric, harts: int
) -> None:
    source = random.Random(harts)
    waiting: dict[int, tuple[int, int]] = {}
    first = 0
    for _ in range(1_000):
        for hart in range(harts):
            if hart not in waiting and source.random() < 0.4:
                # Some for harts that are not there, which differ in high bits alone, and some
                # for all.
                destination = source.randrange(harts) | source.choice(
                    [0, 0, 1 << 31, 1 << 8, BROADCAST]
                )
                waiting[hart] = source.randrange(256), destination
                present(ctx, dut, hart, *waiting[hart])
        chosen = next(
            (h for h in ((first + n) % harts for n in range(harts)) if h in waiting), None
        )
        assert ctx.get(dut.busy) == bool(waiting)
        assert [ctx.get(port.ready) for port in dut.ports] == [
            int(hart == chosen) for hart in range(harts)
        ]
        arrive = ctx.get(dut.arrive)
        if chosen is None:
            assert arrive == 0
        else:
            vector, destination = waiting.pop(chosen)
            every = (1 << harts) - 1
            one = 1 << destination if destination < harts else 0
            assert arrive == (every if destination == BROADCAST else one)
            assert ctx.get(dut.vector) == vector
            first = (chosen + 1) % harts
        await ctx.tick()
        if chosen is not None:
            ctx.set(dut.ports[chosen].valid, 0)


def test_parameters_are_checked() -> None:
    assert refused(InterruptFabric, harts=0) == "harts must be 1 to 64, not 0"
    assert refused(InterruptFabric, harts=65) == "harts must be 1 to 64, not 65"

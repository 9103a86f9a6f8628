"""The ring against a deque."""

import random
from collections import deque
from typing import Any

import pytest
from hwbench import drive, refused, simulated

from uintr.claim_queue import ClaimQueue


@pytest.mark.parametrize("receivers", [1, 2, 5, 8])
@pytest.mark.parametrize("rate", [0.3, 0.7, 1.0])
@simulated(ClaimQueue, "receivers")
async def test_first_in_first_out_and_never_full(
    ctx: Any, dut: ClaimQueue, receivers: int, rate: float
) -> None:
    draw = random.Random(receivers)
    ring: deque[int] = deque()
    for _ in range(500):
        assert ctx.get(dut.valid) == bool(ring)
        if ring:
            assert ctx.get(dut.head) == ring[0]
        absent = sorted(set(range(receivers)) - set(ring))
        push, pop = bool(absent) and draw.random() < rate, draw.random() < 0.5
        number = draw.choice(absent) if push else draw.randrange(receivers)
        drive(ctx, dut, push=push, number=number, pop=pop)
        await ctx.tick()
        if pop and ring:
            ring.popleft()
        if push:
            ring.append(number)


def test_parameters_are_checked() -> None:
    assert refused(ClaimQueue, receivers=0) == "receivers must be 1 to 65536, not 0"

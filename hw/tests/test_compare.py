"""Comparison with a constant, for every value."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from hwbench import simulate

from uintr.compare import below


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 8, 11, 15, 16, 17, 32])
def test_below_is_less_than(limit: int) -> None:
    value, answer = Signal(5), Signal()
    m = Module()
    m.d.comb += answer.eq(below(value, limit))

    async def testbench(ctx: Any) -> None:
        for number in range(32):
            ctx.set(value, number)
            assert ctx.get(answer) == (number < limit)

    simulate(m, testbench)

"""The fault register, and canonical addresses."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from hwbench import ONES, pulse, simulate, simulated

from uintr.intel.addresses import canonical
from uintr.intel.faults import FaultRegister
from uintr.intel.registers import FAULT, Fault

MOST = FAULT.field("count").mask >> FAULT.field("count").lsb


@simulated(FaultRegister, limit=MOST + 100)
async def test_it_counts_to_its_highest_value_and_keeps_the_last_reason(
    ctx: Any, dut: FaultRegister
) -> None:
    async def after(signal: Any) -> dict[str, int]:
        await pulse(ctx, signal)
        word = ctx.get(dut.word.as_value())
        return {name: FAULT.field(name).get(word) for name in ("count", "cause", "lost")}

    for number, fault in enumerate(Fault, start=1):
        ctx.set(dut.cause, fault)
        assert await after(dut.refused) == {"count": number, "cause": fault, "lost": 0}
    assert await after(dut.lost) == {"count": len(Fault), "cause": fault, "lost": 1}
    ctx.set(dut.refused, 1)
    for _ in range(MOST):
        await ctx.tick()
    ctx.set(dut.refused, 0)
    assert FAULT.field("count").get(ctx.get(dut.word.as_value())) == MOST
    assert await after(dut.clear) == {"count": 0, "cause": Fault.NONE, "lost": 0}


@pytest.mark.parametrize(
    ("address", "is_canonical"),
    [
        (0, True),
        ((1 << 47) - 1, True),
        (1 << 47, False),
        (ONES, True),
        (ONES ^ ((1 << 47) - 1), True),
        (ONES ^ ((1 << 48) - 1), False),
        (1 << 63, False),
    ],
)
def test_canonical_addresses_repeat_bit_47(address: int, is_canonical: bool) -> None:
    m, given, found = Module(), Signal(64), Signal()
    m.d.comb += found.eq(canonical(given))

    async def testbench(ctx: Any) -> None:
        ctx.set(given, address)
        assert ctx.get(found) == is_canonical

    simulate(m, testbench)

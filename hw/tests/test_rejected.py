"""The counter of refused posts."""

from typing import Any

from hwbench import drive, simulated

from uintr.registers import REJECTED, Status
from uintr.rejected import RejectedCounter


@simulated(RejectedCounter)
async def test_counting_clearing_and_both_at_once(ctx: Any, dut: RejectedCounter) -> None:
    async def step(cause: Status | None, clear: bool = False) -> tuple[int, int]:
        drive(ctx, dut, refused=cause is not None, cause=cause or Status.OK, clear=clear)
        await ctx.tick()
        word = ctx.get(dut.word.as_value())
        return REJECTED.field("count").get(word), REJECTED.field("cause").get(word)

    assert await step(None) == (0, Status.OK)
    assert await step(Status.INDEX) == (1, Status.INDEX)
    assert await step(Status.BUS) == (2, Status.BUS)
    assert await step(None) == (2, Status.BUS)
    assert await step(Status.VECTOR, clear=True) == (1, Status.VECTOR)
    assert await step(None, clear=True) == (0, Status.OK)

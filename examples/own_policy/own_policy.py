"""A policy of one's own: handlers run at the timer tick of every hart, idle ones too."""

from rel4.bench.policies import PolicyInfo
from rel4.kernel.async_runtime import AsyncRuntime, Policy

__all__ = ["TICK_ANY", "TickAny"]


class TickAny(Policy):
    """The more harts, the sooner one of them ticks."""

    name = "tick-any"

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        await runtime.run_ready(self)


TICK_ANY = PolicyInfo(kernel=TickAny, harts=2, summary="handler at the next tick of any hart")

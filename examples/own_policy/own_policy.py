"""A policy of one's own: handlers run at the timer tick of every hart, idle ones too."""

from rel4.bench.policies import PolicyInfo
from rel4.kernel.kernel import Kernel
from rel4.kernel.policies import Policy
from rel4.machine.hart import Hart

__all__ = ["TICK_ANY", "TickAny"]


class TickAny(Policy):
    """The more harts, the sooner one of them ticks."""

    name = "tick-any"

    async def on_tick(self, kernel: Kernel, hart: Hart) -> None:
        await kernel.runtime.run_ready(self, hart)


TICK_ANY = PolicyInfo(kernel=TickAny, harts=2, summary="handler at the next tick of any hart")

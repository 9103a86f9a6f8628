"""Policies by name. `sync` makes no asynchronous calls; the others say where handlers run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .async_runtime import HandlerTask
from .objects import ThreadState

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .kernel import Kernel

__all__ = ["POLICIES", "PolicyInfo", "Sync", "Tick", "TickSmp", "find_policy"]


class Sync:
    """Every call traps; handlers never run."""

    name = "sync"

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: HandlerTask) -> None:
        """Nothing: there is no handler to wake."""

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """Nothing."""


class Tick:
    """Handlers run at the timer tick of hart 0 (published: one designated core)."""

    name = "tick"

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: HandlerTask) -> None:
        """Nothing: the task waits for the tick."""

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """Run ready handlers on hart 0."""
        if hart.index == 0:
            await kernel.runtime.run_ready(hart)


class TickSmp(Tick):
    """Handlers run at the timer tick of any hart that is not idle (published, several cores)."""

    name = "tick-smp"

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """Run ready handlers unless this hart's current thread is the idle thread."""
        if kernel.schedulers[hart.index].current.state is not ThreadState.IDLE:
            await kernel.runtime.run_ready(hart)


@dataclass(frozen=True)
class PolicyInfo:
    """A policy with the number of harts that it was published with."""

    make: type[Sync] | type[Tick] | type[TickSmp]
    harts: int
    asynchronous: bool


POLICIES: dict[str, PolicyInfo] = {
    "sync": PolicyInfo(Sync, 1, False),
    "tick": PolicyInfo(Tick, 1, True),
    "tick-smp": PolicyInfo(TickSmp, 2, True),
}


def find_policy(name: str) -> PolicyInfo:
    """The policy called ``name``. Raises ValueError listing the names there are."""
    try:
        return POLICIES[name]
    except KeyError:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {name!r}") from None

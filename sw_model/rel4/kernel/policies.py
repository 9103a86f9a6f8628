"""Where and when the kernel's handler coroutines run.

A policy is chosen for each syscall buffer when it is registered. It owns the queue of its ready
handlers and says on which occasions, and on which hart, they run.
"""

from collections import deque
from typing import TYPE_CHECKING

from rel4.machine.ops import SendIpi

from .objects import ThreadState

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .async_runtime import HandlerTask
    from .kernel import Kernel

__all__ = ["Inline", "Ipi", "Never", "Policy", "Tick", "TickSmp"]


class Policy:
    """Base of all policies: handlers that are woken wait for an occasion, and none comes.

    Members
    -------
    name : as on the command line
    budget : requests that a handler serves at a time before it lets go of the hart; None: all
    ready : handlers that were woken, first come first served
    """

    name = "never"
    budget: int | None = None

    def __init__(self) -> None:
        self.ready: deque[HandlerTask] = deque()

    async def register(self, kernel: "Kernel", task: "HandlerTask") -> int | None:
        """A buffer chose this policy. Answers the operand of the UIPI SEND that wakes the handler,
        or None: it is woken by the WakeSyscallHandler trap."""
        return None

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: "HandlerTask") -> None:
        """WakeSyscallHandler made ``task`` ready, by a trap on ``hart``."""

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """A timer tick of ``hart``, before the scheduler's own."""

    async def on_ipi(self, kernel: "Kernel", hart: "Hart") -> None:
        """``hart`` was interrupted by another."""


class Never(Policy):
    """No handler ever runs: for programs that make synchronous calls only."""


class Tick(Policy):
    """Handlers run at the timer tick of hart 0 (published: one designated core)."""

    name = "tick"

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        if hart.index == 0:
            await kernel.runtime.run_ready(self, hart)


class TickSmp(Policy):
    """Handlers run at the timer tick of any hart that is not idle (published, several cores)."""

    name = "tick-smp"

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        if kernel.schedulers[hart.index].current.state is not ThreadState.IDLE:
            await kernel.runtime.run_ready(self, hart)


class Ipi(TickSmp):
    """A wake-up interrupts the least busy other hart, if it is less busy than this one; else the
    handler waits for a tick (published, the version with interrupts between cores)."""

    name = "ipi"

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: "HandlerTask") -> None:
        def busy(index: int) -> int:
            current = kernel.schedulers[index].current
            return -1 if current.state is ThreadState.IDLE else current.priority

        others = [index for index in range(len(kernel.schedulers)) if index != hart.index]
        target = min(others, key=busy, default=None)
        if target is not None and busy(target) < busy(hart.index):
            await SendIpi(target)

    async def on_ipi(self, kernel: "Kernel", hart: "Hart") -> None:
        await kernel.runtime.run_ready(self, hart)


class Inline(Policy):
    """The trap that wakes the handler runs it, on the caller's hart."""

    name = "inline"
    budget = 16
    """Bounds the time in the kernel: 16 calls are less than one timer period."""

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: "HandlerTask") -> None:
        await kernel.runtime.run_ready(self, hart)

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """What a budget left over."""
        await kernel.runtime.run_ready(self, hart)

"""Where and when the kernel's handler coroutines run.

A policy is chosen for each syscall buffer when it is registered. It owns the queue of its ready
handlers and says on which occasions, and on which hart, they run.
"""

from collections import deque
from typing import TYPE_CHECKING

from rel4.machine.ops import ReadTime, SendIpi, SpinWhile, Store

from .objects import ThreadState

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .async_runtime import HandlerTask
    from .kernel import Kernel

__all__ = [
    "Adaptive",
    "Inline",
    "Ipi",
    "Never",
    "Policy",
    "Poll",
    "Spread",
    "Tick",
    "TickSmp",
    "Uipi",
]


class Policy:
    """Base of all policies: handlers that are woken wait for an occasion, and none comes.

    Members
    -------
    name : as on the command line
    preemptible : between two requests, harts that wait for the kernel go first
    ready : handlers that were woken, first come first served
    """

    name = "never"
    preemptible = False

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

    async def on_signal(self, kernel: "Kernel", hart: "Hart", vectors: int) -> None:
        """User interrupts were posted to the kernel on ``hart``: one bit a vector."""

    def budget(self, task: "HandlerTask") -> int | None:
        """Requests that the handler serves at a time before it lets go of its hart; None: all."""
        return None

    async def on_idle(self, hart: "Hart", idle: bool) -> None:
        """``hart`` begins (or ends) to have no thread to run."""

    async def on_backlog(self, kernel: "Kernel", task: "HandlerTask", waiting: int) -> None:
        """``task`` is about to serve one of ``waiting`` requests."""

    async def linger(self, kernel: "Kernel", task: "HandlerTask") -> bool:
        """The handler found no request and is about to sleep. True: it looks again instead."""
        return False


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
    BUDGET = 16
    """Bounds the time in the kernel: 16 calls are less than one timer period."""

    def budget(self, task: "HandlerTask") -> int | None:
        return self.BUDGET

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: "HandlerTask") -> None:
        await run_own(self, kernel, hart)

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """What a budget left over."""
        await run_own(self, kernel, hart)


async def run_own(policy: Policy, kernel: "Kernel", hart: "Hart") -> None:
    """Run the ready handlers of this hart's threads: nobody's calls cost another's time."""
    await kernel.runtime.run_ready(policy, hart, lambda task: task.tcb.affinity == hart.index)


class Uipi(Policy):
    """Handlers run on harts of the kernel's own; a user wakes one by a user interrupt of supervisor
    kind, without a trap.

    A buffer is given to the hart without threads that serves the fewest buffers, or, if every hart
    has threads, to the next one. With one hart the interrupt comes to the caller's own.
    """

    name = "uipi"
    preemptible = True

    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[int, list[HandlerTask]] = {}

    async def register(self, kernel: "Kernel", task: "HandlerTask") -> int | None:
        spare = [h for h, scheduler in enumerate(kernel.schedulers) if scheduler.spare]
        # Without a spare hart each serves its neighbour: all the same load.
        next_hart = (task.tcb.affinity + 1) % len(kernel.schedulers)
        hart = min(spare, key=lambda h: len(self._tasks.get(h, ())), default=next_hart)
        tasks = self._tasks.setdefault(hart, [])
        tasks.append(task)
        task.sender = await kernel.uintr.register_sender_to_kernel(task.tcb, hart, len(tasks) - 1)
        return task.sender.index

    async def on_signal(self, kernel: "Kernel", hart: "Hart", vectors: int) -> None:
        tasks = self._tasks.get(hart.index, [])
        while True:
            for vector, task in enumerate(tasks):
                if vectors >> vector & 1:
                    kernel.runtime.wake(task)
            await kernel.runtime.run_ready(self, hart, lambda task: task in tasks)
            if not any(task.ready for task in tasks):
                return
            # A handler stopped with work left. First whoever waits for the kernel, and the buffers
            # that were signalled meanwhile: each has its turn.
            await kernel.lock.pass_on()
            kernel.here = hart.index
            vectors = await kernel.uintr.take_interrupts(hart.index)


class Poll(Uipi):
    """As `Uipi`, and a handler looks for the next request for a while before it sleeps.

    The bound follows the arrivals: twice the average time that requests let it wait, within `LEAST`
    and `MOST` cycles; it halves each time nothing came.
    """

    name = "poll"
    LEAST, MOST = 64, 8_192

    def __init__(self) -> None:
        super().__init__()
        self.bound = self.MOST
        self._average = 0

    def budget(self, task: "HandlerTask") -> int | None:
        """Requests that the handler serves at a time before it lets go of its hart; None: all."""
        return None

    async def on_idle(self, hart: "Hart", idle: bool) -> None:
        """``hart`` begins (or ends) to have no thread to run."""

    async def linger(self, kernel: "Kernel", task: "HandlerTask") -> bool:
        requests = task.buffer.requests
        begin = await ReadTime()
        # Others may use the kernel meanwhile.
        await kernel.lock.release()
        await SpinWhile(requests.tail, await requests.last_taken(), begin + self.bound)
        waited = await ReadTime() - begin
        await kernel.lock.acquire()
        assert task.hart is not None  # it runs
        kernel.here = task.hart.index
        if task.closed:
            return False
        if await requests.count() == 0:
            self.bound = max(self.LEAST, self.bound // 2)
            return False
        self._average = (7 * self._average + waited) // 8
        self.bound = min(self.MOST, max(self.LEAST, 2 * self._average))
        return True


class Adaptive(Poll):
    """The kernel's side of the adaptive policy: as `Poll` while another hart is idle, else inline.

    A word of each buffer tells its user whether the helping hart is idle, so that a wake-up takes
    the cheaper way without asking the kernel.
    """

    name = "adaptive"

    def budget(self, task: "HandlerTask") -> int | None:
        return Inline.BUDGET if self._inline(task) else None

    @staticmethod
    def _inline(task: "HandlerTask") -> bool:
        """True while the handler runs in a trap of its own user."""
        return task.hart is not None and task.hart.index == task.tcb.affinity

    async def linger(self, kernel: "Kernel", task: "HandlerTask") -> bool:
        return not self._inline(task) and await super().linger(kernel, task)

    async def register(self, kernel: "Kernel", task: "HandlerTask") -> int | None:
        if len(kernel.schedulers) == 1:
            return None
        sender = await super().register(kernel, task)
        helper = next(h for h, tasks in self._tasks.items() if task in tasks)
        idle = kernel.schedulers[helper].current.state is ThreadState.IDLE
        await Store(task.buffer.helper_idle, int(idle))
        return sender

    async def on_idle(self, hart: "Hart", idle: bool) -> None:
        for task in self._tasks.get(hart.index, ()):
            await Store(task.buffer.helper_idle, int(idle))

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: "HandlerTask") -> None:
        await run_own(self, kernel, hart)

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """What a budget left over."""
        await run_own(self, kernel, hart)


class Spread(Uipi):
    """Two handlers for one buffer, on two harts.

    The user wakes the first; where more than one request waits, the first wakes the second. They
    take requests in turn, since the kernel's lock is given in order of arrival: neither gets two
    while the other waits for one.
    """

    name = "spread"

    async def register(self, kernel: "Kernel", task: "HandlerTask") -> int | None:
        sender = await super().register(kernel, task)
        first = next(hart for hart, tasks in self._tasks.items() if task in tasks)
        spare = [h for h, scheduler in enumerate(kernel.schedulers) if scheduler.spare]
        others = [hart for hart in spare if hart != first]
        if others:
            second = kernel.runtime.spawn(task.tcb, task.buffer, task.entry, self, ready=False)
            task.siblings.append(second)
            hart = min(others, key=lambda h: len(self._tasks.get(h, ())))
            self._tasks.setdefault(hart, []).append(second)
        return sender

    async def on_backlog(self, kernel: "Kernel", task: "HandlerTask", waiting: int) -> None:
        for sibling in task.siblings:
            if waiting > 1 and not (sibling.ready or sibling.running):
                kernel.runtime.wake(sibling)
                await SendIpi(self._hart_of(sibling))

    async def on_ipi(self, kernel: "Kernel", hart: "Hart") -> None:
        await self.on_signal(kernel, hart, 0)

    def _hart_of(self, task: "HandlerTask") -> int:
        return next(hart for hart, tasks in self._tasks.items() if task in tasks)

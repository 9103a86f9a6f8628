"""Where and when the kernel's handler coroutines run.

A policy is chosen for each syscall buffer when it is registered. It owns the queue of its ready
handlers and says on which occasions, and on which hart, they run.
"""

from rel4.abi.numbers import SeL4Error
from rel4.machine.ops import ReadTime, SendIpi, SpinWhile, Store
from uintr.registers import VECTORS

from .async_runtime import AsyncRuntime, HandlerTask, Policy
from .errors import InvocationError
from .objects import ThreadState

__all__ = [
    "Adaptive",
    "Inline",
    "Ipi",
    "Never",
    "Poll",
    "Spread",
    "Tick",
    "TickSmp",
    "Uipi",
]


class Never(Policy):
    """No handler ever runs: for programs that make synchronous calls only."""


class Tick(Policy):
    """Handlers run at the timer tick of hart 0 (published: one designated core)."""

    name = "tick"

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        if runtime.harts.here == 0:
            await runtime.run_ready(self)


class TickSmp(Policy):
    """Handlers run at the timer tick of any hart that is not idle (published, several cores)."""

    name = "tick-smp"

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        if runtime.harts.current.state is not ThreadState.IDLE:
            await runtime.run_ready(self)


class Ipi(TickSmp):
    """A wake-up interrupts the least busy other hart, if it is less busy than this one; else the
    handler waits for a tick (published, the version with interrupts between cores)."""

    name = "ipi"

    async def on_wake(self, runtime: AsyncRuntime, task: HandlerTask) -> None:
        def busy(index: int) -> int:
            current = runtime.harts.schedulers[index].current
            return -1 if current.state is ThreadState.IDLE else current.priority

        others = [
            index for index in range(len(runtime.harts.schedulers)) if index != runtime.harts.here
        ]
        target = min(others, key=busy, default=None)
        if target is not None and busy(target) < busy(runtime.harts.here):
            await SendIpi(target)

    async def on_ipi(self, runtime: AsyncRuntime) -> None:
        await runtime.run_ready(self)


class Inline(Policy):
    """The trap that wakes the handler runs it, on the caller's hart."""

    name = "inline"
    BUDGET = 16
    """Bounds the time in the kernel: 16 calls are less than one timer period."""

    def budget(self, task: HandlerTask) -> int | None:
        return self.BUDGET

    async def on_wake(self, runtime: AsyncRuntime, task: HandlerTask) -> None:
        await run_own(self, runtime)

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        """What a budget left over."""
        await run_own(self, runtime)


async def run_own(policy: Policy, runtime: AsyncRuntime) -> None:
    """Run the ready handlers of this hart's threads: nobody's calls cost another's time."""
    here = runtime.harts.here
    await runtime.run_ready(policy, lambda task: task.tcb.affinity == here)


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
        self._tasks: dict[int, dict[int, HandlerTask]] = {}  # by hart and vector

    async def register(self, runtime: AsyncRuntime, task: HandlerTask) -> int | None:
        spare = [h for h, scheduler in enumerate(runtime.harts.schedulers) if scheduler.spare]
        # Without a spare hart each serves its neighbour: all the same load.
        next_hart = (task.tcb.affinity + 1) % len(runtime.harts.schedulers)
        hart = min(spare, key=lambda h: len(self._tasks.get(h, ())), default=next_hart)
        vector = self._give(hart, task)
        task.sender = await runtime.uintr.register_sender_to_kernel(task.tcb, hart, vector)
        return task.sender.index

    def _give(self, hart: int, task: HandlerTask) -> int:
        """Let ``hart`` run the handler; answers the vector that wakes it there."""
        tasks = self._tasks.setdefault(hart, {})
        vector = next((number for number in range(VECTORS) if number not in tasks), None)
        if vector is None:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY, f"hart {hart} serves {VECTORS} buffers already", (0,)
            )
        tasks[vector] = task
        return vector

    def forget(self, task: HandlerTask) -> None:
        for tasks in self._tasks.values():
            for vector in [number for number, one in tasks.items() if one is task]:
                del tasks[vector]

    def kept(self) -> list[HandlerTask]:
        return [task for tasks in self._tasks.values() for task in tasks.values()]

    def _hart_of(self, task: HandlerTask) -> int:
        return next(hart for hart, tasks in self._tasks.items() if task in tasks.values())

    async def on_signal(self, runtime: AsyncRuntime, vectors: int) -> None:
        tasks = self._tasks.get(runtime.harts.here, {})
        while True:
            for vector, task in sorted(tasks.items()):
                if vectors >> vector & 1:
                    runtime.wake(task)
            await runtime.run_ready(self, lambda task: task in tasks.values())
            if not any(task.ready for task in tasks.values()):
                return
            # A handler stopped with work left. First whoever waits for the kernel, and the buffers
            # that were signalled meanwhile: each has its turn.
            await runtime.harts.pass_on()
            vectors = await runtime.uintr.take_interrupts()


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

    def budget(self, task: HandlerTask) -> int | None:
        """Requests that the handler serves at a time before it lets go of its hart; None: all."""
        return None

    async def on_idle(self, hart: int, idle: bool) -> None:
        """``hart`` begins (or ends) to have no thread to run."""

    async def linger(self, runtime: AsyncRuntime, task: HandlerTask) -> bool:
        requests = task.buffer.requests
        begin = await ReadTime()
        async with runtime.harts.outside():
            await SpinWhile(requests.tail, await requests.last_taken(), begin + self.bound)
            waited = await ReadTime() - begin
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

    def budget(self, task: HandlerTask) -> int | None:
        return Inline.BUDGET if self._inline(task) else None

    @staticmethod
    def _inline(task: HandlerTask) -> bool:
        """True while the handler runs in a trap of its own user."""
        return task.hart == task.tcb.affinity

    async def linger(self, runtime: AsyncRuntime, task: HandlerTask) -> bool:
        return not self._inline(task) and await super().linger(runtime, task)

    async def register(self, runtime: AsyncRuntime, task: HandlerTask) -> int | None:
        if len(runtime.harts.schedulers) == 1 or not runtime.uintr.reaches_kernel:
            return None  # every wake-up is a trap
        sender = await super().register(runtime, task)
        idle = runtime.harts.schedulers[self._hart_of(task)].current.state is ThreadState.IDLE
        await Store(task.buffer.helper_idle, int(idle))
        return sender

    async def on_idle(self, hart: int, idle: bool) -> None:
        for task in self._tasks.get(hart, {}).values():
            await Store(task.buffer.helper_idle, int(idle))

    async def on_wake(self, runtime: AsyncRuntime, task: HandlerTask) -> None:
        await run_own(self, runtime)

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        """What a budget left over."""
        await run_own(self, runtime)


class Spread(Uipi):
    """Two handlers for one buffer, on two harts.

    The user wakes the first; where more than one request waits, the first wakes the second. They
    take requests in turn, since the kernel's lock is given in order of arrival: neither gets two
    while the other waits for one.
    """

    name = "spread"

    async def register(self, runtime: AsyncRuntime, task: HandlerTask) -> int | None:
        sender = await super().register(runtime, task)
        first = self._hart_of(task)
        spare = [h for h, scheduler in enumerate(runtime.harts.schedulers) if scheduler.spare]
        others = [hart for hart in spare if hart != first]
        if others:
            second = runtime.spawn(task.tcb, task.buffer, task.entry, self, ready=False)
            task.siblings.append(second)
            self._give(min(others, key=lambda h: len(self._tasks.get(h, ()))), second)
        return sender

    async def on_backlog(self, runtime: AsyncRuntime, task: HandlerTask, waiting: int) -> None:
        for sibling in task.siblings:
            if waiting > 1 and not (sibling.ready or sibling.running):
                runtime.wake(sibling)
                await SendIpi(self._hart_of(sibling))

    async def on_ipi(self, runtime: AsyncRuntime) -> None:
        await self.on_signal(runtime, 0)

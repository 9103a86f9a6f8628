"""Where and when the kernel's handler coroutines run.

A policy is chosen for each syscall buffer when it is registered. It owns the queue of its ready
handlers and says on which occasions, and on which hart, they run.
"""

from collections.abc import Callable

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
    """The trap that wakes the handler runs it, on the caller's hart and in the caller's time: its
    time slice ends between two requests where another thread waits for it.

    What a budget leaves over is served at ticks: while other threads of the same priority are
    ready, one request a tick and for a thread that is blocked; while more urgent ones are, none.
    """

    name = "inline"
    preemptible = True
    keeps_time = True
    BUDGET = 16
    """Bounds the time in the kernel: 16 calls are less than one timer period."""

    def budget(self, task: HandlerTask) -> int | None:
        return self.BUDGET

    def gives_way(self, runtime: AsyncRuntime, task: HandlerTask, served: int) -> bool:
        return own_time_is_over(runtime, task)

    async def on_wake(self, runtime: AsyncRuntime, task: HandlerTask) -> None:
        await runtime.run_ready(self, lambda ready: ready is task)

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        """What a budget left over."""
        await run_own(self, runtime)


def own_time_is_over(runtime: AsyncRuntime, task: HandlerTask) -> bool:
    """A tick is due, and there is a thread that it may be for."""
    return runtime.harts.interrupted and runtime.harts.scheduler.best() >= task.tcb.priority


async def run_own(
    policy: Policy,
    runtime: AsyncRuntime,
    mine: Callable[[HandlerTask], bool] = lambda task: True,
) -> None:
    """A tick: run the ready handlers of this hart's threads, unless more urgent ones are ready. A
    thread that has to share the hart with others of its priority, and could wake its handler in
    its own time slice, is left to do that."""
    harts = runtime.harts
    here, urgency, best = harts.here, harts.urgency, harts.scheduler.best()

    def due(task: HandlerTask) -> bool:
        tcb = task.tcb
        alone = best < tcb.priority or not tcb.runnable
        return tcb.affinity == here and tcb.priority >= urgency and alone and mine(task)

    await runtime.run_ready(policy, due)


class Uipi(Policy):
    """Handlers run on harts of the kernel's own; a user wakes one by a user interrupt of supervisor
    kind, without a trap.

    A buffer is given to the hart without threads that serves the fewest buffers, or, if every hart
    has threads, to the next one. With one hart the interrupt comes to the caller's own.

    Handlers of one hart have their turns by the priority of their threads: where others of the same
    priority are ready, one request a turn. A hart that has threads serves only clients that are at
    least as urgent, and spends at most `ALLOWANCE` cycles between two ticks on that; then, or if
    whoever signals is less urgent, it is not interrupted again before the next tick.
    """

    name = "uipi"
    preemptible = True
    keeps_time = True
    BUDGET = 4
    """Requests at a time on a hart that has threads."""
    ALLOWANCE = 5_000
    """Cycles of a hart that has threads, between two ticks: a quarter of the default period."""
    TRAP = 500
    """What an interrupt costs beside the handler's work, about: entry, exit, looking what it is."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[int, dict[int, HandlerTask]] = {}  # by hart and vector
        self._spent: dict[int, int] = {}  # since the last tick, by hart

    async def register(self, runtime: AsyncRuntime, task: HandlerTask) -> int | None:
        spare = [h for h, scheduler in enumerate(runtime.harts.schedulers) if scheduler.spare]
        # Without a spare hart each serves its neighbour: all the same load.
        next_hart = (task.tcb.affinity + 1) % len(runtime.harts.schedulers)
        hart = min(spare, key=lambda h: len(self._tasks.get(h, ())), default=next_hart)
        vector = self._give(hart, task)
        task.sender = await runtime.uintr.register_sender_to_kernel(task.tcb, hart, vector)
        return task.sender.index

    def _give(self, hart: int, task: HandlerTask) -> int:
        """Let ``hart`` run the handler; returns the vector that wakes it there."""
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

    def _mine(self, runtime: AsyncRuntime) -> dict[int, HandlerTask]:
        return self._tasks.get(runtime.harts.here, {})

    def budget(self, task: HandlerTask) -> int | None:
        return self.BUDGET if task.runtime.harts.urgency >= 0 else None

    def gives_way(self, runtime: AsyncRuntime, task: HandlerTask, served: int) -> bool:
        harts, priority = runtime.harts, task.tcb.priority
        if harts.urgency > priority or harts.signalled:
            return True
        if task.tcb.affinity == harts.here and own_time_is_over(runtime, task):
            return True
        others = (other for other in self._mine(runtime).values() if other is not task)
        return any(other.ready and other.tcb.priority >= priority for other in others)

    async def on_signal(self, runtime: AsyncRuntime, vectors: int) -> None:
        busy = runtime.harts.urgency >= 0
        begin = await ReadTime() if busy else 0
        while True:
            for vector, task in sorted(self._mine(runtime).items()):
                if vectors >> vector & 1:
                    runtime.wake(task)
            ready = [t for t in self._mine(runtime).values() if t.ready and self._due(runtime, t)]
            if not ready:
                break
            await runtime.run_ready(self, lambda task: task in ready)  # noqa: B023  # at once
            if runtime.harts.urgency >= 0 or not any(t.ready for t in self._mine(runtime).values()):
                break
            # A handler stopped with work left. First whoever waits for the kernel, and the buffers
            # that were signalled meanwhile: each has its turn.
            await runtime.harts.pass_on()
            vectors = await runtime.uintr.take_interrupts()
        if busy:
            await self._account(runtime, self.TRAP + await ReadTime() - begin)

    @staticmethod
    def _due(runtime: AsyncRuntime, task: HandlerTask) -> bool:
        """Nobody here is more urgent than its client, which does not wait for a time slice of this
        hart itself: then it is served in that."""
        harts, tcb = runtime.harts, task.tcb
        waits = tcb.affinity == harts.here and tcb.runnable and tcb is not harts.current
        return tcb.priority >= harts.urgency and not waits

    async def _account(self, runtime: AsyncRuntime, cycles: int) -> None:
        """The hart, which has threads, spent ``cycles`` on others' calls."""
        here = runtime.harts.here
        self._spent[here] = self._spent.get(here, 0) + cycles
        less_urgent = any(
            task.ready and task.tcb.priority < runtime.harts.urgency
            for task in self._mine(runtime).values()
        )
        if less_urgent or self._spent[here] > self.ALLOWANCE:
            await runtime.uintr.listen(False)

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        """What was left over, and who signalled meanwhile."""
        if self._spent.pop(runtime.harts.here, 0):
            await runtime.uintr.listen(True)
        if any(task.ready for task in self._mine(runtime).values()):
            await self.on_signal(runtime, 0)


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

    async def linger(self, runtime: AsyncRuntime, task: HandlerTask) -> bool:
        if runtime.harts.urgency >= 0 or len(self._mine(runtime)) > 1:
            return False  # the time that it would wait is somebody's
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
        return Inline.BUDGET if self._inline(task) else super().budget(task)

    def gives_way(self, runtime: AsyncRuntime, task: HandlerTask, served: int) -> bool:
        if self._inline(task):
            return own_time_is_over(runtime, task)
        return super().gives_way(runtime, task, served)

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
        await runtime.run_ready(self, lambda ready: ready is task)

    async def on_tick(self, runtime: AsyncRuntime) -> None:
        """What a budget left over, here or on the helping hart, each where it ran."""
        await run_own(self, runtime, self._inline)
        await super().on_tick(runtime)


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

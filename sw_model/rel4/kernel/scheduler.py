"""The scheduler of one hart: 256 priorities, round robin with time slices within one."""

from collections import deque

from .objects import TCB, ThreadState

__all__ = ["PRIORITIES", "TIME_SLICE", "Scheduler"]

PRIORITIES = 256
TIME_SLICE = 5
"""Timer ticks that a thread may run before others of its priority (CONFIG_TIME_SLICE)."""


class Scheduler:
    """Ready threads of one hart. The current thread is not in a queue.

    Parameters
    ----------
    idle : thread that runs when no other is ready
    """

    def __init__(self, idle: TCB) -> None:
        self.idle = idle
        self.current = idle
        self._queues: dict[int, deque[TCB]] = {}

    @property
    def spare(self) -> bool:
        """True if the hart has nothing to run, now or next."""
        return self.current is self.idle and not any(self._queues.values())

    def enqueue(self, tcb: TCB) -> None:
        """Append a runnable thread to the queue of its priority."""
        if not tcb.queued:
            tcb.queued = True
            self._queues.setdefault(tcb.priority, deque()).append(tcb)

    def dequeue(self, tcb: TCB) -> None:
        """Take a thread out of its queue, if it is in one."""
        if tcb.queued:
            tcb.queued = False
            self._queues[tcb.priority].remove(tcb)

    def tick(self) -> None:
        """A timer tick: the current thread used one more tick of its slice."""
        tcb = self.current
        if tcb.state is ThreadState.IDLE:
            return
        tcb.time_slice -= 1
        if tcb.time_slice <= 0:
            tcb.time_slice = TIME_SLICE
            if tcb.runnable:
                self.enqueue(tcb)

    def choose(self) -> TCB:
        """The thread to run now: the current one, unless it gave up the hart, its slice is over, or
        a higher priority is ready. It becomes the current one."""
        best = max((p for p, queue in self._queues.items() if queue), default=-1)
        current = self.current
        keeps = current.runnable and not current.queued
        if keeps and current.priority >= best:
            return current
        if keeps:
            self.enqueue(current)
            best = max(best, current.priority)
        if best < 0:
            self.current = self.idle
        else:
            self.current = self._queues[best].popleft()
            self.current.queued = False
        return self.current

"""The scheduler of one hart: 256 priorities, round robin with time slices within one."""

from collections import deque

from .objects import TCB, ThreadState

__all__ = ["MAX_PRIORITY", "PRIORITIES", "TIME_SLICE", "Scheduler"]

PRIORITIES = 256
MAX_PRIORITY = PRIORITIES - 1
TIME_SLICE = 5
"""Timer ticks that a thread may run before others of its priority (CONFIG_TIME_SLICE)."""


class Scheduler:
    """Ready threads of one hart. The current thread is not in a queue.

    Parameters
    ----------
    idle : thread that runs when no other is ready
    hart : its index; a current thread of another affinity is on its way there and not chosen
    """

    def __init__(self, idle: TCB, hart: int = 0) -> None:
        self.idle = idle
        self.current = idle
        self.hart = hart
        self._queues: dict[int, deque[TCB]] = {}
        self._candidate: TCB | None = None

    @property
    def spare(self) -> bool:
        """True if the hart has nothing to run, now or next."""
        return self.current is self.idle and not any(self._queues.values())

    @property
    def urgency(self) -> int:
        """Highest priority of a thread that runs here or is ready to; -1 if there is none."""
        current = self.current
        runs = current.priority if current is not self.idle and current.runnable else -1
        candidate = -1 if self._candidate is None else self._candidate.priority
        return max(runs, candidate, self.best())

    def queues(self) -> dict[int, deque[TCB]]:
        """Waiting threads by priority, for inspection."""
        return self._queues

    def enqueue(self, tcb: TCB, *, first: bool = False) -> None:
        """Append a runnable thread to the queue of its priority, or put it ``first``."""
        if tcb is self._candidate:
            self._candidate = None
        if not tcb.queued:
            tcb.queued = True
            queue = self._queues.setdefault(tcb.priority, deque())
            if first:
                queue.appendleft(tcb)
            else:
                queue.append(tcb)

    def dequeue(self, tcb: TCB) -> None:
        """Take a thread out of its queue, if it is in one."""
        if tcb is self._candidate:
            self._candidate = None
        if tcb.queued:
            tcb.queued = False
            self._queues[tcb.priority].remove(tcb)

    def prefer(self, tcb: TCB) -> None:
        """A message or signal made ``tcb`` runnable: run it at once if its priority allows that,
        without a look at the queues (seL4's possibleSwitchTo)."""
        if tcb.queued or tcb is self.current:
            return
        if self._candidate is None:
            self._candidate = tcb
        elif tcb is not self._candidate:
            candidate, self._candidate = self._candidate, None
            self.enqueue(candidate, first=True)
            self.enqueue(tcb, first=True)

    def tick(self) -> None:
        """A timer tick: the current thread used one more tick of its slice."""
        tcb = self.current
        if tcb.state is ThreadState.IDLE:
            return
        tcb.time_slice -= 1
        if tcb.time_slice <= 0:
            tcb.time_slice = TIME_SLICE
            if tcb.runnable and tcb.affinity == self.hart:
                self.enqueue(tcb)

    def best(self) -> int:
        """Highest priority that waits; -1 if none does."""
        return max((p for p, queue in self._queues.items() if queue), default=-1)

    def choose(self) -> TCB:
        """The thread to run now: the current one, unless it gave up the hart, its slice is over, or
        a higher priority is ready. It becomes the current one."""
        current = self.current
        keeps = current.runnable and not current.queued and current.affinity == self.hart
        candidate, self._candidate = self._candidate, None
        if candidate is not None and not candidate.runnable:
            candidate = None
        if candidate is not None and self._goes_first(candidate, current, keeps):
            if keeps:
                self.enqueue(current, first=True)
            self.current = candidate
            return candidate
        best = self.best()
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

    def _goes_first(self, candidate: TCB, current: TCB, keeps: bool) -> bool:
        """Whether the candidate runs next; if not, it is queued."""
        if keeps and candidate.priority <= current.priority:
            self.enqueue(candidate, first=candidate.priority < current.priority)
            return False
        # A current thread that blocked had the highest priority, so nothing above it waits.
        lower = current.state is ThreadState.IDLE or candidate.priority < current.priority
        if (lower or current.queued) and self.best() > candidate.priority:
            self.enqueue(candidate, first=True)
            return False
        return True

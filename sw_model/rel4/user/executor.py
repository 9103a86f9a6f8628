"""The coroutine executor of a user thread: priorities, FIFO in one, woken by user interrupts."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from rel4.abi.coroutine import Poll, Task
from rel4.machine.events import TaskRun
from rel4.machine.ops import Load, Log, Path, SpinWhile, Swap
from uintr.registers import VECTORS

from .interrupts import RISCV, UserInterrupts

__all__ = ["MAX_TASKS", "PRIORITIES", "Executor", "Handed"]

PRIORITIES = 8
"""0 is the highest."""
MAX_TASKS = 4096
"""As many coroutines at a time as the syscall buffer has items. Those in the background come on
top, as many as there are vectors."""

Handed = tuple[int, Any]
"""A coroutine and the value to resume it with at once."""


class _Coroutine:
    __slots__ = ("background", "priority", "program", "ready", "task", "value")

    def __init__(self, program: Callable[[], Task], priority: int, background: bool) -> None:
        self.program = program
        self.task: Task | None = None
        self.priority = priority
        self.background = background
        self.ready = False
        self.value: Any = None


async def _nothing() -> None:
    return None


class Executor:
    """Runs the coroutines of one thread, until all but those in the background have ended.

    A user interrupt does not run a coroutine: its handler notes the vectors in a word of memory
    that the executor looks at whenever it takes the next coroutine.

    Parameters
    ----------
    wake_word : virtual address of that word
    interrupts : user interrupts of the machine's flavour

    Members
    -------
    current : cid of the running coroutine
    on_idle : awaited when no coroutine is ready, before the executor spins on the wake word. What
        it answers is resumed at once, without going through a queue; None lets the executor spin
    """

    def __init__(self, wake_word: int, interrupts: UserInterrupts = RISCV) -> None:
        self._wake_word = wake_word
        self.interrupts = interrupts
        self._queues: list[deque[int]] = [deque() for _ in range(PRIORITIES)]
        self._coroutines: dict[int, _Coroutine] = {}
        self._free = deque(range(MAX_TASKS + VECTORS))  # the longest unused first
        self._foreground = 0
        self._by_vector: dict[int, int | None] = {}
        self.current = -1
        self.on_idle: Callable[[], Awaitable[Handed | None]] = _nothing

    def spawn(
        self, program: Callable[[], Task], *, priority: int = 1, background: bool = False
    ) -> int:
        """A new coroutine, ready to run and made by ``program`` when it first does; returns its
        cid.

        Raises
        ------
        ValueError : priority out of range, or `MAX_TASKS` coroutines have not ended.
        """
        if not 0 <= priority < PRIORITIES:
            raise ValueError(f"priority must be 0 to {PRIORITIES - 1}, not {priority!r}")
        if not self._free or (self._foreground >= MAX_TASKS and not background):
            raise ValueError(f"coroutines must be at most {MAX_TASKS}")
        cid = self._free.popleft()
        self._coroutines[cid] = _Coroutine(program, priority, background)
        self._foreground += not background
        self.wake(cid)
        return cid

    def register_vector(self, cid: int | None) -> int:
        """Let a free user-interrupt vector wake coroutine ``cid``, or, if None, end the executor's
        spinning so that it looks at `on_idle` again; returns the vector, which is free again when
        the coroutine has ended."""
        vector = next((n for n in range(VECTORS) if n not in self._by_vector), None)
        if vector is None:
            raise ValueError(f"vectors must be at most {VECTORS}")
        self._by_vector[vector] = cid
        return vector

    def wake(self, cid: int, value: Any = None) -> None:
        """Make a coroutine ready; its `Suspend` answers ``value``. Nothing if ready or gone."""
        coroutine = self._coroutines.get(cid)
        if coroutine is None or coroutine.ready:
            return
        coroutine.ready = True
        coroutine.value = value
        self._queues[coroutine.priority].append(cid)

    async def run_until_complete(self) -> None:
        """Run until every foreground coroutine has ended; spins while none is ready."""
        while self._foreground:
            if not any(self._queues):
                handed = await self.on_idle()
                if handed is not None:
                    await self._resume(*handed)
                    continue
                if not any(self._queues):
                    await SpinWhile(self._wake_word, 0)
            async with Path("user.fetch"):
                cid = await self._fetch()
            if cid is not None:
                await self._resume(cid, self._coroutines[cid].value)

    async def _resume(self, cid: int, value: Any) -> None:
        coroutine = self._coroutines.get(cid)
        if coroutine is None:
            return
        coroutine.value = None
        if coroutine.task is None:
            coroutine.task = coroutine.program()
        self.current = cid
        await Log(TaskRun("user", cid))
        if await Poll(coroutine.task, value):
            del self._coroutines[cid]
            self._foreground -= not coroutine.background
            for vector in [number for number, woken in self._by_vector.items() if woken == cid]:
                del self._by_vector[vector]
            self._free.append(cid)

    async def _fetch(self) -> int | None:
        if await Load(self._wake_word):
            vectors = await Swap(self._wake_word, 0)
            for vector, cid in self._by_vector.items():
                if vectors >> vector & 1 and cid is not None:
                    self.wake(cid)
        for queue in self._queues:
            if queue:
                cid = queue.popleft()
                self._coroutines[cid].ready = False
                return cid
        return None

    async def interrupt_handler(self) -> None:
        """Take the pending vectors, note them, return."""
        await self.interrupts.note(self._wake_word)

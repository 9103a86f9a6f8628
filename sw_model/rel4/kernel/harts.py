"""Harts in the kernel: the big lock, who is here, whose turn it is, and long operations.

One hart at a time is in the kernel, and `Harts.here` says which: taking the lock sets it, and
nobody else does. A runnable thread is in the queue of its hart's scheduler, or it is the current
thread of a hart, its *holder*, which may be another one than it belongs to while it migrates.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager

from rel4.machine.context import Context
from rel4.machine.events import TrapCause
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute, SendIpi, WaitForInterrupt
from uintr.registers import Privilege

from .errors import Preempted
from .lock import KernelLock
from .objects import TCB, ThreadState
from .scheduler import Scheduler

__all__ = ["WORK_UNITS", "Harts"]

STALL_POLL = 10
"""Cycles between two looks whether another hart has come into the kernel."""
WORK_UNITS = 100
"""Units of a long operation between two looks at pending interrupts (seL4's default)."""
WAIT_FOR = 3
"""Harts that go first at each of those points: about as many ticks as a call takes cycles."""
_OF_THE_THREAD = {TrapCause.ECALL, TrapCause.FAULT, TrapCause.EXIT}
"""What the current thread came with, and not an interrupt of the hart."""


async def _idle() -> None:
    while True:
        await WaitForInterrupt()


class Harts:
    """All harts of ``machine``, as the kernel sees them.

    Parameters
    ----------
    machine : whose harts they are
    lock : address of the big lock

    Members
    -------
    here : the hart that holds the big lock
    schedulers : one a hart
    work_units : units of long operations done since the hart came in, or since the last look
    """

    def __init__(self, machine: Machine, lock: int) -> None:
        self.here = 0
        self.schedulers: list[Scheduler] = []
        self.work_units = 0
        self._machine = machine
        self._lock = KernelLock(lock)
        count = machine.device.config.harts
        self._inside = [True] * count
        self._waits_with: list[TrapCause | None] = [None] * count
        self._aborted: set[int] = set()
        self._passed = 0  # points where others might have gone first and did not
        self._preemptible = [False] * count
        for hart in range(count):
            name = f"idle{hart}"
            context = Context(name, _idle, privilege=Privilege.S)
            idle = TCB(0, name, context, affinity=hart, state=ThreadState.IDLE)
            self.schedulers.append(Scheduler(idle, hart))

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler of this hart."""
        return self.schedulers[self.here]

    @property
    def somebody_inside(self) -> bool:
        """A hart is in the kernel, or waits for its lock; for inspection."""
        return any(self._inside)

    @property
    def urgency(self) -> int:
        """Highest priority of a thread that runs on this hart or is ready to; -1: none."""
        return self.scheduler.urgency

    @property
    def interrupted(self) -> bool:
        """An interrupt waits for this hart to leave the kernel."""
        return self._machine.harts[self.here].supervisor_interrupt_pending

    @property
    def signalled(self) -> bool:
        """The user-interrupt hardware interrupts the kernel on this hart."""
        return self._machine.harts[self.here].supervisor_line

    @property
    def current(self) -> TCB:
        """The thread that ran here last, or runs here next once it was chosen."""
        return self.schedulers[self.here].current

    # --- the lock ---------------------------------------------------------------------------------

    def arrive(self, hart: int, cause: TrapCause) -> None:
        """``hart`` has trapped; it may be waiting for the lock from now on."""
        self._inside[hart] = True
        self._waits_with[hart] = cause if cause in _OF_THE_THREAD else None

    async def acquire(self, hart: int) -> bool:
        """Take the lock: ``hart`` is here until it gives the lock back. True if another hart did
        something to the current thread meanwhile: what the thread asked for begins again when it
        runs."""
        await self._lock.acquire()
        self.here = hart
        self.work_units = self._passed = 0
        aborted = hart in self._aborted
        self._aborted.discard(hart)
        self._waits_with[hart] = None
        return aborted

    async def release(self) -> None:
        """Give the lock back: this hart leaves the kernel."""
        self._inside[self.here] = False
        await self._lock.release()

    async def pass_on(self) -> None:
        """At a point where others may go first, of which this is one more: let those in who wait
        for the lock. Where many wait, the work here goes on for as long as they will take."""
        here = self.here
        self._passed += 1
        if await self._lock.pass_on(WAIT_FOR * self._passed):
            self._passed = 0
        self.here = here

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[None]:
        """Within this block others may use the kernel."""
        here = self.here
        await self._lock.release()
        yield  # whoever throws away what runs in the block wants no lock back
        await self._lock.acquire()
        self.here = here

    # --- scheduling -------------------------------------------------------------------------------

    def make_runnable(self, tcb: TCB) -> None:
        """Let the scheduler of the thread's hart choose it; for threads made at boot."""
        tcb.state = ThreadState.RUNNING
        self.schedulers[tcb.affinity].enqueue(tcb)

    def holder(self, tcb: TCB) -> int | None:
        """The hart whose current thread ``tcb`` is."""
        for scheduler in self.schedulers:
            if scheduler.current is tcb:
                return scheduler.hart
        return None

    async def enqueue(self, tcb: TCB) -> None:
        """``tcb`` is runnable: put it into its hart's queue, and interrupt that hart if it should
        run there now. A thread that another hart still holds is handed over by that one."""
        holder = self.holder(tcb)
        if holder is not None and holder != tcb.affinity:
            return
        if holder is None:
            self.schedulers[tcb.affinity].enqueue(tcb, first=True)
        await self._interrupt_for(tcb)

    async def prefer(self, tcb: TCB) -> None:
        """``tcb`` became runnable by a message or signal: run it at once if it may."""
        if tcb.affinity == self.here and self.holder(tcb) in (None, self.here):
            self.scheduler.prefer(tcb)
        else:
            await self.enqueue(tcb)

    async def _interrupt_for(self, tcb: TCB) -> None:
        if tcb.affinity == self.here:
            return
        current = self.schedulers[tcb.affinity].current
        if current.state is ThreadState.IDLE or tcb.priority > current.priority:
            await self.reschedule(tcb.affinity)

    async def reschedule(self, hart: int) -> None:
        """Let another hart choose anew."""
        if not self._inside[hart]:
            await SendIpi(hart)

    async def stall(self, hart: int) -> None:
        """Wait until another hart is in the kernel, where it waits for the lock.

        A system call or fault that it waits with is not handled: it begins again. One that was
        handled before is over, though its thread may not have made a step since: a hart that was
        interrupted there, or that let this one in, keeps its thread as it is.
        """
        if hart == self.here:
            return
        if not self._inside[hart]:
            await SendIpi(hart)
            while not self._inside[hart]:
                await Compute(STALL_POLL)
        cause = self._waits_with[hart]
        if cause is None:
            return
        self._aborted.add(hart)
        if cause is TrapCause.ECALL:
            context = self.schedulers[hart].current.context
            assert context is not None  # it ran
            context.restart()

    async def stall_thread(self, tcb: TCB) -> None:
        """`stall` the hart that runs ``tcb``, if another one does."""
        hart = self.holder(tcb)
        if hart is not None:
            await self.stall(hart)

    # --- long operations --------------------------------------------------------------------------

    async def preemption_point(self) -> None:
        """A unit of a long operation is done.

        Raises
        ------
        Preempted : enough units are done and an interrupt is pending; the system call that asked
            for the operation begins again, and goes on where it stopped.
        """
        self.work_units += 1
        if self.work_units >= WORK_UNITS and self._preemptible[self.here]:
            self.work_units = 0
            if self._machine.harts[self.here].supervisor_interrupt_pending:
                raise Preempted

    @contextmanager
    def preemptible(self, on: bool = True) -> Iterator[None]:
        """Within this block a long operation may be preempted: its system call begins again."""
        here = self.here
        before, self._preemptible[here] = self._preemptible[here], on
        try:
            yield
        finally:
            self._preemptible[here] = before

    def unpreemptible(self) -> AbstractContextManager[None]:
        """Within this block a long operation is done in one go: nobody could begin it again."""
        return self.preemptible(False)

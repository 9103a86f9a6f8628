"""The kernel: entry and exit of traps, system calls by number, and what it all hangs on.

Every trap goes the same way: registers are saved and the big lock is taken (path trap.entry), the
cause is handled, a thread is chosen, the hart's user-interrupt state is made that thread's, the
lock is released, registers are restored (path trap.exit).
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from rel4.machine.context import Context
from rel4.machine.events import ContextSwitch, Fault
from rel4.machine.hart import Hart
from rel4.machine.machine import Machine
from rel4.machine.ops import (
    Compute,
    Log,
    Path,
    ReadTime,
    SendIpi,
    SetTimer,
    WaitForInterrupt,
)
from uintr.registers import Flavour, Privilege

from . import deletion, endpoint, irq, syscall
from .async_runtime import AsyncRuntime
from .capability import EndpointCap, Slot
from .cspace import lookup
from .errors import LookupFailure, Preempted
from .fault import ThreadFault, fault_of_trap
from .lock import KernelLock
from .objects import TCB, AsidPool, Irq, ThreadState
from .policies import Policy
from .scheduler import Scheduler
from .uintr import UserInterrupts
from .uintr_intel import IntelUserInterrupts
from .uintr_riscv import RiscvUserInterrupts
from .untyped import WORK_UNITS

__all__ = ["KERNEL_BASE", "Kernel"]

KERNEL_BASE = 0x8000_0000
"""Physical address of the kernel's own data; its first words are the big lock."""
EMPTY_ROOT = KERNEL_BASE + 0x1000
"""A root table that maps nothing, for threads without an address space."""
STALL_POLL = 10
"""Cycles between two looks whether another hart has come into the kernel."""


async def _idle() -> None:
    while True:
        await WaitForInterrupt()


class Kernel:
    """One kernel for all harts of ``machine``.

    Parameters
    ----------
    machine : where it runs
    policies : where handlers of asynchronous system calls run; a buffer names one by its number
        when it is registered
    timer_period : cycles from the end of a timer tick's work to the next tick
    timer_phase : for each hart, cycles from boot to its first tick

    fastpath : take seL4's fastpath for short calls and replies

    Members
    -------
    here : the hart that holds the big lock
    initial : the threads made at boot
    at_end : awaited in the kernel when the last of them has ended, before the machine stops
    asid_pools, irqs : what was made of ASIDControl and IRQControl
    empty_root : root table of threads without an address space
    """

    def __init__(
        self,
        machine: Machine,
        *,
        policies: Sequence[Policy],
        timer_period: int,
        timer_phase: list[int],
        fastpath: bool = True,
    ) -> None:
        self.machine = machine
        self.policies = list(policies)
        self.timer_period = timer_period
        self._timer_phase = timer_phase
        self.lock = KernelLock(KERNEL_BASE)
        self.fastpath = fastpath
        self.here = 0
        self.empty_root = EMPTY_ROOT
        self.asid_pools: dict[int, AsidPool] = {}
        self.irqs: dict[int, Irq] = {}
        self.work_units = 0
        self._preemptible = False
        self._aborted: set[int] = set()
        self._inside = [True] * machine.device.config.harts
        self.schedulers: list[Scheduler] = []
        config = machine.device.config
        intel = config.flavour is Flavour.INTEL
        flavour = IntelUserInterrupts if intel else RiscvUserInterrupts
        self.uintr: UserInterrupts = flavour(config, self)
        self.runtime = AsyncRuntime(self)
        self.initial: list[TCB] = []
        self.console = ""
        self.at_end: Callable[[], Awaitable[None]] | None = None
        for hart in range(machine.device.config.harts):
            name = f"idle{hart}"
            context = Context(name, _idle, privilege=Privilege.S)
            idle = TCB(0, name, context, affinity=hart, state=ThreadState.IDLE)
            self.schedulers.append(Scheduler(idle, hart))

    def make_runnable(self, tcb: TCB) -> None:
        """Let the scheduler of the thread's hart choose it."""
        tcb.state = ThreadState.RUNNING
        self.schedulers[tcb.affinity].enqueue(tcb)

    def put_char(self, character: int) -> None:
        """The debug console."""
        self.console += chr(character & 0xFF)

    # --- entry and exit ---------------------------------------------------------------------------

    async def start(self, hart: Hart) -> None:
        """Boot one hart: first timer tick, first thread."""
        await self.lock.acquire()
        self.here = hart.index
        await self.uintr.start(hart.index)
        await SetTimer(await ReadTime() + self._timer_phase[hart.index])
        await self._leave(hart)

    async def trap(self, hart: Hart, cause: str) -> None:
        """Handle one trap of the current thread of ``hart``."""
        self._inside[hart.index] = True
        async with Path("trap.entry"):
            await self.lock.acquire()
        self.here = hart.index
        self.work_units = 0
        # Another hart did something to the thread while this one waited for the lock: what the
        # thread asked for begins again when it runs.
        aborted = hart.index in self._aborted
        self._aborted.discard(hart.index)
        match cause:
            case "ecall" if not aborted:
                self._preemptible = True
                await syscall.handle(self, hart, self.schedulers[hart.index].current)
                self._preemptible = False
            case "timer":
                await self._timer(hart)
            case "ipi":
                for policy in self.policies:
                    await policy.on_ipi(self, hart)
            case "uipi":
                async with Path("kernel.wake"):
                    pass
                vectors = await self.uintr.take_interrupts(hart.index)
                for policy in self.policies:
                    await policy.on_signal(self, hart, vectors)
            case "interrupt":
                async with Path("kernel.interrupt"):
                    pass
                await irq.deliver(self)
            case "fault" if not aborted:
                tcb = self.schedulers[hart.index].current
                assert tcb.context is not None  # it just ran
                await self.fault(tcb, fault_of_trap(tcb.context.cause, tcb.context.value))
            case "exit" if not aborted:
                await self._end_thread(self.schedulers[hart.index].current)
            case _:
                pass
        await self._leave(hart)

    async def _leave(self, hart: Hart) -> None:
        scheduler = self.schedulers[hart.index]
        old = scheduler.current
        new = scheduler.choose()
        if new is not old:
            await Log(ContextSwitch(old.name, new.name))
            if ThreadState.IDLE in (old.state, new.state):
                for policy in self.policies:
                    await policy.on_idle(hart, new.state is ThreadState.IDLE)
        await self.uintr.switch(hart.index, new)
        if old.affinity != hart.index and old.runnable:
            await self.enqueue(old)  # it migrates, and its state is saved by now
        assert new.context is not None  # made at the latest when it became runnable
        self._set_address_space(new)
        self._aborted.discard(hart.index)  # a handler that let another hart in was not at its trap
        self._inside[hart.index] = False
        await self.lock.release()
        async with Path("trap.exit"):
            hart.context = new.context

    def _set_address_space(self, tcb: TCB) -> None:
        assert tcb.context is not None  # checked by the caller
        space = tcb.vspace
        if space is not None:
            tcb.had_vspace = True
            tcb.context.root = space.table.address if space.table.asid else self.empty_root
        elif tcb.had_vspace:
            tcb.context.root = self.empty_root

    # --- causes -----------------------------------------------------------------------------------

    async def _timer(self, hart: Hart) -> None:
        """Handlers first, then the scheduler's tick; the next period begins when both are done."""
        for policy in self.policies:
            await policy.on_tick(self, hart)
        await self.uintr.poll_parked()
        async with Path("kernel.timer_tick"):
            self.schedulers[hart.index].tick()
        await SetTimer(await ReadTime() + self.timer_period)

    async def _end_thread(self, tcb: TCB) -> None:
        tcb.state = ThreadState.INACTIVE
        if all(thread.state is ThreadState.INACTIVE for thread in self.initial):
            if self.at_end is not None:
                await self.at_end()
            self.machine.stop()

    async def fault(self, tcb: TCB, fault: ThreadFault) -> None:
        """``tcb`` faulted: send the fault's message to its handler, or end it if it has none."""
        assert tcb.context is not None  # it just ran
        await Log(Fault(tcb.name, tcb.context.fault))
        tcb.context.restart()
        tcb.fault = fault
        try:
            cap = lookup(tcb.ctable.cap, tcb.fault_handler).cap
        except LookupFailure:
            cap = None
        if isinstance(cap, EndpointCap) and cap.can_send and (cap.can_grant or cap.can_grant_reply):
            await endpoint.send(self, tcb, cap, blocking=True, call=True)
            return
        tcb.fault = None
        await self._end_thread(tcb)

    # --- scheduling -------------------------------------------------------------------------------

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
            self.schedulers[self.here].prefer(tcb)
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
        """Wait until another hart is in the kernel, where it waits for the lock. A system call or
        fault that it came with is not handled: it begins again."""
        if hart == self.here:
            return
        if not self._inside[hart]:
            await SendIpi(hart)
            while not self._inside[hart]:
                await Compute(STALL_POLL)
        context = self.schedulers[hart].current.context
        assert context is not None  # it ran
        context.restart()
        self._aborted.add(hart)

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
        if self.work_units >= WORK_UNITS and self._preemptible:
            self.work_units = 0
            if self.machine.harts[self.here].supervisor_interrupt_pending:
                raise Preempted

    async def delete_one(self, slot: Slot) -> None:
        """Delete a capability whose deletion is short: of a reply or a notification."""
        with self.unpreemptible():
            await deletion.delete(self, slot)

    @contextmanager
    def unpreemptible(self) -> Iterator[None]:
        """Within this block a long operation is done in one go: nobody could begin it again."""
        preemptible, self._preemptible = self._preemptible, False
        try:
            yield
        finally:
            self._preemptible = preemptible

"""The kernel: entry and exit of traps, system calls by number, and what it all hangs on.

Every trap goes the same way: registers are saved and the big lock is taken (path trap.entry), the
cause is handled, a thread is chosen, the hart's user-interrupt state is made that thread's, the
lock is released, registers are restored (path trap.exit).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from rel4.abi.message import MessageInfo
from rel4.abi.numbers import Invocation, SeL4Error, SysCall
from rel4.machine.events import ContextSwitch, Fault, Syscall
from rel4.machine.hart import Context, Hart
from rel4.machine.machine import Machine
from rel4.machine.ops import Log, Path, ReadTime, Registers, SetTimer, WaitForInterrupt
from uintr.registers import Privilege

from . import notification
from .async_runtime import AsyncRuntime
from .capability import NotificationCap
from .cspace import lookup_cap
from .errors import InvocationError
from .invocation import Arguments, invoke
from .lock import KernelLock
from .objects import TCB, ThreadState
from .policies import Policy
from .scheduler import Scheduler
from .uintr import UserInterrupts

__all__ = ["KERNEL_BASE", "Kernel"]

KERNEL_BASE = 0x8000_0000
"""Physical address of the kernel's own data; its first words are the big lock."""


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

    ``at_end`` is awaited in the kernel when the initial thread has ended, before the machine stops.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        policies: Sequence[Policy],
        timer_period: int,
        timer_phase: list[int],
    ) -> None:
        self.machine = machine
        self.policies = list(policies)
        self.timer_period = timer_period
        self._timer_phase = timer_phase
        self.lock = KernelLock(KERNEL_BASE)
        self.uintr = UserInterrupts(machine.device.config)
        self.runtime = AsyncRuntime(self)
        self.schedulers: list[Scheduler] = []
        self.root: TCB | None = None
        self.console = ""
        self.at_end: Callable[[], Awaitable[None]] | None = None
        for hart in range(machine.device.config.harts):
            name = f"idle{hart}"
            context = Context(name, _idle, privilege=Privilege.S)
            idle = TCB(0, name, context, affinity=hart, state=ThreadState.IDLE)
            self.schedulers.append(Scheduler(idle))

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
        await SetTimer(await ReadTime() + self._timer_phase[hart.index])
        await self._leave(hart)

    async def trap(self, hart: Hart, cause: str) -> None:
        """Handle one trap of the current thread of ``hart``."""
        async with Path("trap.entry"):
            await self.lock.acquire()
        match cause:
            case "ecall":
                await self._syscall(hart)
            case "timer":
                await self._timer(hart)
            case "ipi":
                for policy in self.policies:
                    await policy.on_ipi(self, hart)
            case "uipi":
                vectors = await self.uintr.take_kernel_signals(hart.index)
                for policy in self.policies:
                    await policy.on_signal(self, hart, vectors)
            case "fault" | "exit":
                await self._end_thread(hart, cause)
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
        await self.lock.release()
        async with Path("trap.exit"):
            hart.context = new.context

    # --- causes -----------------------------------------------------------------------------------

    async def _timer(self, hart: Hart) -> None:
        """Handlers first, then the scheduler's tick; the next period begins when both are done."""
        for policy in self.policies:
            await policy.on_tick(self, hart)
        async with Path("kernel.timer_tick"):
            self.schedulers[hart.index].tick()
        await SetTimer(await ReadTime() + self.timer_period)

    async def _end_thread(self, hart: Hart, cause: str) -> None:
        tcb = self.schedulers[hart.index].current
        assert tcb.context is not None  # it just ran
        if cause == "fault":
            await Log(Fault(tcb.name, tcb.context.fault))
        tcb.state = ThreadState.INACTIVE
        if tcb is self.root:
            if self.at_end is not None:
                await self.at_end()
            self.machine.stop()

    async def _syscall(self, hart: Hart) -> None:
        tcb = self.schedulers[hart.index].current
        assert tcb.context is not None  # it just made the call
        registers = tcb.context.registers
        try:
            number = SysCall(registers.number)
        except ValueError:
            await Log(Syscall(tcb.name, str(registers.number), "", ""))
            tcb.context.fault = f"unknown system call {registers.number}"
            await self._end_thread(hart, "fault")
            return
        label, error = "", SeL4Error.NO_ERROR
        match number:
            case SysCall.CALL | SysCall.SEND | SysCall.NB_SEND:
                label, error = await self._send(hart, tcb, registers, number)
            case SysCall.RECV | SysCall.NB_RECV:
                error = await self._receive(tcb, registers, number)
            case SysCall.YIELD:
                tcb.time_slice = 0
                self.schedulers[hart.index].tick()
            case SysCall.DEBUG_PUT_CHAR:
                self.put_char(registers.cap)
            case SysCall.WAKE_SYSCALL_HANDLER:
                await self._wake_handler(hart, tcb)
            case SysCall.REPLY | SysCall.REPLY_RECV:
                error = SeL4Error.ILLEGAL_OPERATION
                _answer(tcb, error, ())
        await Log(Syscall(tcb.name, number.name, label, error.name))

    async def _send(
        self, hart: Hart, tcb: TCB, registers: Registers, number: SysCall
    ) -> tuple[str, SeL4Error]:
        info = MessageInfo.from_word(registers.info)
        result: tuple[int, ...] = ()
        error = SeL4Error.NO_ERROR
        label = ""
        try:
            async with Path("kernel.invocation"):
                slot = lookup_cap(tcb.cspace, registers.cap)
                cap = slot.cap
                if isinstance(cap, NotificationCap) and info.label == Invocation.INVALID:
                    await self._signal(cap)
                else:
                    if info.label in Invocation.__members__.values():
                        label = Invocation(info.label).name
                    arguments = Arguments(tcb, info, registers.message)
                    result = await invoke(self, hart, slot, info.label, arguments)
        except InvocationError as failure:
            error = failure.code
        if number is SysCall.CALL:
            _answer(tcb, error, result)
        return label, error

    async def _signal(self, cap: NotificationCap) -> None:
        if not cap.can_send:
            raise InvocationError(SeL4Error.INVALID_CAPABILITY, "the capability cannot send")
        woken = notification.signal(cap.notification, cap.badge)
        if woken is not None:
            self.make_runnable(woken)

    async def _receive(self, tcb: TCB, registers: Registers, number: SysCall) -> SeL4Error:
        try:
            async with Path("kernel.invocation"):
                cap = lookup_cap(tcb.cspace, registers.cap).cap
                if not isinstance(cap, NotificationCap) or not cap.can_receive:
                    raise InvocationError(
                        SeL4Error.INVALID_CAPABILITY, "the capability cannot receive"
                    )
                if number is SysCall.RECV:
                    notification.wait(cap.notification, tcb)
                else:
                    notification.poll(cap.notification, tcb)
        except InvocationError as failure:
            _answer(tcb, failure.code, ())
            return failure.code
        return SeL4Error.NO_ERROR

    async def _wake_handler(self, hart: Hart, tcb: TCB) -> None:
        if tcb.handler is None:
            _answer(tcb, SeL4Error.ILLEGAL_OPERATION, ())
            return
        async with Path("kernel.wake"):
            self.runtime.wake(tcb.handler)
        _answer(tcb, SeL4Error.NO_ERROR, ())
        await tcb.handler.policy.on_wake(self, hart, tcb.handler)


def _answer(tcb: TCB, error: SeL4Error, words: tuple[int, ...]) -> None:
    assert tcb.context is not None  # it just made the call
    padded = (*words, 0, 0, 0, 0)
    info = MessageInfo(label=error, length=len(words)).word()
    tcb.context.registers = replace(
        Registers(), info=info, message=(padded[0], padded[1], padded[2], padded[3])
    )

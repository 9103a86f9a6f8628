"""The kernel: entry and exit of traps, and what it is composed of.

Every trap goes the same way: registers are saved and the big lock is taken (path trap.entry), the
cause is handled, a thread is chosen, the hart's user-interrupt state is made that thread's, the
lock is released, registers are restored (path trap.exit).
"""

from collections.abc import Sequence

from rel4.machine.events import ContextSwitch, TrapCause
from rel4.machine.hart import Hart
from rel4.machine.machine import Machine
from rel4.machine.ops import Log, Path, ReadTime, SetTimer
from uintr.registers import Flavour

from . import irq, syscall, thread
from .async_calls import serve
from .async_runtime import AsyncRuntime, Policy, Words
from .fault import fault_of_trap
from .harts import Harts
from .objects import TCB, ThreadState
from .state import State
from .uintr import UserInterrupts
from .uintr_intel import IntelUserInterrupts
from .uintr_riscv import RiscvUserInterrupts

__all__ = ["KERNEL_BASE", "Kernel"]

KERNEL_BASE = 0x8000_0000
"""Physical address of the kernel's own data; its first words are the big lock."""
EMPTY_ROOT = KERNEL_BASE + 0x1000
"""A root table that maps nothing, for threads without an address space."""


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
    state : all that it knows
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
        self.timer_period = timer_period
        self._timer_phase = timer_phase
        config = machine.device.config
        harts = Harts(machine, KERNEL_BASE)
        intel = config.flavour is Flavour.INTEL
        flavour = IntelUserInterrupts if intel else RiscvUserInterrupts
        uintr: UserInterrupts = flavour(config, harts)
        self.state = State(
            machine,
            harts,
            uintr,
            AsyncRuntime(harts, uintr, self._serve),
            policies=policies,
            empty_root=EMPTY_ROOT,
            fastpath=fastpath,
        )

    async def _serve(self, tcb: TCB, label: int, words: Words) -> Words:
        return await serve(self.state, tcb, label, words)

    # --- entry and exit ---------------------------------------------------------------------------

    async def start(self, hart: Hart) -> None:
        """Boot one hart: first timer tick, first thread."""
        await self.state.harts.acquire(hart.index)
        await self.state.uintr.start()
        await SetTimer(await ReadTime() + self._timer_phase[hart.index])
        await self._leave(hart)

    async def trap(self, hart: Hart, cause: TrapCause) -> None:
        """Handle one trap of the current thread of ``hart``."""
        harts = self.state.harts
        harts.arrive(hart.index, cause)
        async with Path("trap.entry"):
            aborted = await harts.acquire(hart.index)
        if not aborted:
            await self._handle(cause)
        await self._leave(hart)

    async def _handle(self, cause: TrapCause) -> None:
        state = self.state
        current = state.harts.current
        match cause:
            case TrapCause.ECALL:
                with state.harts.preemptible():
                    await syscall.handle(state, current)
            case TrapCause.FAULT:
                assert current.context is not None  # it just ran
                fault = fault_of_trap(current.context.cause, current.context.value)
                await thread.fault(state, current, fault)
            case TrapCause.EXIT:
                await thread.end(state, current)
            case TrapCause.TIMER:
                await self._timer()
            case TrapCause.IPI:
                for policy in state.policies:
                    await policy.on_ipi(state.runtime)
            case TrapCause.UIPI:
                await Path("kernel.wake").spend()
                vectors = await state.uintr.take_interrupts()
                for policy in state.policies:
                    await policy.on_signal(state.runtime, vectors)
            case TrapCause.INTERRUPT:
                await Path("kernel.interrupt").spend()
                await irq.deliver(state)
            case _:
                raise ValueError(f"cause must be a TrapCause, not {cause!r}")

    async def _timer(self) -> None:
        """Handlers first, then the scheduler's tick; the next period begins when both are done."""
        state = self.state
        for policy in state.policies:
            await policy.on_tick(state.runtime)
        await state.uintr.poll_parked()
        async with Path("kernel.timer_tick"):
            state.harts.scheduler.tick()
        await SetTimer(await ReadTime() + self.timer_period)

    async def _leave(self, hart: Hart) -> None:
        state, harts = self.state, self.state.harts
        old = harts.current
        new = harts.scheduler.choose()
        if new is not old:
            await Log(ContextSwitch(old.name, new.name))
            if ThreadState.IDLE in (old.state, new.state):
                for policy in state.policies:
                    await policy.on_idle(hart.index, new.state is ThreadState.IDLE)
        await state.uintr.switch(new)
        if old.affinity != hart.index and old.runnable:
            await harts.enqueue(old)  # it migrates, and its state is saved by now
        assert new.context is not None  # made at the latest when it became runnable
        self._set_address_space(new)
        await harts.release()
        async with Path("trap.exit"):
            hart.context = new.context

    def _set_address_space(self, tcb: TCB) -> None:
        assert tcb.context is not None  # checked by the caller
        space, empty = tcb.vspace, self.state.empty_root
        if space is not None:
            tcb.had_vspace = True
            tcb.context.root = space.table.address if space.table.asid else empty
        elif tcb.had_vspace:
            tcb.context.root = empty

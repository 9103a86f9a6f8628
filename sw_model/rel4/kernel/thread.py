"""Threads: suspend, resume, priority, affinity, end."""

from typing import TYPE_CHECKING

from . import notification
from .endpoint import cancel_ipc
from .objects import TCB, ThreadState
from .registers import context_of
from .scheduler import TIME_SLICE

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["destroy", "resume", "set_affinity", "set_priority", "suspend"]


async def suspend(kernel: "Kernel", tcb: TCB) -> None:
    """Take a thread off its hart, its queue and whatever it waits for."""
    hart = kernel.holder(tcb)
    if hart is not None:
        await kernel.stall(hart)
    await cancel_ipc(kernel, tcb)
    if tcb.state is ThreadState.IDLE:
        return
    kernel.schedulers[tcb.affinity].dequeue(tcb)
    tcb.fault = None
    tcb.state = ThreadState.INACTIVE


async def resume(kernel: "Kernel", tcb: TCB) -> None:
    """Make a thread runnable that is blocked or inactive; a system call that it was in begins
    again."""
    if tcb.runnable or tcb.state is ThreadState.IDLE:
        return
    await cancel_ipc(kernel, tcb)
    context_of(tcb, kernel.empty_root)
    if tcb.time_slice <= 0:
        tcb.time_slice = TIME_SLICE
    tcb.fault = None
    tcb.state = ThreadState.RESTART
    await kernel.prefer(tcb)


async def set_priority(kernel: "Kernel", tcb: TCB, priority: int) -> None:
    """Change the priority; whoever should run now runs."""
    kernel.schedulers[tcb.affinity].dequeue(tcb)
    tcb.priority = priority
    hart = kernel.holder(tcb)
    if hart is not None:
        await kernel.reschedule(hart)
    elif tcb.runnable:
        await kernel.prefer(tcb)


async def set_affinity(kernel: "Kernel", tcb: TCB, hart: int) -> None:
    """Move a thread to another hart. One that runs is moved by its old hart, as it leaves the
    kernel, when its state has been saved."""
    holder = kernel.holder(tcb)
    if holder is not None:
        await kernel.stall(holder)
    kernel.schedulers[tcb.affinity].dequeue(tcb)
    tcb.affinity = hart
    if tcb.runnable:
        await kernel.enqueue(tcb)


async def destroy(kernel: "Kernel", tcb: TCB) -> None:
    """The thread's last capability goes: give back all that it has, but for its own slots."""
    await suspend(kernel, tcb)
    if tcb.handler is not None:
        await tcb.handler.detach()
    await kernel.uintr.release_thread(tcb)
    notification.unbind(tcb)
    tcb.dead = True

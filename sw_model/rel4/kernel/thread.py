"""Threads: suspend, resume, priority, affinity, fault, end."""

from rel4.machine.events import Fault
from rel4.machine.ops import Log

from . import endpoint, notification
from .capability import EndpointCap
from .cspace import lookup
from .errors import LookupFailure
from .objects import TCB, ThreadFault, ThreadState
from .registers import context_of
from .scheduler import TIME_SLICE
from .state import State

__all__ = ["destroy", "end", "fault", "resume", "set_affinity", "set_priority", "suspend"]


async def suspend(state: State, tcb: TCB) -> None:
    """Take a thread off its hart, its queue and whatever it waits for."""
    await state.harts.stall_thread(tcb)
    await endpoint.cancel_ipc(state, tcb)
    if tcb.state is ThreadState.IDLE:
        return
    state.harts.schedulers[tcb.affinity].dequeue(tcb)
    tcb.fault = None
    tcb.state = ThreadState.INACTIVE


async def resume(state: State, tcb: TCB) -> None:
    """Make a thread runnable that is blocked or inactive; a system call that it was in begins
    again."""
    if tcb.runnable or tcb.state is ThreadState.IDLE:
        return
    await endpoint.cancel_ipc(state, tcb)
    context_of(tcb, state.empty_root)
    if tcb.time_slice <= 0:
        tcb.time_slice = TIME_SLICE
    tcb.fault = None
    tcb.state = ThreadState.RESTART
    await state.harts.prefer(tcb)


async def set_priority(state: State, tcb: TCB, priority: int) -> None:
    """Change the priority; whoever should run now runs."""
    harts = state.harts
    harts.schedulers[tcb.affinity].dequeue(tcb)
    tcb.priority = priority
    hart = harts.holder(tcb)
    if hart is not None:
        await harts.reschedule(hart)
    elif tcb.runnable:
        await harts.prefer(tcb)


async def set_affinity(state: State, tcb: TCB, hart: int) -> None:
    """Move a thread to another hart. One that runs is moved by its old hart, as it leaves the
    kernel, when its state has been saved."""
    await state.harts.stall_thread(tcb)
    state.harts.schedulers[tcb.affinity].dequeue(tcb)
    tcb.affinity = hart
    if tcb.runnable:
        await state.harts.enqueue(tcb)


async def fault(state: State, tcb: TCB, what: ThreadFault) -> None:
    """``tcb`` faulted: send the fault's message to its handler, or end it if it has none. If the
    handler lets it go on, it does the operation again that it is in."""
    assert tcb.context is not None  # it just ran
    await Log(Fault(tcb.name, tcb.context.fault))
    tcb.fault = what
    try:
        cap = lookup(tcb.ctable.cap, tcb.fault_handler).cap
    except LookupFailure:
        cap = None
    if isinstance(cap, EndpointCap) and cap.can_send and (cap.can_grant or cap.can_grant_reply):
        await endpoint.send(state, tcb, cap, blocking=True, call=True)
        return
    tcb.fault = None
    await end(state, tcb)


async def end(state: State, tcb: TCB) -> None:
    """The thread runs no more. The machine stops with the last of those made at boot."""
    tcb.state = ThreadState.INACTIVE
    if all(thread.state is ThreadState.INACTIVE for thread in state.initial):
        if state.at_end is not None:
            await state.at_end()
        state.machine.stop()


async def destroy(state: State, tcb: TCB) -> None:
    """The thread's last capability goes: give back all that it has, but for its own slots."""
    await suspend(state, tcb)
    for attachment in reversed(list(tcb.attached)):
        await attachment.detach()
    notification.unbind(tcb)
    tcb.dead = True

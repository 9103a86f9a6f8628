"""Notifications: signal, wait, poll, binding.

A notification that has a user-interrupt receiver (`rel4.state.uintr`) turns a signal into a user
interrupt of the receiver's thread, with the badge as vector, unless somebody waits on it: who waits
gets the signal as in seL4, so that several threads may wait on one notification.
"""

from rel4.abi.message import MessageInfo
from uintr.registers import VECTORS

from .objects import TCB, Endpoint, Notification, ThreadState
from .state import State
from .transfer import give

__all__ = ["bind", "cancel", "cancel_all", "interrupted", "poll", "signal", "unbind", "wait"]


def _deliver(tcb: TCB, badge: int) -> None:
    tcb.waiting_on = None
    tcb.state = ThreadState.RUNNING
    give(tcb, badge, MessageInfo(), ())


async def signal(state: State, notification: Notification, badge: int) -> None:
    """Signal ``badge``: wake a thread that waits, interrupt the receiver, or remember it."""
    bound = notification.bound_tcb
    waiter: TCB | None = None
    if notification.queue:
        waiter = notification.queue.popleft()
    elif bound is not None and bound.state is ThreadState.BLOCKED_ON_RECEIVE:
        assert isinstance(bound.waiting_on, Endpoint)
        bound.waiting_on.queue.remove(bound)
        waiter = bound
    if waiter is not None:
        state.uintr.awake(waiter)
        _deliver(waiter, badge)
        await state.harts.prefer(waiter)
    elif notification.uintr_flag and badge < VECTORS:
        await state.uintr.post(notification.recv_idx, badge)
    else:
        notification.word = (notification.word or 0) | badge


def poll(notification: Notification, tcb: TCB) -> bool:
    """Take what was signalled (seL4_Poll); False, with badge 0, if nothing was."""
    badge, notification.word = notification.word, None
    give(tcb, badge or 0, MessageInfo(), ())
    return badge is not None


async def wait(state: State, notification: Notification, tcb: TCB) -> None:
    """Take what was signalled, or block ``tcb`` until something is (seL4_Wait).

    The receiver of user interrupts of this notification does not block while an interrupt is
    pending: the wait answers the pending word as badge, and the interrupt is then taken.
    """
    if notification.word is not None:
        poll(notification, tcb)
        return
    if await interrupted(state, notification, tcb):
        return
    tcb.state = ThreadState.BLOCKED_ON_NOTIFICATION
    tcb.waiting_on = notification
    notification.queue.append(tcb)


async def interrupted(state: State, notification: Notification, tcb: TCB) -> bool:
    """As ``tcb`` is about to block, and user interrupts of ``notification`` are its: True, with the
    pending word as badge, if one is pending. Otherwise one that comes will wake the thread."""
    if notification.uintr_tcb is not tcb:
        return False
    pending = await state.uintr.park(tcb)
    if pending:
        give(tcb, pending, MessageInfo(), ())
    return bool(pending)


async def cancel(state: State, tcb: TCB) -> None:
    """Take a thread out of the notification that it waits on."""
    assert isinstance(tcb.waiting_on, Notification)
    state.uintr.awake(tcb)
    tcb.waiting_on.queue.remove(tcb)


async def cancel_all(state: State, notification: Notification) -> None:
    """The notification goes: everyone who waits begins the call again, and finds it gone."""
    waiting = list(notification.queue)
    notification.queue.clear()
    for tcb in waiting:
        state.uintr.awake(tcb)
        tcb.waiting_on = None
        assert tcb.context is not None  # it is in a system call
        tcb.context.restart()
        tcb.state = ThreadState.RESTART
        await state.harts.enqueue(tcb)


def bind(notification: Notification, tcb: TCB) -> None:
    """Signals reach the thread also while it waits on an endpoint."""
    notification.bound_tcb = tcb
    tcb.bound_notification = notification


def unbind(tcb: TCB) -> None:
    """Undo `bind`."""
    if tcb.bound_notification is not None:
        tcb.bound_notification.bound_tcb = None
        tcb.bound_notification = None

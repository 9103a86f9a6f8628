"""Plain seL4 notifications: signal, wait, poll."""

from dataclasses import replace

from rel4.machine.ops import Registers

from .objects import TCB, Notification, ThreadState

__all__ = ["poll", "signal", "wait"]


def _deliver(tcb: TCB, badge: int) -> None:
    assert tcb.context is not None  # only threads that ran can wait
    tcb.context.registers = replace(Registers(), cap=badge)


def signal(notification: Notification, badge: int) -> TCB | None:
    """Signal ``badge``; answers the thread that this woke, to be put into its run queue."""
    waiter = None
    if notification.queue:
        waiter = notification.queue.popleft()
    elif (bound := notification.bound_tcb) is not None and bound.waiting_on is notification:
        waiter = bound
    if waiter is None:
        notification.word = (notification.word or 0) | badge
        return None
    waiter.waiting_on = None
    waiter.state = ThreadState.RUNNING
    _deliver(waiter, badge)
    return waiter


def poll(notification: Notification, tcb: TCB) -> bool:
    """Take what was signalled (seL4_Poll); False, with badge 0, if nothing was."""
    badge, notification.word = notification.word, None
    _deliver(tcb, badge or 0)
    return badge is not None


def wait(notification: Notification, tcb: TCB) -> None:
    """Take what was signalled, or block ``tcb`` until something is (seL4_Wait)."""
    if notification.word is not None:
        poll(notification, tcb)
        return
    tcb.state = ThreadState.BLOCKED_ON_NOTIFICATION
    tcb.waiting_on = notification
    if notification.bound_tcb is not tcb:
        notification.queue.append(tcb)

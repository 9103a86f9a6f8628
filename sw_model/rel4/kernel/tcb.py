"""TCB invocations."""

from rel4.abi.numbers import SeL4Error

from .capability import Capability, NotificationCap, ThreadCap
from .errors import InvocationError

__all__ = ["bind_notification", "unbind_notification"]


def bind_notification(thread: Capability, notification: Capability) -> None:
    """TCB_BindNotification: signals of the notification reach the thread wherever it waits."""
    if not isinstance(thread, ThreadCap):
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Bind needs a thread capability")
    if not isinstance(notification, NotificationCap) or not notification.can_receive:
        raise InvocationError(
            SeL4Error.INVALID_CAPABILITY, "Bind needs a notification that can be received"
        )
    tcb, target = thread.tcb, notification.notification
    if tcb.bound_notification is not None:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the thread has a notification bound")
    if target.bound_tcb is not None or target.queue:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "the notification is bound or waited on already"
        )
    tcb.bound_notification = target
    target.bound_tcb = tcb


def unbind_notification(thread: Capability) -> None:
    """TCB_UnbindNotification."""
    if not isinstance(thread, ThreadCap):
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Unbind needs a thread capability")
    bound = thread.tcb.bound_notification
    if bound is None:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the thread has no notification bound")
    if bound.uintr_flag:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "the notification is the thread's user-interrupt receiver"
        )
    thread.tcb.bound_notification = None
    bound.bound_tcb = None

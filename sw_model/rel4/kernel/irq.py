"""Interrupts of devices: IRQControl_Get, IRQHandler invocations, and delivery.

An interrupt is delivered once and then disabled until its handler acknowledges it.
"""

from rel4.abi.numbers import SeL4Error
from rel4.machine.interrupts import MAX_IRQ

from . import deletion, mdb, notification
from .capability import IrqHandlerCap, NotificationCap, Slot
from .errors import InvocationError, invalid_capability, range_error
from .objects import Irq
from .state import State

__all__ = [
    "acknowledge",
    "check",
    "clear_notification",
    "deliver",
    "get",
    "set_notification",
]


def check(state: State, number: int) -> None:
    """RangeError or RevokeFirst unless a handler can be made for interrupt ``number``."""
    if not 1 <= number <= MAX_IRQ:
        raise range_error(1, MAX_IRQ, f"interrupts are 1 to {MAX_IRQ}, not {number}")
    if number in state.irqs:
        raise InvocationError(SeL4Error.REVOKE_FIRST, f"interrupt {number} has a handler")


def get(state: State, control: Slot, number: int, destination: Slot) -> None:
    """IRQControl_Get: the handler of interrupt ``number``, which is enabled."""
    irq = Irq(0, number)
    state.irqs[number] = irq
    mdb.insert_new(destination, IrqHandlerCap(irq), control)
    state.machine.interrupts.enable(number)


def acknowledge(state: State, irq: Irq) -> None:
    """IRQHandler_Ack."""
    state.machine.interrupts.enable(irq.number)


async def set_notification(state: State, irq: Irq, source: Slot) -> None:
    """IRQHandler_SetNotification."""
    cap = source.cap
    if not isinstance(cap, NotificationCap) or not cap.can_send:
        raise invalid_capability(1, "an interrupt signals a notification that may be sent to")
    await clear_notification(state, irq)
    mdb.insert_copy(irq.notification, cap, source)


async def clear_notification(state: State, irq: Irq) -> None:
    """IRQHandler_Clear."""
    await deletion.delete_one(state, irq.notification)


async def deliver(state: State) -> None:
    """An interrupt trap: signal what is set for it. On a notification that is delivered by user
    interrupts this interrupts the receiver's thread."""
    number = state.machine.interrupts.claim()
    if not number:
        return
    state.machine.interrupts.enable(number, on=False)
    irq = state.irqs.get(number)
    if irq is not None and isinstance(irq.notification.cap, NotificationCap):
        cap = irq.notification.cap
        await notification.signal(state, cap.notification, cap.badge)

"""Interrupts of devices: IRQControl_Get, IRQHandler invocations, and delivery.

An interrupt is delivered once and then disabled until its handler acknowledges it.
"""

from typing import TYPE_CHECKING

from rel4.abi.numbers import SeL4Error
from rel4.machine.interrupts import MAX_IRQ

from . import mdb, notification
from .capability import IrqHandlerCap, NotificationCap, Slot
from .errors import InvocationError, invalid_capability, range_error
from .objects import Irq

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = [
    "acknowledge",
    "check",
    "clear_notification",
    "delete_handler",
    "deliver",
    "get",
    "set_notification",
]


def check(kernel: "Kernel", number: int) -> None:
    """RangeError or RevokeFirst unless a handler can be made for interrupt ``number``."""
    if not 1 <= number <= MAX_IRQ:
        raise range_error(1, MAX_IRQ, f"interrupts are 1 to {MAX_IRQ}, not {number}")
    if number in kernel.irqs:
        raise InvocationError(SeL4Error.REVOKE_FIRST, f"interrupt {number} has a handler")


def get(kernel: "Kernel", control: Slot, number: int, destination: Slot) -> None:
    """IRQControl_Get: the handler of interrupt ``number``, which is enabled."""
    irq = Irq(0, number)
    kernel.irqs[number] = irq
    mdb.insert_new(destination, IrqHandlerCap(irq), control)
    kernel.machine.interrupts.enable(number)


def acknowledge(kernel: "Kernel", irq: Irq) -> None:
    """IRQHandler_Ack."""
    kernel.machine.interrupts.enable(irq.number)


async def set_notification(kernel: "Kernel", irq: Irq, source: Slot) -> None:
    """IRQHandler_SetNotification."""
    cap = source.cap
    if not isinstance(cap, NotificationCap) or not cap.can_send:
        raise invalid_capability(1, "an interrupt signals a notification that may be sent to")
    await clear_notification(kernel, irq)
    mdb.insert_copy(irq.notification, cap, source)


async def clear_notification(kernel: "Kernel", irq: Irq) -> None:
    """IRQHandler_Clear."""
    await kernel.delete_one(irq.notification)


async def delete_handler(kernel: "Kernel", irq: Irq) -> None:
    """The last capability goes: the interrupt is disabled and can be had again."""
    await clear_notification(kernel, irq)
    kernel.machine.interrupts.enable(irq.number, on=False)
    del kernel.irqs[irq.number]


async def deliver(kernel: "Kernel") -> None:
    """An interrupt trap: signal what is set for it. On a notification that is delivered by user
    interrupts this interrupts the receiver's thread."""
    number = kernel.machine.interrupts.claim()
    if not number:
        return
    kernel.machine.interrupts.enable(number, on=False)
    irq = kernel.irqs.get(number)
    if irq is not None and isinstance(irq.notification.cap, NotificationCap):
        cap = irq.notification.cap
        await notification.signal(kernel, cap.notification, cap.badge)

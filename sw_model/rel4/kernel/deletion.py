"""Deleting and revoking capabilities, and what happens to an object that loses its last one.

Both are long operations. After every capability there is a preemption point, behind which the call
starts again and goes on where it stopped: a CNode or TCB whose slots are being deleted leaves a
`ZombieCap`, and what was deleted is gone. Depth costs no stack: no nesting of CNodes is too deep.
"""

from collections.abc import Iterator

from . import asid, endpoint, mdb, notification, thread, vspace
from .capability import (
    AsidPoolCap,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqHandlerCap,
    NotificationCap,
    PageTableCap,
    Slot,
    ThreadCap,
    ZombieCap,
)
from .objects import CNode, Irq
from .state import State

__all__ = ["delete", "delete_one", "revoke"]


async def delete(state: State, slot: Slot) -> None:
    """Empty a slot. The object of a last capability is finalised, with all that it holds.

    Raises
    ------
    Preempted : an interrupt is pending; the same call goes on.
    """
    stack: list[tuple[Slot, Iterator[Slot]]] = [(slot, iter(()))]
    under_way = {slot}
    await _finalise(state, slot)
    stack[0] = (slot, _held(slot))
    while stack:
        top, held = stack[-1]
        child = next((s for s in held if not s.empty and s not in under_way), None)
        if child is not None:
            await _finalise(state, child)
            under_way.add(child)
            stack.append((child, _held(child)))
            continue
        if not top.empty:
            mdb.remove(top)
        under_way.discard(top)
        stack.pop()
        await state.harts.preemption_point()


async def delete_one(state: State, slot: Slot) -> None:
    """Delete a capability whose deletion is short, that of a reply or a notification, in one go."""
    with state.harts.unpreemptible():
        await delete(state, slot)


async def revoke(state: State, slot: Slot) -> None:
    """Delete every capability that was derived from the one in ``slot``.

    Raises
    ------
    Preempted : an interrupt is pending; the same call goes on.
    """
    while slot.children:
        await delete(state, next(iter(slot.children)))
        await state.harts.preemption_point()


def _held(slot: Slot) -> Iterator[Slot]:
    """The slots that go with a zombie."""
    if not isinstance(slot.cap, ZombieCap):
        return iter(())
    target = slot.cap.target
    return iter(target.used() if isinstance(target, CNode) else target.slots)


async def _finalise(state: State, slot: Slot) -> None:
    """What has to happen before the capability in ``slot`` can go."""
    for attachment in list(slot.attached):
        await attachment.detach()
    cap = slot.cap
    target = mdb.object_of(cap)
    last = target is not None and target.caps == 1
    match cap:
        case FrameCap():
            await vspace.page_unmap(slot)
        case PageTableCap() if last:
            await asid.delete_space(state, cap.table)
            if cap.mapped is not None:
                await vspace.page_table_unmap(slot)
        case EndpointCap() if last:
            await endpoint.cancel_all(state, cap.endpoint)
        case NotificationCap() if last:
            await state.uintr.release_notification(cap.notification)
            if cap.notification.bound_tcb is not None:
                notification.unbind(cap.notification.bound_tcb)
            await notification.cancel_all(state, cap.notification)
        case CNodeCap() if last:
            mdb.set_cap(slot, ZombieCap(cap.cnode))
        case ThreadCap() if last:
            await thread.destroy(state, cap.tcb)
            mdb.set_cap(slot, ZombieCap(cap.tcb))
        case AsidPoolCap() if last:
            await asid.delete_pool(state, cap.pool)
        case IrqHandlerCap() if last:
            await _release_irq(state, cap.irq)
        case _:
            pass


async def _release_irq(state: State, irq: Irq) -> None:
    """The interrupt is disabled and can be had again."""
    await delete_one(state, irq.notification)
    state.machine.interrupts.enable(irq.number, on=False)
    del state.irqs[irq.number]

"""All that the kernel knows, as a value: two snapshots are equal if nothing has changed in between.

For tests and explorers: an invocation that answers an error must leave the state as it was.
"""

from typing import Any

from . import objects
from .capability import Capability, Slot, UntypedCap
from .invariants import all_slots
from .kernel import Kernel
from .mdb import object_of
from .objects import TCB
from .uintr_context import UserInterruptState
from .uintr_entries import SenderTable

__all__ = ["snapshot"]


def snapshot(kernel: Kernel, *, holds: bool = False) -> dict[str, Any]:
    """By what it is of: slots, objects, queues, user interrupts, handlers. One that ``holds`` the
    capabilities themselves is made much faster; without, it keeps nothing alive."""
    state = kernel.state
    slots = all_slots(kernel)
    found = {id(target): target for slot in slots if (target := object_of(slot.cap)) is not None}
    found.update({id(tcb): tcb for tcb in state.initial})
    return {
        "slots": {id(slot): _slot(slot, holds) for slot in slots if not slot.empty},
        "objects": {key: _object(target) for key, target in found.items()},
        "schedulers": [
            (
                id(scheduler.current),
                {key: list(map(id, q)) for key, q in scheduler.queues().items() if q},
            )
            for scheduler in state.harts.schedulers
        ],
        "receivers": (sorted(state.uintr.receivers), sorted(state.uintr.free_receivers)),
        "kernel receivers": sorted(state.uintr.kernel_receivers.items()),
        "kernel table": _table(state.uintr.kernel_table),
        "free tables": sorted(state.uintr.free_tables),
        "parked": sorted((receiver, id(tcb)) for receiver, tcb in state.uintr.parked.items()),
        "handlers": [(id(task), task.ready, task.closed) for task in state.runtime.tasks],
        "ready": [list(map(id, policy.ready)) for policy in state.policies],
        "identifiers": sorted(
            (base, sorted((asid, id(table)) for asid, table in pool.spaces.items()))
            for base, pool in state.asid_pools.items()
        ),
        "interrupts": sorted((number, id(irq)) for number, irq in state.irqs.items()),
    }


def _slot(slot: Slot, holds: bool) -> tuple[Any, ...]:
    cap = slot.cap
    return (
        cap if holds else _cap(cap),
        cap.untyped.watermark if isinstance(cap, UntypedCap) else None,
        id(slot.parent),
        frozenset(map(id, slot.children)) if slot.children else None,
        slot.revocable,
        sorted(map(id, slot.attached)) if slot.attached else None,
    )


def _cap(cap: Capability) -> tuple[Any, ...]:
    """The capability, with objects by their identity."""
    fields = getattr(cap, "__dataclass_fields__", ())
    return (type(cap).__name__, *(_plain(getattr(cap, name)) for name in fields))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return id(value) if isinstance(value, objects.KernelObject) else value


def _object(target: objects.KernelObject) -> tuple[Any, ...]:
    common = (target.caps, sorted(map(id, target.attached)))
    match target:
        case objects.Endpoint():
            return (*common, list(map(id, target.queue)))
        case objects.Notification():
            owners = (id(target.bound_tcb), id(target.uintr_tcb), target.recv_idx)
            return (*common, target.word, list(map(id, target.queue)), target.uintr_flag, owners)
        case objects.PageTable():
            return (*common, target.asid)
        case TCB():
            return (*common, *_thread(target))
        case _:
            return common


def _thread(tcb: TCB) -> tuple[Any, ...]:
    own = tcb.find(UserInterruptState)
    return (
        tcb.state.name,
        (tcb.priority, tcb.mcp, tcb.affinity, tcb.queued, tcb.dead),
        (id(tcb.bound_notification), id(tcb.waiting_on), tcb.fault_handler, tcb.buffer_address),
        None
        if own is None
        else (own.receiver, list(map(id, own.notifications)), own.table and _table(own.table)),
    )


def _table(table: SenderTable) -> tuple[Any, ...]:
    return (
        table.address,
        sorted((index, id(entry), entry.live) for index, entry in table.entries.items()),
    )

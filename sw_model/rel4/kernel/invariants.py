"""What must hold whenever the kernel is not at work: a whole-state check for tests and explorers.

It looks at the kernel's data structures and at simulated memory from outside, costs no time, and
shares no code with what it checks beyond the data types.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from inspect import CORO_CLOSED, getcoroutinestate
from itertools import pairwise

from rel4.abi.message import IPC_BUFFER_BYTES
from rel4.machine import sv39
from rel4.machine.sv39 import PTE

from . import objects
from .account import Charge
from .boot import BOOT_BASE, UNTYPED_BASE
from .capability import (
    CNodeCap,
    FrameCap,
    IrqHandlerCap,
    PageTableCap,
    Slot,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from .kernel import Kernel
from .mdb import object_of
from .objects import TCB, ThreadState
from .state import State
from .uintr_context import UserInterruptState
from .uintr_entries import SenderEntry

__all__ = ["all_slots", "violations"]

BLOCKED = {
    ThreadState.BLOCKED_ON_RECEIVE,
    ThreadState.BLOCKED_ON_SEND,
    ThreadState.BLOCKED_ON_NOTIFICATION,
}


def _inner(slot: Slot) -> Iterable[Slot]:
    match slot.cap:
        case CNodeCap(cnode=cnode) | ZombieCap(target=objects.CNode() as cnode):
            return cnode.slots.values()
        case ThreadCap(tcb=tcb) | ZombieCap(target=TCB() as tcb):
            return tcb.slots
        case IrqHandlerCap(irq=irq):
            return (irq.notification,)
        case _:
            return ()


def all_slots(kernel: Kernel) -> list[Slot]:
    """Every slot that objects or the derivation tree lead to."""
    found: dict[Slot, None] = {}
    todo = [slot for tcb in kernel.state.initial for slot in tcb.slots]
    while todo:
        slot = todo.pop()
        if slot in found:
            continue
        found[slot] = None
        todo.extend(slot.children)
        if slot.parent is not None and slot.parent not in found:
            todo.append(slot.parent)
        if not slot.empty:
            todo.extend(_inner(slot))
    return list(found)


def violations(kernel: Kernel) -> list[str]:
    """One sentence a violation; empty if all is well."""
    slots, state = all_slots(kernel), kernel.state
    return [
        *_tree(slots),
        *_counts(slots),
        *_memory(state, slots),
        *_mappings(state, slots),
        *_threads(state, slots),
        *_user_interrupts(state, slots),
        *_handlers(state),
        *_accounts(state, slots),
        *_translations(state),
    ]


def _tree(slots: list[Slot]) -> Iterator[str]:
    for slot in slots:
        if slot.empty and (slot.parent is not None or slot.children or slot.attached):
            yield "an empty slot has a place in the derivation tree"
        if slot.parent is not None and slot not in slot.parent.children:
            yield "a slot is not among its parent's children"
        if any(child.parent is not slot for child in slot.children):
            yield "a child has another parent"
        seen, at = {slot}, slot.parent
        while at is not None and at not in seen:
            seen.add(at)
            at = at.parent
        if at is not None:
            yield "the derivation tree has a cycle"


def _counts(slots: list[Slot]) -> Iterator[str]:
    counted = Counter(target for slot in slots if (target := object_of(slot.cap)) is not None)
    for target, count in counted.items():
        if target.caps != count:
            name = type(target).__name__
            yield f"{name} at {target.address:#x} counts {target.caps}, not {count}"
        if isinstance(target, TCB) and target.dead and count:
            holders = [s for s in slots if object_of(s.cap) is target]
            if any(not isinstance(s.cap, ZombieCap) for s in holders):
                yield f"thread at {target.address:#x} ended and has a capability"


def _size(target: objects.KernelObject) -> int:
    match target:
        case objects.Untyped() | objects.Frame():
            return 1 << target.size_bits
        case objects.CNode():
            return 1 << min(target.radix + objects.CNODE_SLOT_BITS, 12)
        case objects.TCB():
            return 1024
        case objects.Endpoint():
            return 16
        case objects.Notification():
            return 64
        case objects.PageTable() | objects.AsidPool():
            return 4096
        case _:
            return 0


def _memory(state: State, slots: list[Slot]) -> Iterator[str]:
    regions = sorted(
        {
            (target.address, target.address + size)
            for slot in slots
            if (target := object_of(slot.cap)) is not None
            and (size := _size(target))
            and target.address >= UNTYPED_BASE
        }
    )
    for (begin, end), (other, _) in pairwise(regions):
        if other < end:
            yield f"objects at {begin:#x} and {other:#x} overlap"
    for slot in slots:
        if not isinstance(slot.cap, UntypedCap):
            continue
        untyped = slot.cap.untyped
        limit = untyped.address + untyped.watermark
        for child in slot.children:
            made: objects.KernelObject | None
            made = child.cap.untyped if isinstance(child.cap, UntypedCap) else object_of(child.cap)
            if made is not None and not untyped.address <= made.address < limit:
                yield f"an object at {made.address:#x} lies outside what its parent gave away"
        if slot.parent is None and not untyped.device:
            end = untyped.address + (1 << untyped.size_bits)
            if state.machine.memory.any_set(limit, end):
                yield "free memory is not clear"


def _mappings(state: State, slots: list[Slot]) -> Iterator[str]:
    frames = {
        (slot.cap.mapped[0].address, slot.cap.mapped[1], slot.cap.frame.address)
        for slot in slots
        if isinstance(slot.cap, FrameCap) and slot.cap.mapped is not None
    }
    tables = {
        slot.cap.table.address
        for slot in slots
        if isinstance(slot.cap, PageTableCap) and slot.cap.mapped is not None
    }
    for pool in state.asid_pools.values():
        for asid, root in pool.spaces.items():
            if root.asid != asid:
                yield f"address space {asid} has another number in its table"
            yield from _walk(state, root.address, root.address, 2, 0, frames, tables)


def _walk(
    state: State,
    root: int,
    table: int,
    level: int,
    base: int,
    frames: set[tuple[int, int, int]],
    tables: set[int],
) -> Iterator[str]:
    for address, entry in state.machine.memory.words(table, table + 8 * 512):
        if not entry & PTE.V:
            continue
        index = (address - table) // 8
        virtual = base + (index << (sv39.PAGE_BITS + sv39.INDEX_BITS * level))
        target = sv39.pte_address(entry)
        if BOOT_BASE <= target < UNTYPED_BASE and sv39.is_leaf(entry):
            continue  # the initial thread's own pages
        if sv39.is_leaf(entry):
            if (root, virtual, target) not in frames:
                yield f"no frame capability explains the mapping of {target:#x} at {virtual:#x}"
        elif BOOT_BASE <= target < UNTYPED_BASE or target in tables:
            yield from _walk(state, root, target, level - 1, virtual, frames, tables)
        else:
            yield f"no capability explains the page table {target:#x} at {virtual:#x}"


def _threads(state: State, slots: list[Slot]) -> Iterator[str]:
    threads = {slot.cap.tcb for slot in slots if isinstance(slot.cap, ThreadCap)}
    threads.update(tcb for tcb in state.initial if not tcb.dead)
    waiting: Counter[TCB] = Counter()
    for scheduler in state.harts.schedulers:
        for priority, queue in scheduler.queues().items():
            for tcb in queue:
                waiting[tcb] += 1
                if tcb.priority != priority or tcb.affinity != scheduler.hart or not tcb.queued:
                    yield f"{tcb.name} stands in a queue that is not its own"
                if not tcb.runnable:
                    yield f"{tcb.name} is queued and {tcb.state.name}"
    for tcb in threads:
        current = state.harts.holder(tcb) is not None
        if waiting[tcb] > 1 or (waiting[tcb] and current):
            yield f"{tcb.name} would run twice"
        if tcb.runnable and not waiting[tcb] and not current:
            yield f"{tcb.name} is runnable and in no queue"
        if tcb.state in BLOCKED and (
            tcb.waiting_on is None or list(tcb.waiting_on.queue).count(tcb) != 1
        ):
            yield f"{tcb.name} is blocked on what does not know it"
        if (tcb.state is ThreadState.BLOCKED_ON_REPLY) < bool(tcb.reply.children):
            yield f"somebody may reply to {tcb.name}, which does not wait for it"
        if isinstance(tcb.buffer.cap, FrameCap) and not tcb.buffer.cap.frame.device:
            size = 1 << tcb.buffer.cap.frame.size_bits
            if tcb.buffer_address % size + IPC_BUFFER_BYTES > size:
                yield f"the IPC buffer of {tcb.name} is longer than its frame"
        bound = tcb.bound_notification
        if bound is not None and bound.bound_tcb is not tcb:
            yield f"{tcb.name} is bound to a notification that is not bound to it"
    targets = {object_of(slot.cap) for slot in slots}
    for target in targets:
        if isinstance(target, objects.Endpoint | objects.Notification):
            states = {tcb.state for tcb in target.queue}
            if len(states) > 1 or any(tcb.waiting_on is not target for tcb in target.queue):
                yield f"the queue at {target.address:#x} mixes threads"


def _user_interrupts(state: State, slots: list[Slot]) -> Iterator[str]:
    threads = {id(slot.cap.tcb): slot.cap.tcb for slot in slots if isinstance(slot.cap, ThreadCap)}
    threads.update({id(tcb): tcb for tcb in state.initial})
    owned: Counter[int] = Counter()
    for tcb in threads.values():
        own = tcb.find(UserInterruptState)
        if own is None:
            continue
        if own.receiver is not None:
            owned[own.receiver] += 1
            if not own.notifications:
                yield f"{tcb.name} has a receiver for nothing"
        for notification in own.notifications:
            if notification.uintr_tcb is not tcb or notification.recv_idx != own.receiver:
                yield f"{tcb.name} and its notification disagree about the receiver"
    for receiver in set(state.uintr.receivers) - set(state.uintr.kernel_receivers.values()):
        if owned[receiver] != 1:
            yield f"receiver {receiver} has {owned[receiver]} owners"
    if set(owned) - set(state.uintr.receivers):
        yield "a thread has a receiver that is free"
    for slot in slots:
        if slot.empty and slot.attached:
            yield "something is attached to an empty slot"
    targets = [object_of(slot.cap) for slot in slots]
    for target in targets:
        if isinstance(target, objects.Notification):
            for entry in target.attached:
                assert isinstance(entry, SenderEntry)
                if entry.slot is None or entry not in entry.slot.attached:
                    yield "a sender entry has no capability"
                elif object_of(entry.slot.cap) is not target:
                    yield "a sender entry hangs on another object's capability"


def _handlers(state: State) -> Iterator[str]:
    """Every index that a handler or a policy holds belongs to a live entry of the same owner."""
    for task in state.runtime.tasks:
        name = f"the handler of {task.tcb.name}"
        if task.closed:
            yield f"{name} has ended and is kept"
        if not task.entry.live:
            yield f"{name} answers by an entry that has gone"
        if task.sender is not None:
            own = task.tcb.find(UserInterruptState)
            if not task.sender.live or own is None or task.sender.table is not own.table:
                yield f"{name} is woken by an entry that is not its thread's"
        if task.coroutine is not None and getcoroutinestate(task.coroutine) is CORO_CLOSED:
            yield f"{name} has ended and is not told"
        for frame in (slot.cap for slot in task.slots if isinstance(slot.cap, FrameCap)):
            if not (frame.rights.read and frame.rights.write) or frame.frame.device:
                yield f"{name} uses its buffer without the rights to"
        if any(task not in slot.attached for slot in task.slots):
            yield f"{name} depends on a capability that does not know it"
    for policy in state.policies:
        if any(task not in state.runtime.tasks for task in policy.kept()):
            yield f"policy {policy.name} keeps a handler that has ended"


def _accounts(state: State, slots: list[Slot]) -> Iterator[str]:
    """What an account has used is what was taken on it, and no more than its limit."""
    held = [
        attached
        for entry in state.uintr.kernel_table.entries.values()
        for attached in entry.attached
        if isinstance(attached, Charge)
    ]
    threads = {slot.cap.tcb for slot in slots if isinstance(slot.cap, ThreadCap)}
    for tcb in threads | set(state.initial):
        own = tcb.find(UserInterruptState)
        if own is None:
            continue
        if own.receiver is not None and own.receiver_charge is not None:
            held.append(own.receiver_charge)
        if own.table is not None and own.table_charge is not None:
            held.append(own.table_charge)
    accounts = {slot.cap.table.account for slot in slots if isinstance(slot.cap, PageTableCap)}
    used = Counter(account for charge in held for account in charge.accounts)
    for account in accounts | set(used):
        if account.used != used[account]:
            yield f"an account says {account.used} units, and {used[account]} were taken on it"
        if account.limit is not None and account.used > account.limit:
            yield f"{account.used} units were taken on a quota of {account.limit}"


def _translations(state: State) -> Iterator[str]:
    """No hart goes on in an address space that has gone, or by a mapping that has."""
    live = {table.address for pool in state.asid_pools.values() for table in pool.spaces.values()}
    for scheduler in state.harts.schedulers:
        context = scheduler.current.context
        if context is not None and context.root not in (None, state.empty_root, *live):
            yield f"hart {scheduler.hart} runs in an address space that has gone"
    for root, page in state.machine.stale_translations():
        yield f"page {page:#x} of the table at {root:#x} is translated as it was before"

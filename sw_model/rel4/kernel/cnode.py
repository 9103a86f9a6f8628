"""CNode invocations: arguments in seL4's order, then the change."""

from rel4.abi.numbers import SeL4Error

from . import deletion, endpoint, mdb
from .arguments import Arguments
from .capability import Capability, EndpointCap, NullCap, ReplyCap, Rights, Slot
from .cspace import derive_from, ensure_empty, lookup_slot, update_data
from .errors import InvocationError, LookupFailure, LookupFault, failed_lookup
from .state import State

__all__ = [
    "cancel_badged_sends",
    "copy",
    "delete",
    "mint",
    "move",
    "mutate",
    "revoke",
    "rotate",
    "save_caller",
]

Result = tuple[int, ...]


def _target(slot: Slot, arguments: Arguments) -> Slot:
    index, depth = arguments.words(2)
    return lookup_slot(slot.cap, index, depth)


def _present(slot: Slot, depth: int, *, source: bool) -> None:
    if slot.empty:
        failure = LookupFailure(LookupFault.MISSING_CAPABILITY, depth)
        raise failed_lookup(failure, source=source, sentence="source slot is empty")


def _pair(slot: Slot, arguments: Arguments) -> tuple[Slot, Slot]:
    """Destination, which must be empty, and source, which must not."""
    index, depth, source_index, source_depth = arguments.words(4)
    root = arguments.cap(0)
    destination = lookup_slot(slot.cap, index, depth)
    ensure_empty(destination)
    source = lookup_slot(root, source_index, source_depth, source=True)
    _present(source, source_depth, source=True)
    return destination, source


async def copy(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Copy."""
    destination, source = _pair(slot, arguments)
    rights = arguments.words(5)[4]
    mdb.insert_copy(destination, derive_from(source, Rights.from_word(rights)), source)
    return ()


async def mint(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Mint: a copy with a badge (endpoint, notification) or a guard (CNode)."""
    destination, source = _pair(slot, arguments)
    rights, badge = arguments.words(6)[4:]
    derived = derive_from(source, Rights.from_word(rights), badge)
    mdb.insert_copy(destination, derived, source)
    return ()


async def move(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Move."""
    destination, source = _pair(slot, arguments)
    mdb.move(destination, source, source.cap)
    return ()


def _with_data(cap: Capability, data: int) -> Capability:
    changed = update_data(cap, data, preserve=True)
    if isinstance(changed, NullCap):
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "a badge cannot be changed; a guard must fit"
        )
    return changed


async def mutate(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Mutate: move a CNode capability with a new guard."""
    destination, source = _pair(slot, arguments)
    data = arguments.words(5)[4]
    mdb.move(destination, source, _with_data(source.cap, data))
    return ()


async def rotate(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Rotate: pivot to destination, source to pivot; destination may be the source."""
    words = arguments.words(8)
    index, depth, pivot_data, pivot_index, pivot_depth, source_data, source_index, source_depth = (
        words
    )
    pivot_root, source_root = arguments.cap(0), arguments.cap(1)
    destination = lookup_slot(slot.cap, index, depth)
    source = lookup_slot(source_root, source_index, source_depth, source=True)
    pivot = lookup_slot(pivot_root, pivot_index, pivot_depth)
    if pivot is source or pivot is destination:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the pivot must be a slot of its own")
    if source is not destination:
        ensure_empty(destination)
    _present(source, source_depth, source=True)
    _present(pivot, pivot_depth, source=False)
    new_source = _with_data(source.cap, source_data)
    new_pivot = _with_data(pivot.cap, pivot_data)
    if source is destination:
        mdb.swap(source, new_source, pivot, new_pivot)
    else:
        mdb.move(destination, pivot, new_pivot)
        mdb.move(pivot, source, new_source)
    return ()


async def delete(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Delete."""
    await deletion.delete(state, _target(slot, arguments))
    return ()


async def revoke(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_Revoke."""
    await deletion.revoke(state, _target(slot, arguments))
    return ()


async def cancel_badged_sends(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_CancelBadgedSends: senders that wait with this capability's badge begin again."""
    cap = (_target(slot, arguments)).cap
    full = (
        isinstance(cap, EndpointCap)
        and cap.can_send
        and cap.can_receive
        and cap.can_grant
        and cap.can_grant_reply
    )
    if not isinstance(cap, EndpointCap) or not full:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "needs an endpoint capability with all rights"
        )
    if cap.badge:
        await endpoint.cancel_badged_sends(state, cap.endpoint, cap.badge)
    return ()


async def save_caller(state: State, slot: Slot, arguments: Arguments) -> Result:
    """CNode_SaveCaller: keep the capability to reply for later; nothing if there is none."""
    destination = _target(slot, arguments)
    ensure_empty(destination)
    caller = arguments.caller.caller
    if isinstance(caller.cap, ReplyCap):
        mdb.move(destination, caller, caller.cap)
    return ()

"""Capability spaces: from a capability pointer to a slot, and the CNode invocations."""

from dataclasses import replace

from rel4.abi.numbers import SeL4Error

from .capability import (
    Capability,
    CNodeCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    Rights,
    Slot,
)
from .errors import InvocationError

__all__ = ["WORD_BITS", "copy", "derive", "lookup_cap", "lookup_slot", "mint"]

WORD_BITS = 64


def lookup_slot(root: Capability | None, cptr: int, depth: int = WORD_BITS) -> Slot:
    """The slot that the low ``depth`` bits of ``cptr`` name, from CNode capability ``root`` on.

    Raises
    ------
    InvocationError : FailedLookup: root is no CNode, a guard does not match, or depth does not fit.
    """
    if not 1 <= depth <= WORD_BITS:
        raise InvocationError(SeL4Error.RANGE_ERROR, f"depth must be 1 to 64, not {depth}")
    cap, left = root, depth
    while isinstance(cap, CNodeCap):
        radix = cap.cnode.radix
        level = cap.guard_size + radix
        if level > left or level == 0:
            raise InvocationError(SeL4Error.FAILED_LOOKUP, f"depth {left} ends inside a CNode")
        guard = cptr >> (left - cap.guard_size) & ((1 << cap.guard_size) - 1)
        if guard != cap.guard:
            raise InvocationError(SeL4Error.FAILED_LOOKUP, f"guard of {cptr:#x} does not match")
        left -= level
        slot = cap.cnode.slot(cptr >> left & ((1 << radix) - 1))
        if left == 0:
            return slot
        cap = slot.cap
    raise InvocationError(SeL4Error.FAILED_LOOKUP, f"{cptr:#x} leads to no CNode slot")


def lookup_cap(root: Capability | None, cptr: int) -> Slot:
    """The slot of capability pointer ``cptr``; an empty slot is FailedLookup too."""
    slot = lookup_slot(root, cptr)
    if slot.empty:
        raise InvocationError(SeL4Error.FAILED_LOOKUP, f"slot {cptr:#x} is empty")
    return slot


def derive(cap: Capability, rights: Rights, badge: int | None = None) -> Capability:
    """The capability that copying (``badge`` None) or minting makes: never more rights."""
    if isinstance(cap, NotificationCap):
        if badge is not None and cap.badge:
            raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "a badged capability has its badge")
        return replace(
            cap,
            badge=cap.badge if badge is None else badge,
            can_send=cap.can_send and rights.write,
            can_receive=cap.can_receive and rights.read,
        )
    if isinstance(cap, FrameCap):
        return replace(cap, rights=cap.rights.masked(rights), mapped=None)
    if isinstance(cap, PageTableCap) and not cap.is_root and cap.mapped is None:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "an unmapped page table cannot be copied"
        )
    if isinstance(cap, CNodeCap) and badge is not None:
        size = badge & 0x3F
        guard = badge >> 6 & ((1 << size) - 1)
        if size + cap.cnode.radix > WORD_BITS:
            raise InvocationError(SeL4Error.RANGE_ERROR, f"guard of {size} bits is too long")
        return replace(cap, guard=guard, guard_size=size)
    return cap


def _copy(destination: Slot, source: Slot, rights: Rights, badge: int | None) -> None:
    if not destination.empty:
        raise InvocationError(SeL4Error.DELETE_FIRST, "destination slot is not empty")
    if source.empty:
        raise InvocationError(SeL4Error.FAILED_LOOKUP, "source slot is empty")
    destination.cap = derive(source.cap, rights, badge)
    destination.parent = source


def copy(destination: Slot, source: Slot, rights: Rights) -> None:
    """CNode_Copy."""
    _copy(destination, source, rights, None)


def mint(destination: Slot, source: Slot, rights: Rights, badge: int) -> None:
    """CNode_Mint: a copy with a badge (notification) or a guard (CNode)."""
    _copy(destination, source, rights, badge)

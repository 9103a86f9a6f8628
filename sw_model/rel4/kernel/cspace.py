"""Capability spaces: from a capability pointer to a slot, and what a derived capability is."""

from dataclasses import replace

from rel4.abi.numbers import SeL4Error

from .capability import (
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    Rights,
    Slot,
    UntypedCap,
    ZombieCap,
)
from .errors import InvocationError, LookupFailure, LookupFault, failed_lookup, range_error

__all__ = [
    "WORD_BITS",
    "derive",
    "derive_from",
    "ensure_empty",
    "lookup",
    "lookup_cap",
    "lookup_slot",
    "mask_rights",
    "resolve",
    "update_data",
]

WORD_BITS = 64


def resolve(root: Capability | None, cptr: int, depth: int) -> tuple[Slot, int]:
    """The slot that the low ``depth`` bits of ``cptr`` lead to, and how many bits were left over
    when the walk met something else than a CNode.

    Raises
    ------
    LookupFailure : the root is no CNode, a guard does not match, or the bits end inside a CNode.
    """
    if not isinstance(root, CNodeCap):
        raise LookupFailure(LookupFault.INVALID_ROOT)
    cap, left = root, depth
    while True:
        radix = cap.cnode.radix
        level = cap.guard_size + radix
        guard = cptr >> max(left - cap.guard_size, 0) & ((1 << cap.guard_size) - 1)
        if cap.guard_size > left or guard != cap.guard:
            raise LookupFailure(LookupFault.GUARD_MISMATCH, left, cap.guard_size, cap.guard)
        if level > left:
            raise LookupFailure(LookupFault.DEPTH_MISMATCH, left, level)
        left -= level
        slot = cap.cnode.slot(cptr >> left & ((1 << radix) - 1))
        if left == 0 or not isinstance(slot.cap, CNodeCap):
            return slot, left
        cap = slot.cap


def lookup(root: Capability | None, cptr: int) -> Slot:
    """The slot that a system call's capability pointer names; bits left over do not count.

    Raises
    ------
    LookupFailure : as `resolve`.
    """
    return resolve(root, cptr, WORD_BITS)[0]


def lookup_slot(
    root: Capability | None, cptr: int, depth: int = WORD_BITS, *, source: bool = False
) -> Slot:
    """The slot that a CNode invocation names by pointer and depth.

    Raises
    ------
    InvocationError : RangeError (depth), FailedLookup with the kind of failure.
    """
    if not isinstance(root, CNodeCap):
        invalid = LookupFailure(LookupFault.INVALID_ROOT)
        raise failed_lookup(invalid, source=source, sentence="the root must be a CNode")
    if not 1 <= depth <= WORD_BITS:
        raise range_error(1, WORD_BITS, f"depth must be 1 to 64, not {depth}")
    try:
        slot, left = resolve(root, cptr, depth)
    except LookupFailure as failure:
        what = (
            f"guard of {cptr:#x} does not match"
            if failure.kind is LookupFault.GUARD_MISMATCH
            else f"depth {failure.bits_left} ends inside a CNode"
        )
        raise failed_lookup(failure, source=source, sentence=what) from None
    if left:
        mismatch = LookupFailure(LookupFault.DEPTH_MISMATCH, left)
        sentence = f"{cptr:#x} leads to no CNode slot"
        raise failed_lookup(mismatch, source=source, sentence=sentence)
    return slot


def lookup_cap(root: Capability | None, cptr: int) -> Slot:
    """The slot of capability pointer ``cptr``; an empty slot is FailedLookup too."""
    slot = lookup_slot(root, cptr)
    if slot.empty:
        failure = LookupFailure(LookupFault.MISSING_CAPABILITY)
        raise failed_lookup(failure, source=False, sentence=f"slot {cptr:#x} is empty")
    return slot


def ensure_empty(slot: Slot) -> None:
    """DeleteFirst unless the slot is empty."""
    if not slot.empty:
        raise InvocationError(SeL4Error.DELETE_FIRST, "destination slot is not empty")


def mask_rights(cap: Capability, rights: Rights) -> Capability:
    """The capability with at most these rights."""
    match cap:
        case EndpointCap():
            return replace(
                cap,
                can_send=cap.can_send and rights.write,
                can_receive=cap.can_receive and rights.read,
                can_grant=cap.can_grant and rights.grant,
                can_grant_reply=cap.can_grant_reply and rights.grant_reply,
            )
        case NotificationCap():
            return replace(
                cap,
                can_send=cap.can_send and rights.write,
                can_receive=cap.can_receive and rights.read,
            )
        case ReplyCap():
            return replace(cap, can_grant=cap.can_grant and rights.grant)
        case FrameCap():
            return replace(cap, rights=cap.rights.masked(rights))
        case _:
            return cap


def update_data(cap: Capability, data: int, *, preserve: bool = False) -> Capability:
    """The capability with a badge (endpoint, notification; once only, and not by Mutate or Rotate)
    or a guard (CNode: bits 5:0 its size, from bit 6 on its value). NullCap if that cannot be."""
    if isinstance(cap, EndpointCap | NotificationCap):
        return NullCap() if preserve or cap.badge else replace(cap, badge=data)
    if isinstance(cap, CNodeCap):
        size = data & 0x3F
        if size + cap.cnode.radix > WORD_BITS:
            return NullCap()
        return replace(cap, guard=data >> 6 & ((1 << size) - 1), guard_size=size)
    return cap


def derive(cap: Capability, rights: Rights, badge: int | None = None) -> Capability:
    """The capability that copying (``badge`` None) or minting makes: never more rights.

    Raises
    ------
    InvocationError : IllegalOperation: it cannot be copied, or not with that badge or guard.
    """
    derived = mask_rights(cap, rights)
    if badge is not None:
        derived = update_data(derived, badge)
        if isinstance(derived, NullCap):
            raise InvocationError(
                SeL4Error.ILLEGAL_OPERATION, "a badged capability has its badge; a guard must fit"
            )
    match derived:
        case ReplyCap() | ZombieCap() | IrqControlCap() | NullCap():
            raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "this capability cannot be copied")
        case FrameCap():
            return replace(derived, mapped=None)
        case PageTableCap() if not derived.is_root and derived.mapped is None:
            raise InvocationError(
                SeL4Error.ILLEGAL_OPERATION, "an unmapped page table cannot be copied"
            )
        case _:
            return derived


def derive_from(slot: Slot, rights: Rights, badge: int | None = None) -> Capability:
    """`derive` from a slot: untyped memory that has children cannot be copied (RevokeFirst)."""
    if isinstance(slot.cap, UntypedCap) and slot.children:
        raise InvocationError(SeL4Error.REVOKE_FIRST, "untyped memory with children")
    return derive(slot.cap, rights, badge)

"""Untyped memory: Retype makes objects, and the kernel never allocates for itself."""

from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.machine.memory import Memory

from . import objects
from .capability import (
    Capability,
    CNodeCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    Slot,
    ThreadCap,
    UntypedCap,
)
from .errors import InvocationError

__all__ = ["FAN_OUT_LIMIT", "object_bits", "retype"]

FAN_OUT_LIMIT = 256
"""Objects that one Retype may make (seL4's default)."""
MIN_UNTYPED_BITS, MAX_UNTYPED_BITS = 4, 38


def object_bits(kind: ObjectType, user_bits: int) -> int:
    """log2 of an object's bytes; ``user_bits`` counts for CNodes (slots) and untyped memory."""
    if kind is ObjectType.CAP_TABLE:
        if not 1 <= user_bits <= MAX_UNTYPED_BITS:
            raise InvocationError(SeL4Error.RANGE_ERROR, f"a CNode of 2**{user_bits} slots")
        return user_bits + objects.CNODE_SLOT_BITS
    if kind is ObjectType.UNTYPED:
        if not MIN_UNTYPED_BITS <= user_bits <= MAX_UNTYPED_BITS:
            raise InvocationError(SeL4Error.RANGE_ERROR, f"untyped memory of 2**{user_bits} bytes")
        return user_bits
    return objects.OBJECT_BITS[kind]


def _make(kind: ObjectType, address: int, user_bits: int) -> Capability:
    match kind:
        case ObjectType.UNTYPED:
            return UntypedCap(objects.Untyped(address, user_bits))
        case ObjectType.TCB:
            return ThreadCap(objects.TCB(address))
        case ObjectType.NOTIFICATION:
            return NotificationCap(objects.Notification(address))
        case ObjectType.CAP_TABLE:
            return CNodeCap(objects.CNode(address, user_bits))
        case ObjectType.RISCV_PAGE_TABLE:
            return PageTableCap(objects.PageTable(address))
        case ObjectType.RISCV_4K_PAGE | ObjectType.RISCV_MEGA_PAGE | ObjectType.RISCV_GIGA_PAGE:
            return FrameCap(objects.Frame(address, objects.OBJECT_BITS[kind]))
        case _:
            raise InvocationError(SeL4Error.INVALID_ARGUMENT, f"{kind.name} cannot be made yet")


def retype(
    source: Slot, kind_word: int, user_bits: int, destinations: list[Slot], memory: Memory
) -> None:
    """Make one object a destination slot from the untyped capability in ``source``.

    Objects are aligned to their size and begin behind what was given away before; their memory is
    zero. All or nothing.

    Raises
    ------
    InvocationError : InvalidArgument (type), RangeError (size or count), DeleteFirst (a destination
        is in use), NotEnoughMemory.
    """
    if not isinstance(source.cap, UntypedCap):
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Retype needs an untyped capability")
    try:
        kind = ObjectType(kind_word)
    except ValueError:
        raise InvocationError(
            SeL4Error.INVALID_ARGUMENT, f"object type {kind_word} does not exist"
        ) from None
    if not 1 <= len(destinations) <= FAN_OUT_LIMIT:
        raise InvocationError(SeL4Error.RANGE_ERROR, f"object count must be 1 to {FAN_OUT_LIMIT}")
    if any(not slot.empty for slot in destinations):
        raise InvocationError(SeL4Error.DELETE_FIRST, "a destination slot is not empty")
    size = 1 << object_bits(kind, user_bits)
    untyped = source.cap.untyped
    start = (untyped.watermark + size - 1) & -size
    end = start + size * len(destinations)
    if end > 1 << untyped.size_bits:
        raise InvocationError(
            SeL4Error.NOT_ENOUGH_MEMORY,
            f"{len(destinations)} objects of {size} bytes do not fit behind byte "
            f"{untyped.watermark} of {1 << untyped.size_bits}",
        )
    caps = [
        _make(kind, untyped.address + start + size * n, user_bits) for n in range(len(destinations))
    ]
    untyped.watermark = end
    memory.clear(untyped.address + start, end - start)
    for slot, cap in zip(destinations, caps, strict=True):
        slot.cap = cap
        slot.parent = source

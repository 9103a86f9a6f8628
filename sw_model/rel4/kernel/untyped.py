"""Untyped memory: Retype makes objects, and the kernel never allocates for itself."""

from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.machine.ops import Clear

from . import mdb, objects
from .capability import (
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    Slot,
    ThreadCap,
    UntypedCap,
)
from .errors import InvocationError, invalid_argument, range_error
from .harts import WORK_UNITS
from .state import State

__all__ = ["FAN_OUT_LIMIT", "object_bits", "retype"]

FAN_OUT_LIMIT = 256
"""Objects that one Retype may make (seL4's default)."""
MIN_UNTYPED_BITS, MAX_UNTYPED_BITS = 4, 38
RESET_CHUNK = WORK_UNITS * 256
"""Bytes cleared between two looks at pending interrupts: seL4 clears 256 at a time and looks after
every hundredth."""
FRAMES = (
    ObjectType.RISCV_4K_PAGE,
    ObjectType.RISCV_MEGA_PAGE,
    ObjectType.RISCV_GIGA_PAGE,
)


def object_bits(kind: ObjectType, user_bits: int) -> int:
    """log2 of an object's bytes; ``user_bits`` counts for CNodes (slots) and untyped memory.

    Raises
    ------
    InvocationError : RangeError (too large), InvalidArgument (too small).
    """
    if user_bits > MAX_UNTYPED_BITS:
        raise range_error(0, MAX_UNTYPED_BITS, f"an object of 2**{user_bits}")
    if kind is ObjectType.CAP_TABLE:
        if user_bits == 0:
            raise invalid_argument(1, "a CNode has at least two slots")
        return user_bits + objects.CNODE_SLOT_BITS
    if kind is ObjectType.UNTYPED:
        if user_bits < MIN_UNTYPED_BITS:
            raise invalid_argument(1, f"untyped memory of 2**{user_bits} bytes")
        return user_bits
    return objects.OBJECT_BITS[kind]


def _make(kind: ObjectType, address: int, user_bits: int, hart: int, *, device: bool) -> Capability:
    match kind:
        case ObjectType.UNTYPED:
            return UntypedCap(objects.Untyped(address, user_bits, device=device))
        case ObjectType.TCB:
            return ThreadCap(objects.TCB(address, f"thread@{address:#x}", affinity=hart))
        case ObjectType.ENDPOINT:
            return EndpointCap(objects.Endpoint(address))
        case ObjectType.NOTIFICATION:
            return NotificationCap(objects.Notification(address))
        case ObjectType.CAP_TABLE:
            return CNodeCap(objects.CNode(address, user_bits))
        case ObjectType.RISCV_PAGE_TABLE:
            return PageTableCap(objects.PageTable(address))
        case _:
            return FrameCap(objects.Frame(address, objects.OBJECT_BITS[kind], device))


async def retype(
    state: State,
    caller: objects.TCB,
    source: Slot,
    kind_word: int,
    user_bits: int,
    destinations: list[Slot],
) -> None:
    """Make one object a destination slot from the untyped capability in ``source``. Threads begin
    on the hart of ``caller``, wherever its call is served.

    Objects are aligned to their size and begin behind what was given away before, or at the
    beginning if everything that was made is gone; the memory is then cleared first. All or nothing.

    Raises
    ------
    InvocationError : InvalidArgument (type, size, device memory), RangeError (size), DeleteFirst (a
        destination is in use), NotEnoughMemory.
    Preempted : while memory is cleared.
    """
    cap = source.cap
    assert isinstance(cap, UntypedCap)  # the dispatch table says so
    untyped = cap.untyped
    try:
        kind = ObjectType(kind_word)
    except ValueError:
        raise invalid_argument(0, f"object type {kind_word} does not exist") from None
    bits = object_bits(kind, user_bits)
    if any(not slot.empty for slot in destinations):
        raise InvocationError(SeL4Error.DELETE_FIRST, "a destination slot is not empty")
    size, count = 1 << bits, len(destinations)
    fresh = not source.children
    used = 0 if fresh else untyped.watermark
    free = (1 << untyped.size_bits) - used
    start = (untyped.address + used + size - 1) // size * size
    end = start + size * count
    if free >> bits < count or end > untyped.address + (1 << untyped.size_bits):
        raise InvocationError(
            SeL4Error.NOT_ENOUGH_MEMORY,
            f"{count} objects of {size} bytes do not fit behind byte {used} of "
            f"{1 << untyped.size_bits}",
            (free,),
        )
    if untyped.device and kind not in FRAMES and kind is not ObjectType.UNTYPED:
        raise invalid_argument(1, "device memory makes frames and untyped memory only")
    if fresh:
        await _reset(state, untyped)
    untyped.watermark = end - untyped.address
    for number, slot in enumerate(destinations):
        address = start + size * number
        made = _make(kind, address, user_bits, caller.affinity, device=untyped.device)
        mdb.insert_new(slot, made, source)


async def _reset(state: State, untyped: objects.Untyped) -> None:
    """Clear what was given away, from its end on, with preemption points."""
    if untyped.device:
        untyped.watermark = 0
    while untyped.watermark:
        start = max(untyped.watermark - RESET_CHUNK, 0) // 8 * 8
        await Clear(untyped.address + start, untyped.watermark - start)
        untyped.watermark = start
        state.harts.work_units += WORK_UNITS
        await state.harts.preemption_point()

"""What travels with IPC: message registers, badge, capabilities, fault messages."""

from dataclasses import replace

from rel4.abi.message import MAX_MESSAGE, REGISTER_MESSAGE, IpcBuffer, MessageInfo
from rel4.machine.ops import Load, Registers, Store

from . import mdb
from .arguments import Arguments
from .capability import EndpointCap, Rights, Slot
from .cspace import derive_from, lookup, lookup_slot
from .errors import InvocationError, LookupFailure
from .objects import TCB, Endpoint

__all__ = ["extra_slots", "fetch_arguments", "give", "receive_slot", "transfer"]


async def extra_slots(tcb: TCB, count: int) -> list[Slot]:
    """The slots of the extra capabilities of a message.

    Raises
    ------
    LookupFailure : with the pointer that failed.
    """
    slots: list[Slot] = []
    if tcb.ipc_buffer is None:
        return slots
    for index in range(count):
        cptr = await Load(tcb.ipc_buffer + IpcBuffer.cap(index))
        try:
            slots.append(lookup(tcb.ctable.cap, cptr))
        except LookupFailure as failure:
            failure.address = cptr
            raise
    return slots


async def fetch_arguments(caller: TCB, info: MessageInfo, registers: tuple[int, ...]) -> Arguments:
    """The arguments of an invocation: the first four message registers come from CPU registers, the
    rest and the extra capabilities from the caller's IPC buffer.

    Raises
    ------
    LookupFailure : a pointer of an extra capability leads nowhere.
    """
    extra = await extra_slots(caller, info.extra_caps)
    values = list(registers[: min(info.length, REGISTER_MESSAGE)])
    if caller.ipc_buffer is not None:
        for index in range(REGISTER_MESSAGE, info.length):
            values.append(await Load(caller.ipc_buffer + IpcBuffer.message(index)))
    return Arguments(caller, values, info.length, extra)


async def receive_slot(tcb: TCB) -> Slot | None:
    """The empty slot that a receiver named in its IPC buffer, if it named one."""
    if tcb.receive_buffer is None:
        return None
    base = tcb.receive_buffer + IpcBuffer.RECEIVE
    root, index, depth = [await Load(base + 8 * n) for n in range(3)]
    try:
        node = lookup(tcb.ctable.cap, root).cap
        slot = lookup_slot(node, index, depth)
    except (LookupFailure, InvocationError):
        return None
    return slot if slot.empty else None


def give(tcb: TCB, badge: int, info: MessageInfo, words: tuple[int, ...]) -> None:
    """Put badge, message information and the first message registers into a thread's registers."""
    assert tcb.context is not None  # it is in a system call
    padded = (*words, 0, 0, 0, 0)
    message = (padded[0], padded[1], padded[2], padded[3])
    tcb.context.registers = replace(Registers(), cap=badge, info=info.word(), message=message)


async def transfer(
    sender: TCB, receiver: TCB, endpoint: Endpoint | None, badge: int, *, grant: bool
) -> None:
    """Copy the sender's message, or the message of its fault, to the receiver."""
    if sender.fault is not None:
        words = sender.fault.message(sender)
        info = MessageInfo(sender.fault.label, await _put_words(receiver, words))
        give(receiver, badge, info, words)
        return
    assert sender.context is not None  # it is in a system call
    registers = sender.context.registers
    sent = MessageInfo.from_word(registers.info)
    slots: list[Slot] = []
    if grant:
        try:
            slots = await extra_slots(sender, sent.extra_caps)
        except LookupFailure:
            slots = []  # a reply goes without; a send was refused before
    length = await _copy_words(sender, receiver, sent.length)
    extra, unwrapped = await _transfer_caps(slots, endpoint, receiver)
    info = MessageInfo(sent.label, length, extra, unwrapped)
    give(receiver, badge, info, registers.message[: min(length, REGISTER_MESSAGE)])


async def _copy_words(sender: TCB, receiver: TCB, length: int) -> int:
    """Copy message registers beyond the first four; returns how many arrive in all."""
    source, destination = sender.ipc_buffer, receiver.receive_buffer
    if length <= REGISTER_MESSAGE or source is None or destination is None:
        return min(length, REGISTER_MESSAGE)
    for index in range(REGISTER_MESSAGE, length):
        word = await Load(source + IpcBuffer.message(index))
        await Store(destination + IpcBuffer.message(index), word)
    return length


async def _put_words(receiver: TCB, words: tuple[int, ...]) -> int:
    """Write message registers beyond the first four; returns how many arrive in all."""
    if receiver.receive_buffer is None:
        return min(len(words), REGISTER_MESSAGE)
    for index, word in enumerate(words[REGISTER_MESSAGE:], start=REGISTER_MESSAGE):
        await Store(receiver.receive_buffer + IpcBuffer.message(index), word)
    return min(len(words), MAX_MESSAGE)


async def _transfer_caps(
    slots: list[Slot], endpoint: Endpoint | None, receiver: TCB
) -> tuple[int, int]:
    """Hand capabilities over; returns how many arrived and which of them as badges.

    A capability to the very endpoint of the message arrives as its badge ("unwrapped"); one other
    capability arrives in the slot that the receiver named. The first that cannot ends it.
    """
    buffer = receiver.receive_buffer
    if buffer is None:
        return 0, 0
    destination = await receive_slot(receiver) if slots else None
    unwrapped = 0
    for index, slot in enumerate(slots):
        cap = slot.cap
        if isinstance(cap, EndpointCap) and cap.endpoint is endpoint:
            await Store(buffer + IpcBuffer.cap(index), cap.badge)
            unwrapped |= 1 << index
            continue
        if destination is None:
            return index, unwrapped
        try:
            derived = derive_from(slot, Rights())
        except InvocationError:
            return index, unwrapped
        mdb.insert_copy(destination, derived, slot)
        destination = None
    return len(slots), unwrapped

"""Synchronous invocations: arguments from message registers, then the object's own function."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rel4.abi.message import MAX_EXTRA_CAPS, REGISTER_MESSAGE, IpcBuffer, MessageInfo
from rel4.abi.numbers import Invocation, SeL4Error
from rel4.abi.syscall_buffer import BufferError, SyscallBuffer
from rel4.machine.ops import Load, Store

from . import cspace, tcb, untyped, vspace
from .capability import (
    Capability,
    CNodeCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    Rights,
    Slot,
    ThreadCap,
    UntypedCap,
)
from .errors import InvocationError
from .objects import TCB

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .kernel import Kernel

__all__ = ["Arguments", "invoke"]


class Arguments:
    """Message registers and extra capabilities of one invocation.

    The first four message registers come from CPU registers, the rest and the extra capabilities
    from the caller's IPC buffer, each read once.
    """

    def __init__(self, caller: TCB, info: MessageInfo, registers: tuple[int, ...]) -> None:
        self.caller = caller
        self._info = info
        self._registers = registers

    async def words(self, count: int) -> list[int]:
        """The first ``count`` message registers; TruncatedMessage if there are fewer."""
        if self._info.length < count:
            raise InvocationError(
                SeL4Error.TRUNCATED_MESSAGE,
                f"{count} message registers are needed, {self._info.length} were sent",
            )
        values = list(self._registers[: min(count, REGISTER_MESSAGE)])
        for index in range(REGISTER_MESSAGE, count):
            values.append(await self._buffer(IpcBuffer.message(index)))
        return values

    async def slot(self, index: int) -> Slot:
        """The slot of extra capability ``index``."""
        if index >= min(self._info.extra_caps, MAX_EXTRA_CAPS):
            raise InvocationError(
                SeL4Error.TRUNCATED_MESSAGE, f"extra capability {index} was not sent"
            )
        return cspace.lookup_cap(self.caller.cspace, await self._buffer(IpcBuffer.cap(index)))

    async def cap(self, index: int) -> Capability:
        """Extra capability ``index``."""
        return (await self.slot(index)).cap

    async def _buffer(self, offset: int) -> int:
        if self.caller.ipc_buffer is None:
            raise InvocationError(SeL4Error.TRUNCATED_MESSAGE, "the thread has no IPC buffer")
        return await Load(self.caller.ipc_buffer + offset)


Result = tuple[int, ...]


async def invoke(
    kernel: "Kernel", hart: "Hart", slot: Slot, label: int, arguments: Arguments
) -> Result:
    """Perform invocation ``label`` on the capability in ``slot``; answers message registers.

    Raises
    ------
    InvocationError : with the seL4 error; nothing was changed.
    """
    try:
        invocation = Invocation(label)
    except ValueError:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, f"no invocation {label}") from None
    function = _TABLE.get((type(slot.cap), invocation))
    if function is None:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION,
            f"{type(slot.cap).__name__} has no invocation {invocation.name}",
        )
    return await function(kernel, hart, slot, arguments)


async def _untyped_retype(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    kind, size_bits, index, depth, offset, count = await arguments.words(6)
    root = await arguments.cap(0)
    node: Capability = root if depth == 0 else cspace.lookup_slot(root, index, depth).cap
    if not isinstance(node, CNodeCap):
        raise InvocationError(SeL4Error.FAILED_LOOKUP, "the destination is no CNode")
    slots = 1 << node.cnode.radix
    if not 1 <= count <= untyped.FAN_OUT_LIMIT or offset + count > slots:
        raise InvocationError(
            SeL4Error.RANGE_ERROR,
            f"{count} objects from slot {offset} on do not fit "
            f"(at most {untyped.FAN_OUT_LIMIT}, {slots} slots)",
        )
    destinations = [node.cnode.slot(offset + n) for n in range(count)]
    untyped.retype(slot, kind, size_bits, destinations, kernel.machine.memory)
    return ()


async def _destination_and_source(
    slot: Slot, arguments: Arguments, words: int
) -> tuple[Slot, Slot, list[int]]:
    values = await arguments.words(words)
    index, depth, source_index, source_depth = values[:4]
    source_root = await arguments.cap(0)
    destination = cspace.lookup_slot(slot.cap, index, depth)
    source = cspace.lookup_slot(source_root, source_index, source_depth)
    return destination, source, values[4:]


async def _cnode_copy(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    destination, source, (rights,) = await _destination_and_source(slot, arguments, 5)
    cspace.copy(destination, source, Rights.from_word(rights))
    return ()


async def _cnode_mint(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    destination, source, (rights, badge) = await _destination_and_source(slot, arguments, 6)
    cspace.mint(destination, source, Rights.from_word(rights), badge)
    return ()


async def _bind(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    tcb.bind_notification(slot.cap, await arguments.cap(0))
    return ()


async def _unbind(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    tcb.unbind_notification(slot.cap)
    return ()


async def _page_table_map(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    virtual, _attributes = await arguments.words(2)
    await vspace.page_table_map(slot, await arguments.cap(0), virtual)
    return ()


async def _page_table_unmap(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    await vspace.page_table_unmap(slot)
    return ()


async def _page_map(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    virtual, rights, attributes = await arguments.words(3)
    space = await arguments.cap(0)
    await vspace.page_map(slot, space, virtual, Rights.from_word(rights), attributes)
    return ()


async def _page_unmap(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    await vspace.page_unmap(slot)
    return ()


async def _page_get_address(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    return (vspace.page_get_address(slot),)


def _notification(slot: Slot) -> NotificationCap:
    assert isinstance(slot.cap, NotificationCap)  # the dispatch table says so
    return slot.cap


async def _register_receiver(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    thread = await arguments.cap(0)
    if not isinstance(thread, ThreadCap) or thread.tcb is not arguments.caller:
        raise InvocationError(
            SeL4Error.INVALID_CAPABILITY, "the receiver must be the calling thread's own TCB"
        )
    cap = _notification(slot)
    if not cap.can_receive:
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "the capability cannot receive")
    await kernel.uintr.register_receiver(hart.index, thread.tcb, cap.notification)
    return ()


def _sender(slot: Slot) -> NotificationCap:
    cap = _notification(slot)
    if not cap.can_send:
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "the capability cannot send")
    return cap


async def _register_sender(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    cap = _sender(slot)
    index = await kernel.uintr.register_sender(arguments.caller, cap.notification, cap.badge)
    if arguments.caller.ipc_buffer is not None:
        await Store(arguments.caller.ipc_buffer + IpcBuffer.UINTR_FLAG, index)
    return (index,)


async def _register_async_syscall(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    cap = _sender(slot)
    (number,) = await arguments.words(1)
    frame = await arguments.cap(0)
    if not isinstance(frame, FrameCap):
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "the syscall buffer must be a frame")
    if arguments.caller.handler is not None:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the thread has a handler already")
    try:
        buffer = await SyscallBuffer.attach(frame.frame.address, 1 << frame.frame.size_bits)
    except BufferError as error:
        raise InvocationError(SeL4Error.INVALID_ARGUMENT, str(error)) from error
    if number >= len(kernel.policies):
        raise InvocationError(
            SeL4Error.RANGE_ERROR, f"policy must be below {len(kernel.policies)}, not {number}"
        )
    policy = kernel.policies[number]
    entry = await kernel.uintr.register_kernel_sender(cap.notification, cap.badge)
    handler = kernel.runtime.spawn(arguments.caller, buffer, entry, policy)
    sender = await policy.register(kernel, handler)
    arguments.caller.handler = handler
    return (handler.cid, 0 if sender is None else 1, sender or 0)


_Function = Callable[["Kernel", "Hart", Slot, Arguments], Awaitable[Result]]
_TABLE: dict[tuple[type[Capability], Invocation], _Function] = {
    (UntypedCap, Invocation.UNTYPED_RETYPE): _untyped_retype,
    (CNodeCap, Invocation.CNODE_COPY): _cnode_copy,
    (CNodeCap, Invocation.CNODE_MINT): _cnode_mint,
    (ThreadCap, Invocation.TCB_BIND_NOTIFICATION): _bind,
    (ThreadCap, Invocation.TCB_UNBIND_NOTIFICATION): _unbind,
    (PageTableCap, Invocation.RISCV_PAGE_TABLE_MAP): _page_table_map,
    (PageTableCap, Invocation.RISCV_PAGE_TABLE_UNMAP): _page_table_unmap,
    (FrameCap, Invocation.RISCV_PAGE_MAP): _page_map,
    (FrameCap, Invocation.RISCV_PAGE_UNMAP): _page_unmap,
    (FrameCap, Invocation.RISCV_PAGE_GET_ADDRESS): _page_get_address,
    (NotificationCap, Invocation.UINTR_REGISTER_RECEIVER): _register_receiver,
    (NotificationCap, Invocation.UINTR_REGISTER_SENDER): _register_sender,
    (NotificationCap, Invocation.UINTR_REGISTER_ASYNC_SYSCALL): _register_async_syscall,
}

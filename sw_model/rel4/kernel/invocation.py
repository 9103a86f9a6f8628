"""Invocations: arguments from message registers, then the object's own function."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rel4.abi.message import MAX_EXTRA_CAPS, REGISTER_MESSAGE, IpcBuffer, MessageInfo
from rel4.abi.numbers import Invocation, SeL4Error
from rel4.machine.ops import Load

from . import asid, cnode, cspace, irq, tcb, uintr_invocations, untyped, vspace
from .capability import (
    AsidControlCap,
    AsidPoolCap,
    Capability,
    CNodeCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    Rights,
    Slot,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from .errors import (
    InvocationError,
    LookupFailure,
    LookupFault,
    failed_lookup,
    invalid_capability,
    range_error,
)
from .objects import TCB
from .transfer import extra_slots

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .kernel import Kernel

__all__ = ["IN_PATH", "Arguments", "invoke"]


class Arguments:
    """Message registers and extra capabilities of one invocation, fetched.

    Parameters
    ----------
    caller : thread whose message it is
    values : message registers that were sent and could be read
    length : message registers that were sent
    extra : slots of the extra capabilities, looked up
    """

    def __init__(self, caller: TCB, values: list[int], length: int, extra: list[Slot]) -> None:
        self.caller = caller
        self._values = values
        self._length = length
        self._extra = extra[:MAX_EXTRA_CAPS]

    @classmethod
    async def fetch(cls, caller: TCB, info: MessageInfo, registers: tuple[int, ...]) -> "Arguments":
        """The first four message registers come from CPU registers, the rest and the extra
        capabilities from the caller's IPC buffer.

        Raises
        ------
        LookupFailure : a pointer of an extra capability leads nowhere.
        """
        extra = await extra_slots(caller, info.extra_caps)
        values = list(registers[: min(info.length, REGISTER_MESSAGE)])
        if caller.ipc_buffer is not None:
            for index in range(REGISTER_MESSAGE, info.length):
                values.append(await Load(caller.ipc_buffer + IpcBuffer.message(index)))
        return cls(caller, values, info.length, extra)

    async def words(self, count: int) -> list[int]:
        """The first ``count`` message registers; TruncatedMessage if there are fewer."""
        if len(self._values) < count:
            raise InvocationError(
                SeL4Error.TRUNCATED_MESSAGE,
                f"{count} message registers are needed, {self._length} were sent",
            )
        return self._values[:count]

    async def slot(self, index: int) -> Slot:
        """The slot of extra capability ``index``."""
        if index >= len(self._extra):
            raise InvocationError(
                SeL4Error.TRUNCATED_MESSAGE, f"extra capability {index} was not sent"
            )
        return self._extra[index]

    async def cap(self, index: int) -> Capability:
        """Extra capability ``index``."""
        return (await self.slot(index)).cap


Result = tuple[int, ...]


async def invoke(
    kernel: "Kernel", hart: "Hart", slot: Slot, label: int, arguments: Arguments
) -> Result:
    """Perform invocation ``label`` on the capability in ``slot``; answers message registers.

    Raises
    ------
    InvocationError : with the seL4 error; nothing was changed.
    Preempted : an interrupt is pending in a long operation; the same call goes on.
    """
    if isinstance(slot.cap, NullCap | ZombieCap):
        raise invalid_capability(0, "there is no capability to invoke")
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


# --- untyped memory -------------------------------------------------------------------------------


async def _untyped_retype(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    kind, size_bits, index, depth, offset, count = await arguments.words(6)
    root = await arguments.cap(0)
    node: Capability = root if depth == 0 else cspace.lookup_slot(root, index, depth).cap
    if not isinstance(node, CNodeCap):
        failure = LookupFailure(LookupFault.MISSING_CAPABILITY, depth)
        raise failed_lookup(failure, source=False, sentence="the destination is no CNode")
    slots = 1 << node.cnode.radix
    if offset >= slots:
        raise range_error(0, slots - 1, f"slot {offset} of {slots}")
    most = min(untyped.FAN_OUT_LIMIT, slots - offset)
    if not 1 <= count <= most:
        raise range_error(1, most, f"{count} objects at once")
    destinations = [node.cnode.slot(offset + n) for n in range(count)]
    await untyped.retype(kernel, slot, kind, size_bits, destinations)
    return ()


# --- threads --------------------------------------------------------------------------------------


async def _bind(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    tcb.bind_notification(slot.cap, await arguments.cap(0))
    return ()


async def _unbind(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    await tcb.unbind_notification(kernel, slot.cap)
    return ()


# --- address spaces -------------------------------------------------------------------------------


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


async def _make_pool(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    index, depth = await arguments.words(2)
    source, root = await arguments.slot(0), await arguments.cap(1)
    asid.make_pool(kernel, source, cspace.lookup_slot(root, index, depth))
    return ()


async def _assign(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    assert isinstance(slot.cap, AsidPoolCap)  # the dispatch table says so
    asid.assign(kernel, slot.cap.pool, await arguments.slot(0))
    return ()


# --- interrupts -----------------------------------------------------------------------------------


async def _get_irq(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    number, index, depth = await arguments.words(3)
    root = await arguments.cap(0)
    irq.check(kernel, number)
    destination = cspace.lookup_slot(root, index, depth)
    cspace.ensure_empty(destination)
    irq.get(kernel, slot, number, destination)
    return ()


async def _acknowledge(kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments) -> Result:
    assert isinstance(slot.cap, IrqHandlerCap)  # the dispatch table says so
    irq.acknowledge(kernel, slot.cap.irq)
    return ()


async def _set_irq_notification(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    assert isinstance(slot.cap, IrqHandlerCap)  # the dispatch table says so
    await irq.set_notification(kernel, slot.cap.irq, await arguments.slot(0))
    return ()


async def _clear_irq_notification(
    kernel: "Kernel", hart: "Hart", slot: Slot, arguments: Arguments
) -> Result:
    assert isinstance(slot.cap, IrqHandlerCap)  # the dispatch table says so
    await irq.clear_notification(kernel, slot.cap.irq)
    return ()


_Function = Callable[["Kernel", "Hart", Slot, Arguments], Awaitable[Result]]
_TABLE: dict[tuple[type[Capability], Invocation], _Function] = {
    (UntypedCap, Invocation.UNTYPED_RETYPE): _untyped_retype,
    (CNodeCap, Invocation.CNODE_REVOKE): cnode.revoke,
    (CNodeCap, Invocation.CNODE_DELETE): cnode.delete,
    (CNodeCap, Invocation.CNODE_CANCEL_BADGED_SENDS): cnode.cancel_badged_sends,
    (CNodeCap, Invocation.CNODE_COPY): cnode.copy,
    (CNodeCap, Invocation.CNODE_MINT): cnode.mint,
    (CNodeCap, Invocation.CNODE_MOVE): cnode.move,
    (CNodeCap, Invocation.CNODE_MUTATE): cnode.mutate,
    (CNodeCap, Invocation.CNODE_ROTATE): cnode.rotate,
    (CNodeCap, Invocation.CNODE_SAVE_CALLER): cnode.save_caller,
    (ThreadCap, Invocation.TCB_READ_REGISTERS): tcb.read_registers,
    (ThreadCap, Invocation.TCB_WRITE_REGISTERS): tcb.write_registers,
    (ThreadCap, Invocation.TCB_COPY_REGISTERS): tcb.copy_registers,
    (ThreadCap, Invocation.TCB_CONFIGURE): tcb.configure,
    (ThreadCap, Invocation.TCB_SET_PRIORITY): tcb.set_priority,
    (ThreadCap, Invocation.TCB_SET_MC_PRIORITY): tcb.set_mc_priority,
    (ThreadCap, Invocation.TCB_SET_SCHED_PARAMS): tcb.set_sched_params,
    (ThreadCap, Invocation.TCB_SET_IPC_BUFFER): tcb.set_ipc_buffer,
    (ThreadCap, Invocation.TCB_SET_SPACE): tcb.set_space,
    (ThreadCap, Invocation.TCB_SUSPEND): tcb.suspend,
    (ThreadCap, Invocation.TCB_RESUME): tcb.resume,
    (ThreadCap, Invocation.TCB_BIND_NOTIFICATION): _bind,
    (ThreadCap, Invocation.TCB_UNBIND_NOTIFICATION): _unbind,
    (ThreadCap, Invocation.TCB_SET_AFFINITY): tcb.set_affinity,
    (ThreadCap, Invocation.TCB_SET_TLS_BASE): tcb.set_tls_base,
    (IrqControlCap, Invocation.IRQ_ISSUE_IRQ_HANDLER): _get_irq,
    (IrqHandlerCap, Invocation.IRQ_ACK_IRQ): _acknowledge,
    (IrqHandlerCap, Invocation.IRQ_SET_IRQ_HANDLER): _set_irq_notification,
    (IrqHandlerCap, Invocation.IRQ_CLEAR_IRQ_HANDLER): _clear_irq_notification,
    (PageTableCap, Invocation.RISCV_PAGE_TABLE_MAP): _page_table_map,
    (PageTableCap, Invocation.RISCV_PAGE_TABLE_UNMAP): _page_table_unmap,
    (FrameCap, Invocation.RISCV_PAGE_MAP): _page_map,
    (FrameCap, Invocation.RISCV_PAGE_UNMAP): _page_unmap,
    (FrameCap, Invocation.RISCV_PAGE_GET_ADDRESS): _page_get_address,
    (AsidControlCap, Invocation.RISCV_ASID_CONTROL_MAKE_POOL): _make_pool,
    (AsidPoolCap, Invocation.RISCV_ASID_POOL_ASSIGN): _assign,
    (NotificationCap, Invocation.UINTR_REGISTER_RECEIVER): uintr_invocations.register_receiver,
    (NotificationCap, Invocation.UINTR_REGISTER_SENDER): uintr_invocations.register_sender,
    (NotificationCap, Invocation.UINTR_REGISTER_ASYNC_SYSCALL): (
        uintr_invocations.register_async_syscall
    ),
}

IN_PATH = {
    Invocation.CNODE_COPY,
    Invocation.CNODE_MINT,
    Invocation.TCB_BIND_NOTIFICATION,
    Invocation.RISCV_PAGE_TABLE_MAP,
    Invocation.RISCV_PAGE_TABLE_UNMAP,
    Invocation.RISCV_PAGE_MAP,
    Invocation.RISCV_PAGE_UNMAP,
    Invocation.RISCV_PAGE_GET_ADDRESS,
    Invocation.UINTR_REGISTER_RECEIVER,
    Invocation.UINTR_REGISTER_SENDER,
    Invocation.UINTR_REGISTER_ASYNC_SYSCALL,
}
"""Invocations whose memory accesses are part of the calibrated cost of an invocation. What others
do in memory comes on top of it."""

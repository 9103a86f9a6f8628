"""Invocations: arguments from message registers, then the object's own function."""

from collections.abc import Awaitable, Callable

from rel4.abi.numbers import Invocation, SeL4Error

from . import asid, cnode, cspace, irq, tcb, uintr_invocations, untyped, vspace
from .arguments import Arguments
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
from .state import State

__all__ = ["IN_PATH", "invoke"]


Result = tuple[int, ...]


async def invoke(state: State, slot: Slot, label: int, arguments: Arguments) -> Result:
    """Perform invocation ``label`` on the capability in ``slot``; returns message registers.

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
    return await function(state, slot, arguments)


# --- untyped memory -------------------------------------------------------------------------------


async def _untyped_retype(state: State, slot: Slot, arguments: Arguments) -> Result:
    kind, size_bits, index, depth, offset, count = arguments.words(6)
    root = arguments.cap(0)
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
    await untyped.retype(state, arguments.caller, slot, kind, size_bits, destinations)
    return ()


# --- threads --------------------------------------------------------------------------------------


async def _bind(state: State, slot: Slot, arguments: Arguments) -> Result:
    tcb.bind_notification(slot.cap, arguments.cap(0))
    return ()


async def _unbind(state: State, slot: Slot, arguments: Arguments) -> Result:
    await tcb.unbind_notification(state, slot.cap)
    return ()


# --- address spaces -------------------------------------------------------------------------------


async def _page_table_map(state: State, slot: Slot, arguments: Arguments) -> Result:
    virtual, _attributes = arguments.words(2)
    await vspace.page_table_map(slot, arguments.cap(0), virtual)
    return ()


async def _page_table_unmap(state: State, slot: Slot, arguments: Arguments) -> Result:
    await vspace.page_table_unmap(slot)
    return ()


async def _page_map(state: State, slot: Slot, arguments: Arguments) -> Result:
    virtual, rights, attributes = arguments.words(3)
    space = arguments.cap(0)
    await vspace.page_map(slot, space, virtual, Rights.from_word(rights), attributes)
    return ()


async def _page_unmap(state: State, slot: Slot, arguments: Arguments) -> Result:
    await vspace.page_unmap(slot)
    return ()


async def _page_get_address(state: State, slot: Slot, arguments: Arguments) -> Result:
    return (vspace.page_get_address(slot),)


async def _make_pool(state: State, slot: Slot, arguments: Arguments) -> Result:
    index, depth = arguments.words(2)
    source, root = arguments.slot(0), arguments.cap(1)
    asid.make_pool(state, source, cspace.lookup_slot(root, index, depth))
    return ()


async def _assign(state: State, slot: Slot, arguments: Arguments) -> Result:
    assert isinstance(slot.cap, AsidPoolCap)  # the dispatch table says so
    account = arguments.caller.account
    quota = arguments.optional_word(0)
    if quota:
        account = account.child(quota)
    asid.assign(state, slot.cap.pool, arguments.slot(0), account)
    return ()


# --- interrupts -----------------------------------------------------------------------------------


async def _get_irq(state: State, slot: Slot, arguments: Arguments) -> Result:
    number, index, depth = arguments.words(3)
    root = arguments.cap(0)
    irq.check(state, number)
    destination = cspace.lookup_slot(root, index, depth)
    cspace.ensure_empty(destination)
    irq.get(state, slot, number, destination)
    return ()


async def _acknowledge(state: State, slot: Slot, arguments: Arguments) -> Result:
    assert isinstance(slot.cap, IrqHandlerCap)  # the dispatch table says so
    irq.acknowledge(state, slot.cap.irq)
    return ()


async def _set_irq_notification(state: State, slot: Slot, arguments: Arguments) -> Result:
    assert isinstance(slot.cap, IrqHandlerCap)  # the dispatch table says so
    await irq.set_notification(state, slot.cap.irq, arguments.slot(0))
    return ()


async def _clear_irq_notification(state: State, slot: Slot, arguments: Arguments) -> Result:
    assert isinstance(slot.cap, IrqHandlerCap)  # the dispatch table says so
    await irq.clear_notification(state, slot.cap.irq)
    return ()


_Function = Callable[[State, Slot, Arguments], Awaitable[Result]]
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

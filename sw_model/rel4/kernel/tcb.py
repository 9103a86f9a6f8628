"""TCB invocations."""

from rel4.abi.message import IPC_BUFFER_BYTES
from rel4.abi.numbers import SeL4Error

from . import deletion, mdb, notification, registers, thread
from .arguments import Arguments
from .capability import (
    Capability,
    CNodeCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    Rights,
    Slot,
    ThreadCap,
)
from .cspace import derive_from, update_data
from .errors import InvocationError, invalid_capability, range_error
from .objects import TCB
from .state import State

__all__ = [
    "bind_notification",
    "configure",
    "copy_registers",
    "read_registers",
    "resume",
    "set_affinity",
    "set_ipc_buffer",
    "set_mc_priority",
    "set_priority",
    "set_sched_params",
    "set_space",
    "set_tls_base",
    "suspend",
    "unbind_notification",
    "write_registers",
]

Result = tuple[int, ...]
IPC_BUFFER_BITS = 10
"""An IPC buffer is aligned to 1 KiB."""
FRAME_REGISTERS = 16
ALL_RIGHTS = Rights()


def _tcb(slot: Slot) -> TCB:
    assert isinstance(slot.cap, ThreadCap)  # the dispatch table says so
    return slot.cap.tcb


# --- address space, capability space, IPC buffer --------------------------------------------------


def _space(slot: Slot, data: int) -> Capability:
    cap = derive_from(slot, ALL_RIGHTS)
    return update_data(cap, data) if data else cap


def _spaces(arguments: Arguments, cdata: int, vdata: int) -> list[tuple[Capability, Slot]]:
    """New CSpace and VSpace root with the slots that they come from, checked."""
    croot, vroot = arguments.slot(0), arguments.slot(1)
    cspace, vspace = _space(croot, cdata), _space(vroot, vdata)
    if not isinstance(cspace, CNodeCap):
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "a CSpace root must be a CNode")
    if not isinstance(vspace, PageTableCap) or not vspace.is_root:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "a VSpace root must have an identifier")
    return [(cspace, croot), (vspace, vroot)]


def _frame(source: Slot, address: int) -> Capability:
    cap = derive_from(source, ALL_RIGHTS)
    if not isinstance(cap, FrameCap) or cap.frame.device:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "an IPC buffer must be an ordinary frame"
        )
    if address & ((1 << IPC_BUFFER_BITS) - 1):
        raise InvocationError(
            SeL4Error.ALIGNMENT_ERROR, f"an IPC buffer must be 1 KiB aligned, not {address:#x}"
        )
    # Its last words lie behind 1 KiB, so alignment alone does not keep it in the frame.
    size = 1 << cap.frame.size_bits
    if address % size + IPC_BUFFER_BYTES > size:
        raise InvocationError(
            SeL4Error.ALIGNMENT_ERROR,
            f"an IPC buffer of {IPC_BUFFER_BYTES} bytes must lie within its frame of {size:#x}, "
            f"and does not at {address:#x}",
        )
    return cap


async def _install(
    state: State, tcb: TCB, target: Slot, invoked: Slot, cap: Capability, source: Slot
) -> None:
    """Replace a slot of a TCB. Deleting what was there may have deleted what is to come, or the
    thread itself."""
    await deletion.delete(state, target)
    same = mdb.object_of(source.cap) is mdb.object_of(cap) and not source.empty
    if same and isinstance(invoked.cap, ThreadCap) and invoked.cap.tcb is tcb:
        mdb.insert_copy(target, cap, source)


async def _set_buffer(
    state: State, tcb: TCB, invoked: Slot, address: int, new: tuple[Capability, Slot] | None
) -> None:
    await deletion.delete(state, tcb.buffer)
    tcb.buffer_address = address
    if new is not None:
        await _install(state, tcb, tcb.buffer, invoked, *new)


async def configure(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_Configure: fault endpoint, CSpace, VSpace and IPC buffer."""
    fault_endpoint, cdata, vdata, address = arguments.words(4)
    source = arguments.slot(2)
    buffer = (_frame(source, address), source) if address else None
    spaces = _spaces(arguments, cdata, vdata)
    tcb = _tcb(slot)
    await state.harts.stall_thread(tcb)
    tcb.fault_handler = fault_endpoint
    for target, (cap, origin) in zip((tcb.ctable, tcb.vtable), spaces, strict=True):
        await _install(state, tcb, target, slot, cap, origin)
    await _set_buffer(state, tcb, slot, address, buffer)
    return ()


async def set_space(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetSpace: fault endpoint, CSpace and VSpace."""
    fault_endpoint, cdata, vdata = arguments.words(3)
    spaces = _spaces(arguments, cdata, vdata)
    tcb = _tcb(slot)
    await state.harts.stall_thread(tcb)
    tcb.fault_handler = fault_endpoint
    for target, (cap, origin) in zip((tcb.ctable, tcb.vtable), spaces, strict=True):
        await _install(state, tcb, target, slot, cap, origin)
    return ()


async def set_ipc_buffer(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetIPCBuffer; address 0 takes the buffer away."""
    (address,) = arguments.words(1)
    source = arguments.slot(0)
    new = (_frame(source, address), source) if address else None
    await state.harts.stall_thread(_tcb(slot))
    await _set_buffer(state, _tcb(slot), slot, address, new)
    return ()


# --- scheduling -----------------------------------------------------------------------------------


def _checked(arguments: Arguments, priority: int) -> int:
    """A priority that the authority, extra capability 0, may give."""
    authority = arguments.cap(0)
    if not isinstance(authority, ThreadCap):
        raise invalid_capability(1, "the authority must be a thread")
    if priority > authority.tcb.mcp:
        raise range_error(
            0, authority.tcb.mcp, f"priority {priority} is above the authority's maximum"
        )
    return priority


async def set_priority(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetPriority."""
    (priority,) = arguments.words(1)
    await thread.set_priority(state, _tcb(slot), _checked(arguments, priority))
    return ()


async def set_mc_priority(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetMCPriority."""
    (priority,) = arguments.words(1)
    _tcb(slot).mcp = _checked(arguments, priority)
    return ()


async def set_sched_params(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetSchedParams: maximum controlled priority and priority."""
    mcp, priority = arguments.words(2)
    _checked(arguments, mcp)
    _checked(arguments, priority)
    _tcb(slot).mcp = mcp
    await thread.set_priority(state, _tcb(slot), priority)
    return ()


async def set_affinity(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetAffinity."""
    (number,) = arguments.words(1)
    if number >= len(state.harts.schedulers):
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, f"there is no hart {number}")
    await thread.set_affinity(state, _tcb(slot), number)
    return ()


async def suspend(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_Suspend."""
    await thread.suspend(state, _tcb(slot))
    return ()


async def resume(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_Resume."""
    await thread.resume(state, _tcb(slot))
    return ()


# --- registers ------------------------------------------------------------------------------------


def _other(slot: Slot, arguments: Arguments) -> TCB:
    tcb = _tcb(slot)
    if tcb is arguments.caller:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "not for the calling thread itself")
    return tcb


async def read_registers(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_ReadRegisters: flags (bit 0 suspends), count."""
    flags, count = arguments.words(2)
    if not 1 <= count <= len(registers.NAMES):
        raise range_error(1, len(registers.NAMES), f"register count {count}")
    tcb = _other(slot, arguments)
    await state.harts.stall_thread(tcb)
    if flags & 1:
        await thread.suspend(state, tcb)
    return registers.read_all(tcb, count)


async def write_registers(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_WriteRegisters: flags (bit 0 resumes), count, values."""
    flags, count = arguments.words(2)
    values = arguments.words(2 + count)[2:]
    tcb = _other(slot, arguments)
    await state.harts.stall_thread(tcb)
    registers.context_of(tcb, state.empty_root)
    registers.write_all(tcb, values, state.machine.code)
    if flags & 1:
        await thread.resume(state, tcb)
    return ()


async def copy_registers(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_CopyRegisters: flags suspend source, resume target, frame and integer registers."""
    (flags,) = arguments.words(1)
    source_cap = arguments.cap(0)
    if not isinstance(source_cap, ThreadCap):
        raise invalid_capability(1, "the source must be a thread")
    source, target = source_cap.tcb, _tcb(slot)
    for tcb in (source, target):
        await state.harts.stall_thread(tcb)
    if flags & 1:
        await thread.suspend(state, source)
    if flags & 2:
        await thread.resume(state, target)
    if source is target:
        return ()
    registers.context_of(target, state.empty_root)
    chosen = registers.NAMES[:FRAME_REGISTERS] if flags & 4 else ()
    chosen += registers.NAMES[FRAME_REGISTERS:] if flags & 8 else ()
    for name in chosen:
        registers.write(target, name, registers.read(source, name), state.machine.code)
    return ()


async def set_tls_base(state: State, slot: Slot, arguments: Arguments) -> Result:
    """TCB_SetTLSBase."""
    (base,) = arguments.words(1)
    _tcb(slot).integers["tp"] = base
    return ()


# --- notifications --------------------------------------------------------------------------------


def bind_notification(thread_cap: Capability, notification_cap: Capability) -> None:
    """TCB_BindNotification: signals of the notification reach the thread wherever it waits."""
    if not isinstance(thread_cap, ThreadCap):
        raise invalid_capability(0, "Bind needs a thread capability")
    tcb = thread_cap.tcb
    if tcb.bound_notification is not None:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the thread has a notification bound")
    if not isinstance(notification_cap, NotificationCap) or not notification_cap.can_receive:
        raise invalid_capability(1, "Bind needs a notification that can be received")
    target = notification_cap.notification
    if target.uintr_tcb not in (None, tcb):
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION,
            "the notification's user interrupts are another thread's",
        )
    if target.bound_tcb is not None or target.queue:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "the notification is bound or waited on already"
        )
    notification.bind(target, tcb)


async def unbind_notification(state: State, thread_cap: Capability) -> None:
    """TCB_UnbindNotification; user interrupts of the notification end too."""
    if not isinstance(thread_cap, ThreadCap):
        raise invalid_capability(0, "Unbind needs a thread capability")
    bound = thread_cap.tcb.bound_notification
    if bound is None:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the thread has no notification bound")
    await state.uintr.release_notification(bound)
    notification.unbind(thread_cap.tcb)

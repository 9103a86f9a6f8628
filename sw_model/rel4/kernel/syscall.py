"""System calls by number: what a thread's trap with ecall means."""

from rel4.abi.message import REGISTER_MESSAGE, IpcBuffer, MessageInfo
from rel4.abi.numbers import Invocation, SeL4Error, SysCall
from rel4.machine.events import Syscall
from rel4.machine.ops import Load, Log, Path, Registers, Store

from . import deletion, endpoint, notification, thread
from .async_runtime import HandlerTask
from .capability import (
    AsidControlCap,
    AsidPoolCap,
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    PageTableCap,
    ReplyCap,
    Slot,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from .cspace import lookup
from .errors import InvocationError, LookupFailure, LookupFault, Preempted, invalid_capability
from .fault import CapFault, UnknownSyscall
from .invocation import IN_PATH, invoke
from .objects import TCB, ThreadFault, ThreadState
from .state import State
from .transfer import extra_slots, fetch_arguments, give

__all__ = ["handle"]

UINTR_LABELS = {
    Invocation.UINTR_REGISTER_SENDER,
    Invocation.UINTR_REGISTER_RECEIVER,
    Invocation.UINTR_REGISTER_ASYNC_SYSCALL,
}
"""Labels that mean something else on a notification than to signal it."""
CAP_TYPES: dict[type[Capability], int] = {
    FrameCap: 1,
    UntypedCap: 2,
    PageTableCap: 3,
    EndpointCap: 4,
    NotificationCap: 6,
    ReplyCap: 8,
    CNodeCap: 10,
    AsidControlCap: 11,
    ThreadCap: 12,
    AsidPoolCap: 13,
    IrqControlCap: 14,
    IrqHandlerCap: 16,
    ZombieCap: 18,
}
"""What DebugCapIdentify answers (seL4's capability tags); 0 is an empty slot."""
NAME_LIMIT = 64


async def handle(state: State, tcb: TCB) -> None:
    """The system call that ``tcb`` has just made."""
    assert tcb.context is not None  # it just made the call
    registers = tcb.context.registers
    try:
        number = SysCall(registers.number)
    except ValueError:
        none = registers.number
        await Log(Syscall(tcb.name, str(none), "", ""))
        await _fault(state, tcb, f"unknown system call {none}", UnknownSyscall(none))
        return
    label, error = "", SeL4Error.NO_ERROR
    try:
        match number:
            case SysCall.CALL | SysCall.SEND | SysCall.NB_SEND:
                label, error = await _send(state, tcb, registers, number)
            case SysCall.RECV | SysCall.NB_RECV:
                await _receive(state, tcb, registers, blocking=number is SysCall.RECV)
            case SysCall.REPLY:
                await Path("kernel.ipc").spend()
                await _reply(state, tcb)
            case SysCall.REPLY_RECV:
                await _reply_receive(state, tcb, registers)
            case SysCall.YIELD:
                tcb.time_slice = 0
                state.harts.scheduler.tick()
            case SysCall.WAKE_SYSCALL_HANDLER:
                await _wake_handler(state, tcb)
            case _:
                await _debug(state, tcb, registers, number)
    except Preempted:
        tcb.context.restart()
        label = "preempted"
    await Log(Syscall(tcb.name, number.name, label, error.name))


# --- sending --------------------------------------------------------------------------------------


async def _send(
    state: State, tcb: TCB, registers: Registers, number: SysCall
) -> tuple[str, SeL4Error]:
    info = MessageInfo.from_word(registers.info)
    blocking, call = number is not SysCall.NB_SEND, number is SysCall.CALL
    address = registers.cap
    try:
        slot = lookup(tcb.ctable.cap, address)
        if isinstance(slot.cap, EndpointCap | ReplyCap):
            await extra_slots(tcb, info.extra_caps)
    except LookupFailure as failure:
        if blocking:
            await _cap_fault(state, tcb, failure.address or address, failure, receiving=False)
        return "", SeL4Error.FAILED_LOOKUP
    label, error = "", SeL4Error.NO_ERROR
    result: tuple[int, ...] = ()
    tcb.state = ThreadState.RESTART
    try:
        match slot.cap:
            case EndpointCap() as cap:
                await _send_ipc(state, tcb, cap, info, blocking=blocking, call=call)
                return "", error
            case ReplyCap() as cap if not cap.master:
                await Path("kernel.ipc").spend()
                await endpoint.reply(state, tcb, slot)
            case NotificationCap() as cap if info.label not in UINTR_LABELS:
                await _signal(state, cap)
            case _:
                if info.label in Invocation.__members__.values():
                    label = Invocation(info.label).name
                result = await _invoke(state, tcb, slot, registers)
    except LookupFailure as failure:
        tcb.state = ThreadState.RUNNING
        if blocking:
            await _cap_fault(state, tcb, failure.address, failure, receiving=False)
        return label, SeL4Error.FAILED_LOOKUP
    except InvocationError as failure:
        error, result = failure.code, failure.details
    if tcb.state is ThreadState.RESTART:  # it has not suspended or deleted itself
        if call:
            await _answer(tcb, error, result)
        tcb.state = ThreadState.RUNNING
    elif not tcb.dead and tcb.context is not None:
        tcb.context.restart()  # whoever resumes it resumes a call that suspends, as in seL4
    return label, error


async def _invoke(state: State, tcb: TCB, slot: Slot, registers: Registers) -> tuple[int, ...]:
    info = MessageInfo.from_word(registers.info)
    async with Path("kernel.invocation"):
        arguments = await fetch_arguments(tcb, info, registers.message)
        if info.label in IN_PATH:
            return await invoke(state, slot, info.label, arguments)
    return await invoke(state, slot, info.label, arguments)


async def _send_ipc(
    state: State, tcb: TCB, cap: EndpointCap, info: MessageInfo, *, blocking: bool, call: bool
) -> None:
    if not cap.can_send:
        raise invalid_capability(0, "the capability cannot send")
    fast = call and _fast(state, tcb, cap, info)
    await Path("kernel.fastpath_call" if fast else "kernel.ipc").spend()
    tcb.state = ThreadState.RUNNING
    await endpoint.send(state, tcb, cap, blocking=blocking, call=call)


def _fast(state: State, tcb: TCB, cap: EndpointCap, info: MessageInfo) -> bool:
    """Whether seL4's fastpath would take this call: a short message to a receiver that waits, runs
    on the same hart, is at least as urgent, and can be replied to."""
    if not state.fastpath or not cap.endpoint.receiving or tcb.fault is not None:
        return False
    receiver = cap.endpoint.queue[0]
    return (
        info.length <= REGISTER_MESSAGE
        and info.extra_caps == 0
        and (cap.can_grant or cap.can_grant_reply)
        and receiver.affinity == tcb.affinity
        and receiver.priority >= tcb.priority
    )


async def _signal(state: State, cap: NotificationCap) -> None:
    await Path("kernel.signal").spend()
    if not cap.can_send:
        raise invalid_capability(0, "the capability cannot send")
    await notification.signal(state, cap.notification, cap.badge)


# --- receiving ------------------------------------------------------------------------------------


async def _receive(
    state: State, tcb: TCB, registers: Registers, *, blocking: bool, path: str = "kernel.ipc"
) -> None:
    missing = LookupFailure(LookupFault.MISSING_CAPABILITY)
    try:
        cap = lookup(tcb.ctable.cap, registers.cap).cap
    except LookupFailure as failure:
        await _cap_fault(state, tcb, registers.cap, failure, receiving=True)
        return
    match cap:
        case EndpointCap() if cap.can_receive:
            await Path(path).spend()
            if not tcb.caller.empty:
                await deletion.delete_one(state, tcb.caller)
            await endpoint.receive(state, tcb, cap, blocking=blocking)
        case NotificationCap() if cap.can_receive and cap.notification.bound_tcb in (None, tcb):
            await Path("kernel.wait").spend()
            if blocking:
                await notification.wait(state, cap.notification, tcb)
            else:
                notification.poll(cap.notification, tcb)
        case _:
            await _cap_fault(state, tcb, registers.cap, missing, receiving=True)


async def _reply(state: State, tcb: TCB) -> None:
    if isinstance(tcb.caller.cap, ReplyCap):
        await endpoint.reply(state, tcb, tcb.caller)


async def _reply_receive(state: State, tcb: TCB, registers: Registers) -> None:
    """Reply, then receive. The fastpath takes both at once if the reply wakes a caller that runs
    here and nobody waits to send."""
    caller = tcb.caller.cap
    fast = (
        state.fastpath
        and isinstance(caller, ReplyCap)
        and caller.tcb.fault is None
        and caller.tcb.affinity == tcb.affinity
        and MessageInfo.from_word(registers.info).length <= REGISTER_MESSAGE
        and MessageInfo.from_word(registers.info).extra_caps == 0
    )
    if isinstance(caller, ReplyCap) and not fast:
        await Path("kernel.ipc").spend()
    await _reply(state, tcb)
    path = "kernel.fastpath_reply_recv" if fast else "kernel.ipc"
    await _receive(state, tcb, registers, blocking=True, path=path)


async def _cap_fault(
    state: State, tcb: TCB, address: int, failure: LookupFailure, *, receiving: bool
) -> None:
    what = CapFault(address, receiving, failure)
    await _fault(state, tcb, f"no capability at {address:#x}", what)


async def _fault(state: State, tcb: TCB, sentence: str, what: ThreadFault) -> None:
    """The system call is a fault: it begins again if the thread goes on."""
    assert tcb.context is not None  # it is in a system call
    tcb.context.fault = sentence
    tcb.context.restart()
    await thread.fault(state, tcb, what)


# --- the others -----------------------------------------------------------------------------------


async def _wake_handler(state: State, tcb: TCB) -> None:
    handler = tcb.find(HandlerTask)
    if handler is None:
        await _answer(tcb, SeL4Error.ILLEGAL_OPERATION, ())
        return
    async with Path("kernel.wake"):
        state.runtime.wake(handler)
    await _answer(tcb, SeL4Error.NO_ERROR, ())
    await handler.policy.on_wake(state.runtime, handler)


async def _debug(state: State, tcb: TCB, registers: Registers, number: SysCall) -> None:
    """The debug calls; they fault for nothing."""
    match number:
        case SysCall.DEBUG_PUT_CHAR:
            state.put_char(registers.cap)
        case SysCall.DEBUG_HALT:
            state.machine.stop()
        case SysCall.DEBUG_CAP_IDENTIFY:
            try:
                cap = lookup(tcb.ctable.cap, registers.cap).cap
            except LookupFailure:
                give(tcb, 0, MessageInfo(), ())
            else:
                give(tcb, CAP_TYPES.get(type(cap), 0), MessageInfo(), ())
        case SysCall.DEBUG_NAME_THREAD:
            await _name_thread(tcb, registers.cap)
        case SysCall.DEBUG_DUMP_SCHEDULER | SysCall.DEBUG_SNAPSHOT:
            for scheduler in state.harts.schedulers:
                state.console += f"hart {scheduler.hart}: {scheduler.current.name}\n"
        case _:  # DebugSendIPI: nothing that a thread could see
            pass


async def _name_thread(tcb: TCB, address: int) -> None:
    """Name a thread by the string in the caller's IPC buffer, from message register 0 on."""
    try:
        cap = lookup(tcb.ctable.cap, address).cap
    except LookupFailure:
        return
    if not isinstance(cap, ThreadCap) or tcb.ipc_buffer is None:
        return
    data = b""
    for index in range(NAME_LIMIT // 8):
        data += (await Load(tcb.ipc_buffer + IpcBuffer.message(index))).to_bytes(8, "little")
    name = data.split(b"\0")[0].decode("ascii", "replace")
    cap.tcb.name = name
    if cap.tcb.context is not None:
        cap.tcb.context.name = name


async def _answer(tcb: TCB, error: SeL4Error, words: tuple[int, ...]) -> None:
    """The kernel's reply to a call."""
    buffer = tcb.receive_buffer
    count = len(words) if buffer is not None else min(len(words), REGISTER_MESSAGE)
    for index in range(REGISTER_MESSAGE, count):
        assert buffer is not None
        await Store(buffer + IpcBuffer.message(index), words[index])
    give(tcb, 0, MessageInfo(label=error, length=count), words[:REGISTER_MESSAGE])

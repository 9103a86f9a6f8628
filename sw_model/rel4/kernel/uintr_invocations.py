"""ReL4's three invocations of a notification: receiver, sender, asynchronous system calls."""

from rel4.abi.message import IpcBuffer
from rel4.abi.numbers import SeL4Error
from rel4.abi.syscall_buffer import BufferError, SyscallBuffer
from rel4.machine.ops import Store

from .arguments import Arguments
from .async_runtime import HandlerTask
from .capability import FrameCap, NotificationCap, Slot, ThreadCap
from .errors import InvocationError, invalid_argument, invalid_capability, range_error
from .objects import Frame
from .state import State

__all__ = ["register_async_syscall", "register_receiver", "register_sender"]

Result = tuple[int, ...]


def _notification(slot: Slot) -> NotificationCap:
    assert isinstance(slot.cap, NotificationCap)  # the dispatch table says so
    return slot.cap


def _sender(slot: Slot) -> NotificationCap:
    cap = _notification(slot)
    if not cap.can_send:
        raise invalid_capability(0, "the capability cannot send")
    return cap


def _frame(source: Slot) -> Frame:
    """The frame of a syscall buffer; the capability has the rights to what the kernel will do."""
    cap = source.cap
    if not isinstance(cap, FrameCap) or cap.frame.device:
        raise invalid_capability(1, "the syscall buffer must be an ordinary frame")
    if not (cap.rights.read and cap.rights.write):
        raise invalid_capability(1, "the syscall buffer must be readable and writable")
    return cap.frame


async def register_receiver(state: State, slot: Slot, arguments: Arguments) -> Result:
    """UintrRegisterReceiver: signals become user interrupts of the calling thread."""
    thread = arguments.cap(0)
    if not isinstance(thread, ThreadCap) or thread.tcb is not arguments.caller:
        raise invalid_capability(1, "the receiver must be the calling thread's own TCB")
    cap = _notification(slot)
    if not cap.can_receive:
        raise invalid_capability(0, "the capability cannot receive")
    words = arguments.words(state.uintr.registration_words)
    await state.uintr.register_receiver(thread.tcb, cap.notification, words)
    return ()


async def register_sender(state: State, slot: Slot, arguments: Arguments) -> Result:
    """UintrRegisterSender: answers the operand of UIPI SEND, also in the IPC buffer."""
    cap = _sender(slot)
    caller = arguments.caller
    index = await state.uintr.register_sender(caller, cap.notification, cap.badge, slot)
    if caller.receive_buffer is not None:
        await Store(caller.receive_buffer + IpcBuffer.UINTR_FLAG, index)
    return (index,)


async def register_async_syscall(state: State, slot: Slot, arguments: Arguments) -> Result:
    """UintrRegisterAsyncSyscall: a handler for the syscall buffer in a frame. It ends when the
    frame's or the notification's capability is deleted, or the thread."""
    cap = _sender(slot)
    (number,) = arguments.words(1)
    source = arguments.slot(0)
    frame = _frame(source)
    if arguments.caller.find(HandlerTask) is not None:
        raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the thread has a handler already")
    try:
        buffer = await SyscallBuffer.attach(frame.address, 1 << frame.size_bits)
    except BufferError as error:
        raise invalid_argument(0, str(error)) from error
    if number >= len(state.policies):
        raise range_error(
            0,
            len(state.policies) - 1,
            f"policy must be below {len(state.policies)}, not {number}",
        )
    policy = state.policies[number]
    caller = arguments.caller
    entry = await state.uintr.register_kernel_sender(caller, cap.notification, cap.badge, slot)
    handler = state.runtime.spawn(caller, buffer, entry, policy)
    handler.depend(slot, source)
    try:
        sender = await policy.register(state.runtime, handler)
    except InvocationError:
        await handler.detach()
        raise
    return (handler.cid, 0 if sender is None else 1, sender or 0)

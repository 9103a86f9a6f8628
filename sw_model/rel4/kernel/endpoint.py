"""Endpoints: send, receive, reply, and taking a thread out of them.

seL4's rules: a message passes when both sides are there; a caller is blocked until its reply
capability is used, and gets none unless it may grant or grant replies.
"""

from rel4.abi.message import REGISTER_MESSAGE, IpcBuffer, MessageInfo
from rel4.machine.ops import Load

from . import fault, mdb, notification
from .capability import EndpointCap, ReplyCap, Slot
from .objects import TCB, Endpoint, ThreadState
from .state import State
from .transfer import give, transfer

__all__ = [
    "cancel_all",
    "cancel_badged_sends",
    "cancel_ipc",
    "receive",
    "reply",
    "send",
]


def set_up_caller(sender: TCB, receiver: TCB, *, can_grant: bool) -> None:
    """Block ``sender`` until a reply, and give ``receiver`` the capability to reply."""
    sender.state = ThreadState.BLOCKED_ON_REPLY
    cap = ReplyCap(sender, can_grant=can_grant)
    mdb.insert_copy(receiver.caller, cap, sender.reply)


async def send(state: State, sender: TCB, cap: EndpointCap, *, blocking: bool, call: bool) -> None:
    """Send ``sender``'s message, or that of its fault, by way of ``cap``."""
    endpoint = cap.endpoint
    if not endpoint.receiving:
        if blocking:
            sender.state = ThreadState.BLOCKED_ON_SEND
            sender.waiting_on = endpoint
            sender.send_badge, sender.send_call = cap.badge, call
            sender.send_grant, sender.send_grant_reply = cap.can_grant, cap.can_grant_reply
            endpoint.queue.append(sender)
        return
    receiver = endpoint.queue.popleft()
    receiver.waiting_on = None
    state.uintr.awake(receiver)
    await transfer(sender, receiver, endpoint, cap.badge, grant=cap.can_grant)
    receiver.state = ThreadState.RUNNING
    await state.harts.prefer(receiver)
    if call:
        if cap.can_grant or cap.can_grant_reply:
            set_up_caller(sender, receiver, can_grant=receiver.receive_grant)
        else:
            sender.state = ThreadState.INACTIVE


async def receive(state: State, receiver: TCB, cap: EndpointCap, *, blocking: bool) -> None:
    """Take the oldest message, or a signal of the bound notification, or wait for either."""
    bound = receiver.bound_notification
    if bound is not None and bound.word is not None:
        notification.poll(bound, receiver)
        return
    endpoint = cap.endpoint
    if not endpoint.sending:
        if blocking:
            if bound is not None and await notification.interrupted(state, bound, receiver):
                return
            receiver.state = ThreadState.BLOCKED_ON_RECEIVE
            receiver.waiting_on = endpoint
            receiver.receive_grant = cap.can_grant
            endpoint.queue.append(receiver)
        else:
            give(receiver, 0, MessageInfo(), ())
        return
    sender = endpoint.queue.popleft()
    sender.waiting_on = None
    await transfer(sender, receiver, endpoint, sender.send_badge, grant=sender.send_grant)
    if not sender.send_call:
        sender.state = ThreadState.RUNNING
        await state.harts.prefer(sender)
    elif sender.send_grant or sender.send_grant_reply:
        set_up_caller(sender, receiver, can_grant=cap.can_grant)
    else:
        sender.state = ThreadState.INACTIVE


async def reply(state: State, sender: TCB, slot: Slot) -> None:
    """Use the reply capability in ``slot``, which is gone afterwards."""
    cap = slot.cap
    assert isinstance(cap, ReplyCap)  # the callers look
    receiver = cap.tcb
    if receiver.fault is None:
        await transfer(sender, receiver, None, 0, grant=cap.can_grant)
        mdb.remove(slot)
        receiver.state = ThreadState.RUNNING
        await state.harts.prefer(receiver)
        return
    mdb.remove(slot)
    assert sender.context is not None  # it is in a system call
    info = MessageInfo.from_word(sender.context.registers.info)
    words = list(sender.context.registers.message[: min(info.length, REGISTER_MESSAGE)])
    if sender.ipc_buffer is not None:
        for index in range(REGISTER_MESSAGE, info.length):
            words.append(await Load(sender.ipc_buffer + IpcBuffer.message(index)))
    goes_on = fault.reply_to_fault(receiver, info.label, words, state.machine.code)
    receiver.fault = None
    receiver.state = ThreadState.RESTART if goes_on else ThreadState.INACTIVE
    if goes_on:
        await state.harts.prefer(receiver)


async def cancel_ipc(state: State, tcb: TCB) -> None:
    """Take a thread out of what it waits for; it is inactive afterwards, and begins the system
    call again if it is resumed."""
    match tcb.state:
        case ThreadState.BLOCKED_ON_SEND | ThreadState.BLOCKED_ON_RECEIVE:
            assert isinstance(tcb.waiting_on, Endpoint)
            tcb.waiting_on.queue.remove(tcb)
            state.uintr.awake(tcb)
            _again(tcb)
        case ThreadState.BLOCKED_ON_NOTIFICATION:
            await notification.cancel(state, tcb)
            _again(tcb)
        case ThreadState.BLOCKED_ON_REPLY:
            for slot in list(tcb.reply.children):
                mdb.remove(slot)
            _again(tcb)
        case _:
            return
    tcb.waiting_on = None
    tcb.fault = None
    tcb.state = ThreadState.INACTIVE


def _again(tcb: TCB) -> None:
    if tcb.context is not None and tcb.fault is None:
        tcb.context.restart()


async def _release(state: State, tcb: TCB) -> None:
    """Let a waiting thread begin its system call again; one that faulted stays where it is."""
    tcb.waiting_on = None
    state.uintr.awake(tcb)
    if tcb.fault is not None:
        tcb.fault = None
        tcb.state = ThreadState.INACTIVE
        return
    _again(tcb)
    tcb.state = ThreadState.RESTART
    await state.harts.enqueue(tcb)


async def cancel_all(state: State, endpoint: Endpoint) -> None:
    """The endpoint goes: everyone who waits begins the call again, and finds it gone."""
    waiting = list(endpoint.queue)
    endpoint.queue.clear()
    for tcb in waiting:
        await _release(state, tcb)


async def cancel_badged_sends(state: State, endpoint: Endpoint, badge: int) -> None:
    """The same for senders of one badge, with a preemption point after each."""
    if not endpoint.sending:
        return
    for tcb in [tcb for tcb in endpoint.queue if tcb.send_badge == badge]:
        endpoint.queue.remove(tcb)
        await _release(state, tcb)
        await state.harts.preemption_point()

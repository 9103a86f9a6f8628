"""IPC, as sel4test's IPC, EP, NBWAIT and capability transfer tests."""

from collections.abc import Callable
from typing import Any

import pytest
from root_bench import Program, initial_thread

from rel4.abi.message import MessageInfo
from rel4.abi.numbers import Invocation, ObjectType, SeL4Error
from rel4.machine.ops import Compute
from rel4.user.root_task import RootTask
from rel4.user.syscalls import Message, SystemCalls
from rel4.user.threads import ThreadMaker

OK, ANY = SeL4Error.NO_ERROR, 0b1111
SEND, RECV, GRANT, GRANT_REPLY = 1, 2, 4, 8


@pytest.mark.parametrize("length", [0, 1, 4, 5, 60, 120])
@pytest.mark.parametrize("receiver_first", [True, False])
@pytest.mark.parametrize("harts", [1, 2])
@initial_thread("harts")
async def test_a_message_arrives_whole_whoever_comes_first(
    task: RootTask, length: int, receiver_first: bool, harts: int
) -> Program:
    got: list[Any] = []
    words = tuple(range(1000, 1000 + length))
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    await task.kernel.cnode_mint(task.cnode, 100, ep, ANY, 77)

    async def client(own: SystemCalls) -> None:
        if receiver_first:
            await Compute(30_000)
        answer = await own.call(100, words, label=5)
        got.append((answer.info.length, answer.words[0]))

    await ThreadMaker(task).make(client, hart=harts - 1)
    if not receiver_first and harts == 2:
        await Compute(60_000)
    message = await task.kernel.recv(ep)
    got.append((message.badge, message.info.label, message.info.length))
    rest = [await task.kernel.message_word(n) for n in range(4, length)]
    got.append((*message.words[: min(length, 4)], *rest))
    await task.kernel.reply((7,))
    await Compute(60_000)
    await task.kernel.yield_()
    yield
    assert got == [(77, 5, length), words, (1, 7)]


@initial_thread()
async def test_send_and_receive_without_a_reply(task: RootTask) -> Program:
    got: list[Any] = []
    (ep,) = await task.allocate(ObjectType.ENDPOINT)

    async def sender(own: SystemCalls) -> None:
        for number in range(3):
            await own.send(ep, (number,))
        got.append("done")

    await ThreadMaker(task).make(sender, priority=200)
    for _ in range(3):
        got.append((await task.kernel.recv(ep)).words[0])
    await task.kernel.reply((1,))  # nobody to answer: nothing happens
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await task.kernel.cnode_mint(task.cnode, 100, ntfn, ANY, 1)

    async def end(own: SystemCalls) -> None:
        await own.signal(100)

    await ThreadMakerAgain(task).make(end, priority=100)
    await task.kernel.wait(ntfn)
    yield
    assert got == [0, 1, 2, "done"]


class ThreadMakerAgain(ThreadMaker):
    """A second maker, whose buffers lie elsewhere."""

    def __init__(self, task: RootTask) -> None:
        super().__init__(task)
        self._made = 32


@initial_thread()
async def test_nonblocking_send_without_a_receiver_is_lost(task: RootTask) -> Program:
    got: list[Any] = []
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    await task.kernel.nb_send(ep, (1,))
    message = await task.kernel.nb_recv(ep)
    got.append((message.badge, message.info.length))

    async def receiver(own: SystemCalls) -> None:
        got.append((await own.recv(ep)).words[0])

    await ThreadMaker(task).make(receiver, priority=255)
    await task.kernel.yield_()
    await task.kernel.nb_send(ep, (2,))
    await task.kernel.yield_()
    yield
    assert got == [(0, 0), 2]


@initial_thread()
async def test_reply_recv_serves_many_clients(task: RootTask) -> Program:
    answers: dict[int, list[int]] = {}
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    maker = ThreadMaker(task)
    for number in range(1, 5):
        await task.kernel.cnode_mint(task.cnode, 100 + number, ep, ANY, number)

        async def client(own: SystemCalls, number: int = number) -> None:
            answers[number] = []
            for step in range(5):
                answer = await own.call(100 + number, (step,))
                answers[number].append(answer.words[0])

        await maker.make(client, priority=100)
    message = await task.kernel.recv(ep)
    for _ in range(19):
        reply = message.words[0] * 10 + message.badge
        message = await task.kernel.reply_recv(ep, (reply,))
    await task.kernel.reply((message.words[0] * 10 + message.badge,))
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await task.kernel.cnode_mint(task.cnode, 200, ntfn, ANY, 1)

    async def end(own: SystemCalls) -> None:
        await own.signal(200)

    await maker.make(end, priority=50)
    await task.kernel.wait(ntfn)
    yield
    assert answers == {n: [step * 10 + n for step in range(5)] for n in range(1, 5)}


@initial_thread()
async def test_rights_of_an_endpoint_capability(task: RootTask) -> None:
    """sel4test's table of send, receive, grant and grant-reply rights."""
    kernel, root = task.kernel, task.cnode
    ep, other = await task.allocate(ObjectType.ENDPOINT, 2)
    for slot, rights in ((100, RECV), (101, SEND), (102, SEND | GRANT_REPLY)):
        await kernel.cnode_mint(root, slot, ep, rights, 0)
    assert (await kernel.call(100)).info.label == SeL4Error.INVALID_CAPABILITY  # no right to send
    maker = ThreadMaker(task)
    replies: list[Message] = []

    def caller(slot: int) -> Callable[[SystemCalls], Any]:
        async def client(own: SystemCalls) -> None:
            replies.append(await own.call(slot, (1,), (other,)))

        return client

    threads = {}
    for slot, reply in ((101, 0), (102, 8)):  # a reply capability, where it was granted
        threads[slot] = await maker.make(caller(slot), priority=100)
        await kernel.set_receive_path(root, 300)
        message = await kernel.recv(ep)
        assert message.info.extra_caps == 0
        assert (await kernel.cap_identify(300), message.words[0]) == (0, 1)
        assert await kernel.cnode_save_caller(root, 301) is OK
        assert await kernel.cap_identify(301) == reply
        await kernel.cnode_delete(root, 301)
        await kernel.cnode_delete(root, 300)
        # one that may not be replied to is suspended and begins again when resumed
        await kernel.tcb_suspend(threads[slot].tcb)

    async def fails(own: SystemCalls) -> None:
        await own.recv(101)

    faulty = await maker.make(fails, priority=255, fault_endpoint=other)
    assert (await kernel.recv(other)).info.label == 1
    await kernel.tcb_suspend(faulty.tcb)


@initial_thread()
async def test_capabilities_travel_and_the_endpoints_own_is_unwrapped(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.cnode_mint(root, 100, ep, ANY, 55)

    async def sender(own: SystemCalls) -> None:
        await own.send(ep, (1,), (100, ntfn))
        await own.send(ep, (2,), (ntfn, 100, ntfn))
        await own.send(ep, (3,), (ntfn,))
        await own.send(ep, (4,), (ntfn,))

    await ThreadMaker(task).make(sender, priority=100)
    await kernel.set_receive_path(root, 200)
    message = await kernel.recv(ep)
    assert (message.info.extra_caps, message.info.caps_unwrapped) == (2, 1)
    assert (await kernel.cap_or_badge(0), await kernel.cap_identify(200)) == (55, 6)
    await kernel.set_receive_path(root, 201)
    message = await kernel.recv(ep)  # the third has no slot left
    assert (message.info.extra_caps, message.info.caps_unwrapped) == (2, 2)
    message = await kernel.recv(ep)  # 201 is in use
    assert (message.info.extra_caps, await kernel.cap_identify(201)) == (0, 6)
    await kernel.set_receive_path(999_999, 5)
    assert (await kernel.recv(ep)).info.extra_caps == 0
    # what was transferred hangs below the sender's capability
    await kernel.cnode_revoke(root, ntfn)
    assert [await kernel.cap_identify(n) for n in (200, 201)] == [0, 0]


@initial_thread()
async def test_cancel_badged_sends_restarts_one_badge_only(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    maker = ThreadMaker(task)
    for number in range(4):
        slot, badge = 100 + number, 1 + number % 2
        await kernel.cnode_mint(root, slot, ep, ANY, badge)

        async def sender(own: SystemCalls, slot: int = slot) -> None:
            await own.send(slot, (slot,))

        await maker.make(sender, priority=254)
    await kernel.cnode_mint(root, 200, ep, SEND, 1)
    ntfns = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.cnode_mint(root, 201, ntfns[0], ANY, 1)

    async def low(own: SystemCalls) -> None:
        await own.signal(201)

    await maker.make(low, priority=10)
    await kernel.wait(201)  # all four are waiting to send
    assert await kernel.cnode_cancel_badged_sends(root, 200) is SeL4Error.ILLEGAL_OPERATION
    # both senders of badge 1 begin again, and find their capability gone
    for slot in (100, 102):
        await kernel.cnode_cancel_badged_sends(root, slot)
    await kernel.cnode_delete(root, 100)
    assert [(await kernel.recv(ep)).badge for _ in range(3)] == [2, 2, 1]
    assert (await kernel.nb_recv(ep)).info.length == 0


@initial_thread()
async def test_deleting_an_endpoint_releases_all_who_wait(task: RootTask) -> Program:
    answers: list[int] = []
    kernel, root = task.kernel, task.cnode
    ep, faults = await task.allocate(ObjectType.ENDPOINT, 2)
    maker = ThreadMaker(task)

    async def receiver(own: SystemCalls) -> None:
        await own.recv(ep)

    async def caller(own: SystemCalls) -> None:
        answers.append((await own.call(ep)).info.label)

    for program in (receiver, receiver):
        await maker.make(program, priority=255, fault_endpoint=faults)
    await kernel.yield_()
    await kernel.cnode_delete(root, ep)
    for _ in range(2):  # both look again and fault
        assert (await kernel.recv(faults)).info.label == 1
    (again,) = await task.allocate(ObjectType.ENDPOINT)
    await kernel.cnode_move(root, ep, again)
    await maker.make(caller, priority=255, fault_endpoint=faults)
    await kernel.yield_()
    await kernel.cnode_delete(root, ep)
    await kernel.yield_()
    yield
    assert answers == [SeL4Error.INVALID_CAPABILITY]


@initial_thread()
async def test_a_suspended_caller_calls_again_and_its_old_reply_is_void(task: RootTask) -> Program:
    got: list[int] = []
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)

    async def client(own: SystemCalls) -> None:
        got.append((await own.call(ep, (5,))).words[0])

    thread = await ThreadMaker(task).make(client, priority=255)
    await kernel.recv(ep)
    await kernel.cnode_save_caller(root, 100)
    await kernel.tcb_suspend(thread.tcb)
    assert await kernel.cap_identify(100) == 0
    await kernel.tcb_resume(thread.tcb)
    message = await kernel.recv(ep)
    await kernel.reply((message.words[0] + 1,))
    await kernel.yield_()
    yield
    assert got == [6]


@initial_thread()
async def test_long_messages_need_an_ipc_buffer(task: RootTask) -> None:
    kernel = task.kernel
    (ep,) = await task.allocate(ObjectType.ENDPOINT)

    async def client(own: SystemCalls) -> None:
        await own.send(ep, tuple(range(10)))
        await own.send(ep, tuple(range(10)))

    thread = await ThreadMaker(task).make(client, priority=100)
    assert (await kernel.recv(ep)).info.length == 10
    assert await kernel.tcb_set_ipc_buffer(thread.tcb, 0, 0) is OK
    assert (await kernel.recv(ep)).info.length == 4


@initial_thread()
async def test_errors_of_invocations_carry_their_details(task: RootTask) -> None:
    kernel = task.kernel
    for cap, label, words, caps, found in (
        (task.tcb, Invocation.TCB_SET_PRIORITY, (256,), (task.tcb,),
         (SeL4Error.RANGE_ERROR, 0, 255, 0, 0)),
        (task.tcb, Invocation.TCB_SET_PRIORITY, (1,), (task.cnode,),
         (SeL4Error.INVALID_CAPABILITY, 1, 0, 0, 0)),
        (task.tcb, Invocation.TCB_READ_REGISTERS, (0, 33), (),
         (SeL4Error.RANGE_ERROR, 1, 32, 0, 0)),
        (12, Invocation.UNTYPED_RETYPE, (0, 29, 0, 0, 100, 1), (task.cnode,),
         (SeL4Error.NOT_ENOUGH_MEMORY, 1 << 28, 0, 0, 0)),
        (12, Invocation.UNTYPED_RETYPE, (9, 0, 0, 0, 100, 1), (task.cnode,),
         (SeL4Error.INVALID_ARGUMENT, 0, 0, 0, 0)),
        (task.cnode, Invocation.CNODE_COPY, (100, 64, 900, 64, 15), (task.cnode,),
         (SeL4Error.FAILED_LOOKUP, 1, 2, 64, 0)),
    ):  # fmt: skip
        answer = await kernel.invoke(cap, label, words, caps)
        assert (answer.error, *answer.words) == found
    assert MessageInfo.from_word(127).length == 120

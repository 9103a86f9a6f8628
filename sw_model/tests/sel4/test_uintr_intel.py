"""What of the kernel's user interrupts is Intel's alone: faults, the flag, stale descriptors."""

import pytest
from root_bench import Program, initial_thread
from uintr_bench import become_receiver, handler_into, send_index

from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.machine.events import Delivered, ReceiverChanged, UipiDone
from rel4.machine.faults import GENERAL_PROTECTION, ILLEGAL_INSTRUCTION
from rel4.machine.ops import Compute
from rel4.machine.ops_intel import ReadMsr, SendUipi, Stui
from rel4.machine.ops_intel import Testui as ReadFlag  # pytest would take it for tests
from rel4.user.interrupts import LOAD
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.intel.registers import Msr
from uintr.registers import PAGE_BYTES, Flavour

OK, ANY = SeL4Error.NO_ERROR, 0b1111
EXCEPTION = 3
"""Label of a fault message of an exception; its word 2 is the cause."""
DONE = 9
"""Label of a thread's own message."""


async def skip_faults(task: RootTask, ep: int) -> list[int]:
    """Let a thread go on behind each exception until it is done; returns the causes."""
    causes = []
    while (message := await task.kernel.recv(ep)).info.label != DONE:
        if message.info.label == EXCEPTION:  # else a user interrupt ended the wait
            causes.append(message.words[2])
            await task.kernel.reply((message.words[0] + 4, message.words[1]))
    return causes


@pytest.mark.parametrize("how", ["delete", "revoke", "notification", "unbind"])
@pytest.mark.parametrize("harts", [1, 2])
@initial_thread("harts", flavour=Flavour.INTEL)
async def test_a_sender_whose_entry_ended_takes_a_general_protection_fault(
    task: RootTask, how: str, harts: int
) -> Program:
    """The sender's right ends with the capability; the fault is its own, and posts nothing."""
    taken: list[int] = []
    causes: list[int] = []
    kernel, root = task.kernel, task.cnode
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    (ep, go) = await task.allocate(ObjectType.ENDPOINT, 2)
    assert await become_receiver(task, ntfn, taken) is OK
    await kernel.cnode_mint(root, 100, ntfn, ANY, 3)

    async def sender(own: SystemCalls) -> None:
        error, index = await own.uintr_register_sender(100)
        assert error is OK
        await SendUipi(index)
        await own.send(ep, label=DONE)
        await own.recv(go)
        await SendUipi(index)
        await SendUipi(index + 1)
        await SendUipi(1 << 40)
        await own.send(ep, label=DONE)

    await ThreadMaker(task).make(sender, hart=harts - 1, fault_endpoint=ep)
    causes.extend(await skip_faults(task, ep))
    match how:
        case "delete":
            await kernel.cnode_delete(root, 100)
        case "revoke":
            await kernel.cnode_revoke(root, ntfn)
        case "notification":
            await kernel.cnode_revoke(root, ntfn)
            await kernel.cnode_delete(root, ntfn)
        case _:
            await kernel.tcb_unbind_notification(task.tcb)
    await kernel.send(go)
    causes.extend(await skip_faults(task, ep))
    run = yield
    assert taken == [1 << 3]
    assert causes == [GENERAL_PROTECTION] * 3
    assert [event.status for event in run.events(UipiDone)] == ["OK", "GP", "GP", "GP"]


@initial_thread(flavour=Flavour.INTEL)
async def test_without_a_table_sending_is_no_instruction_and_the_registers_are_the_kernels(
    task: RootTask,
) -> None:
    causes: list[int] = []
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    assert await become_receiver(task, ntfn, []) is OK
    await task.kernel.cnode_mint(task.cnode, 100, ntfn, ANY, 3)
    assert (await task.kernel.uintr_register_sender(100))[0] is OK

    async def other(own: SystemCalls) -> None:
        await SendUipi(0)
        for msr in (Msr.UINTR_RR, Msr.UINTR_PD, Msr.UINTR_TT):
            await ReadMsr(msr)
        await own.send(ep, label=DONE)

    await ThreadMaker(task).make(other, fault_endpoint=ep)
    causes.extend(await skip_faults(task, ep))
    assert causes == [ILLEGAL_INSTRUCTION] + [GENERAL_PROTECTION] * 3


@initial_thread(flavour=Flavour.INTEL)
async def test_the_flag_is_each_threads_own(task: RootTask) -> Program:
    """A thread that sets its flag does not open another's handler, and finds its own again."""
    taken: list[int] = []
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.tcb_bind_notification(task.tcb, ntfn)
    handler, stack = handler_into(task, taken), kernel.ipc_buffer + PAGE_BYTES | LOAD
    assert await kernel.uintr_register_receiver(ntfn, task.tcb, (handler, stack)) is OK
    await kernel.cnode_mint(task.cnode, 100, ntfn, ANY, 3)
    _, index = await kernel.uintr_register_sender(100)

    async def other(own: SystemCalls) -> None:
        await Stui()
        while True:
            await own.yield_()

    await ThreadMaker(task).make(other)
    await SendUipi(index)
    for _ in range(2):
        await kernel.yield_()
        assert await ReadFlag() == 0
        await Compute(100)
    assert taken == []
    await Stui()
    await Compute(100)
    await kernel.yield_()
    assert await ReadFlag() == 1
    yield
    assert taken == [1 << 3]


@pytest.mark.parametrize("wait", [0, 1, 5, 9, 14, 20, 33, 300])
@initial_thread(flavour=Flavour.INTEL, receivers=1, harts=3)
async def test_a_descriptor_never_carries_a_post_to_its_next_owner(
    task: RootTask, wait: int
) -> Program:
    """The only receiver changes its owner while a third hart posts to it as fast as it can."""
    taken: list[int] = []
    kernel, root = task.kernel, task.cnode
    first, second = await task.allocate(ObjectType.NOTIFICATION, 2)
    (ready, ep) = await task.allocate(ObjectType.ENDPOINT, 2)
    maker = ThreadMaker(task)
    await kernel.cnode_mint(root, 100, first, ANY, 5)

    async def owner(own: SystemCalls) -> None:
        # Never opens its handler: what is posted stays in PIR and UIRR.
        assert await own.uintr_register_receiver(first, own.tcb, (0x1000, 0)) is OK
        await own.send(ready)
        while True:
            await Compute(7)

    async def poster(own: SystemCalls) -> None:
        _, index = await own.uintr_register_sender(100)
        await own.send(ready)
        while True:
            await SendUipi(index)

    await maker.make(owner, hart=1, notification=first)
    await kernel.recv(ready)
    await maker.make(poster, hart=2, fault_endpoint=ep)
    await kernel.recv(ready)
    await Compute(500 + wait)
    await kernel.cnode_revoke(root, first)
    await kernel.cnode_delete(root, first)
    message = await kernel.recv(ep)
    assert message.info.label == EXCEPTION
    assert message.words[2] == GENERAL_PROTECTION
    await kernel.tcb_bind_notification(task.tcb, second)
    handler = handler_into(task, taken)
    # The old hart gives the descriptor back as it leaves the kernel.
    while await task.interrupts.register(kernel, second, task.tcb, handler) is not OK:
        await Compute(10)
    await Compute(2_000)
    index = await send_index(task, 101, second, 9)
    await SendUipi(index)
    await Compute(2_000)
    run = yield
    assert taken == [1 << 9]
    assert [event.thread for event in run.events(Delivered)] == ["root"]
    assert {event.cleared for event in run.events(ReceiverChanged)} == {0, 1 << 5}


@pytest.mark.parametrize("before", [True, False])
@initial_thread(harts=3, flavour=Flavour.INTEL)
async def test_a_parked_receiver_wakes_where_it_was_sent_to(
    task: RootTask, before: bool
) -> Program:
    """A blocked thread is given another hart, before or after the post: it is woken by way of the
    hart where it blocked, runs on the new one at last, and is notified there from then on."""
    taken: list[int] = []
    got: list[int] = []
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)

    async def receiver(own: SystemCalls) -> None:
        handler = handler_into(task, taken)
        assert await task.interrupts.register(own, ntfn, own.tcb, handler) is OK
        await own.send(ep)
        got.append(await own.wait(ntfn))
        await own.send(ep)
        while True:
            await Compute(10)

    thread = await ThreadMaker(task).make(receiver, hart=1, notification=ntfn, name="receiver")
    await kernel.recv(ep)
    index = await send_index(task, 100, ntfn, 4)
    await Compute(10_000)
    if before:
        assert await kernel.tcb_set_affinity(thread.tcb, 2) is OK
    await SendUipi(index)
    if not before:
        assert await kernel.tcb_set_affinity(thread.tcb, 2) is OK
    await kernel.recv(ep)
    await Compute(5_000)
    await SendUipi(index)
    await Compute(5_000)
    run = yield
    assert got == [1 << 4]
    assert taken == [1 << 4] * 2
    harts = [event.hart for event in run.events(Delivered)]
    assert harts == [2, 2] if before else harts[1] == 2

"""Notifications, binding and device interrupts, as sel4test's BIND, NBWAIT and INTERRUPT tests."""

from typing import Any

from root_bench import Program, initial_thread

from rel4.abi.numbers import CapSlot, ObjectType, SeL4Error
from rel4.machine.ops import Compute
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker

OK, ANY = SeL4Error.NO_ERROR, 0b1111
ILLEGAL, CAPABILITY = SeL4Error.ILLEGAL_OPERATION, SeL4Error.INVALID_CAPABILITY


@initial_thread()
async def test_a_bound_notification_is_received_on_an_endpoint(task: RootTask) -> None:
    got: list[Any] = []
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.cnode_mint(root, 100, ntfn, ANY, 0x10)
    await kernel.cnode_mint(root, 101, ep, ANY, 0x20)
    assert await kernel.tcb_bind_notification(task.tcb, ntfn) is OK

    async def sender(own: SystemCalls) -> None:
        await own.signal(100)  # the receiver waits on the endpoint
        await own.send(101)
        await own.signal(100)  # nobody waits
        await own.send(101)

    await ThreadMaker(task).make(sender, priority=100)
    for _ in range(2):
        got.append((await kernel.recv(ep)).badge)
    got.append((await kernel.recv(ep)).badge)
    await kernel.tcb_unbind_notification(task.tcb)
    got.append((await kernel.nb_recv(ep)).badge)
    got.append(await kernel.poll(ntfn))
    assert got[:2] == [0x10, 0x20]
    assert sorted(got[2:]) in ([0, 0x10, 0x20], [0, 0, 0x10])


@initial_thread()
async def test_binding_rules(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    one, two = await task.allocate(ObjectType.NOTIFICATION, 2)
    (tcb,) = await task.allocate(ObjectType.TCB)
    await kernel.cnode_mint(root, 100, one, 1, 1)
    assert await kernel.tcb_bind_notification(task.tcb, 100) is CAPABILITY  # may not receive
    assert await kernel.tcb_bind_notification(task.tcb, one) is OK
    assert await kernel.tcb_bind_notification(task.tcb, two) is ILLEGAL
    assert await kernel.tcb_bind_notification(tcb, one) is ILLEGAL
    assert await kernel.tcb_bind_notification(tcb, tcb) is CAPABILITY
    assert await kernel.cnode_delete(root, one) is OK
    assert await kernel.cnode_delete(root, 100) is OK  # the last capability unbinds
    assert await kernel.tcb_unbind_notification(task.tcb) is ILLEGAL
    assert await kernel.tcb_bind_notification(task.tcb, two) is OK


@initial_thread()
async def test_others_may_not_wait_on_a_bound_notification(task: RootTask) -> None:
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    await kernel.tcb_bind_notification(task.tcb, ntfn)

    async def other(own: SystemCalls) -> None:
        await own.wait(ntfn)

    await ThreadMaker(task).make(other, priority=255, fault_endpoint=ep)
    assert (await kernel.recv(ep)).info.label == 1


@initial_thread()
async def test_several_threads_wait_on_one_notification(task: RootTask) -> Program:
    woken: list[int] = []
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await task.kernel.cnode_mint(task.cnode, 100, ntfn, ANY, 3)
    maker = ThreadMaker(task)
    for number in range(3):

        async def waiter(own: SystemCalls, number: int = number) -> None:
            assert await own.wait(ntfn) == 3
            woken.append(number)

        await maker.make(waiter, priority=254 - number)
    await task.kernel.tcb_set_priority(task.tcb, task.tcb, 10)
    for _ in range(3):
        await task.kernel.signal(100)
    yield
    assert woken == [0, 1, 2]


@initial_thread()
async def test_device_interrupts(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    device = task.machine.interrupts
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.cnode_mint(root, 100, ntfn, ANY, 0x80)
    control = CapSlot.IRQ_CONTROL
    for irq, slot, error in (
        (7, 101, OK),
        (7, 102, SeL4Error.REVOKE_FIRST),
        (0, 102, SeL4Error.RANGE_ERROR),
        (64, 102, SeL4Error.RANGE_ERROR),
        (8, 101, SeL4Error.DELETE_FIRST),
    ):
        assert await kernel.irq_control_get(control, irq, root, slot) is error
    assert await kernel.cnode_copy(root, 103, control) is ILLEGAL
    assert await kernel.irq_handler_set_notification(101, root) is CAPABILITY
    assert await kernel.irq_handler_set_notification(101, 100) is OK
    device.trigger(7)
    await Compute(2_000)
    assert await kernel.poll(ntfn) == 0x80
    device.trigger(7)  # not acknowledged: remembered
    await Compute(2_000)
    assert await kernel.poll(ntfn) == 0
    await kernel.irq_handler_ack(101)
    await Compute(2_000)
    assert await kernel.poll(ntfn) == 0x80
    await kernel.irq_handler_ack(101)
    await kernel.irq_handler_clear(101)
    device.trigger(7)
    await Compute(2_000)
    assert await kernel.poll(ntfn) == 0
    await kernel.cnode_revoke(root, control)
    assert await kernel.cap_identify(101) == 0
    assert await kernel.irq_control_get(control, 7, root, 101) is OK


@initial_thread()
async def test_a_device_wakes_a_thread_that_waits(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.cnode_mint(root, 100, ntfn, ANY, 5)
    await kernel.irq_control_get(CapSlot.IRQ_CONTROL, 9, root, 101)
    await kernel.irq_handler_set_notification(101, 100)

    async def device(own: SystemCalls) -> None:
        await Compute(3_000)
        task.machine.interrupts.trigger(9)
        await Compute(100_000)

    await ThreadMaker(task).make(device, priority=1)
    assert await kernel.wait(ntfn) == 5

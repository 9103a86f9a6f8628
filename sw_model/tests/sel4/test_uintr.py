"""User interrupts as kernel resources: ownership, reclaim, reuse, blocked receivers, migration."""

import pytest
from root_bench import Program, initial_thread, run_program
from uintr_bench import BOTH, become_receiver, handler_into, send_index

from rel4.abi.numbers import CapSlot, ObjectType, SeL4Error
from rel4.machine.events import ReceiverChanged, Trap, UipiDone, UserTrap
from rel4.machine.ops import Compute, Uipi
from rel4.machine.ops_intel import Stui
from rel4.user.interrupts import LOAD, IntelInterrupts, enable_user_interrupts
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import ALL_FEATURES, PAGE_BYTES, Feature, Flavour, UipiFunction

OK, ANY = SeL4Error.NO_ERROR, 0b1111
ILLEGAL, MEMORY = SeL4Error.ILLEGAL_OPERATION, SeL4Error.NOT_ENOUGH_MEMORY


async def register_only(task: RootTask, own: SystemCalls, ntfn: int, tcb: int) -> SeL4Error:
    """A receiver whose thread has not enabled user interrupts."""
    words = (0x1000, 0) if isinstance(task.interrupts, IntelInterrupts) else ()
    return await own.uintr_register_receiver(ntfn, tcb, words)


@initial_thread()
async def test_a_sender_entry_ends_with_its_capability(task: RootTask) -> Program:
    """Delete and revoke make the entry invalid; a move takes it along; its index is used again."""
    taken: list[int] = []
    kernel, root = task.kernel, task.cnode
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    assert await become_receiver(task, ntfn, taken) is OK
    for index, slot, badge in ((0, 100, 1), (1, 101, 2)):
        await kernel.cnode_mint(root, slot, ntfn, ANY, badge)
        assert await kernel.uintr_register_sender(slot) == (OK, index)
    await kernel.cnode_move(root, 200, 100)
    await Uipi(UipiFunction.SEND, 0)
    await Compute(100)
    await kernel.cnode_delete(root, 200)
    await Uipi(UipiFunction.SEND, 0)
    await kernel.cnode_revoke(root, ntfn)
    await Uipi(UipiFunction.SEND, 1)
    await Compute(100)
    await kernel.cnode_mint(root, 100, ntfn, ANY, 9)
    assert await kernel.uintr_register_sender(100) == (OK, 0)
    await Uipi(UipiFunction.SEND, 0)
    await Compute(100)
    run = yield
    assert taken == [1 << 1, 1 << 9]
    sent = [e.status for e in run.events(UipiDone) if e.function == "SEND"]
    assert [status == "OK" for status in sent] == [True, False, False, True]


@BOTH
@initial_thread("flavour", receivers=1)
async def test_a_receiver_ends_with_its_notification_and_nothing_stale_remains(
    task: RootTask, flavour: Flavour
) -> Program:
    """A bit that the first owner never took does not reach the second owner of the index."""
    taken: list[int] = []
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    first, second = await task.allocate(ObjectType.NOTIFICATION, 2)
    maker = ThreadMaker(task)
    await kernel.cnode_mint(root, 100, first, ANY, 5)

    async def owner(own: SystemCalls) -> None:
        # Never enables user interrupts, so that the bit stays.
        await register_only(task, own, first, own.tcb)
        await own.send(ep)
        await own.send(ep)

    await maker.make(owner, priority=100, notification=first)
    await kernel.recv(ep)
    error, index = await kernel.uintr_register_sender(100)
    assert error is OK
    await task.interrupts.send(index)
    await kernel.cnode_revoke(root, first)
    await kernel.cnode_delete(root, first)
    assert await become_receiver(task, second, taken) is OK
    await Compute(1_000)
    if flavour is Flavour.RISCV:
        await task.interrupts.send(index)  # the old entry posts nothing; on Intel it is #GP
    await Compute(1_000)
    run = yield
    assert taken == []
    cleared = [e.cleared for e in run.events(ReceiverChanged) if e.cleared]
    assert cleared == [1 << 5]


@BOTH
@pytest.mark.parametrize("harts", [1, 2])
@initial_thread("flavour", "harts", receivers=2)
async def test_thread_death_gives_everything_back(
    task: RootTask, flavour: Flavour, harts: int
) -> Program:
    """More threads, one after the other, than there are receivers and sender tables."""
    kernel, root = task.kernel, task.cnode
    maker = ThreadMaker(task)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    for number in range(6):
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        await kernel.cnode_mint(root, 100, ntfn, ANY, number)

        async def program(own: SystemCalls, ntfn: int = ntfn) -> None:
            assert await register_only(task, own, ntfn, own.tcb) is OK
            assert (await own.uintr_register_sender(100))[0] is OK
            await task.interrupts.send(0)
            await own.send(ep)
            while True:
                await Compute(100)

        thread = await maker.make(program, priority=100, hart=harts - 1, notification=ntfn)
        await kernel.recv(ep)
        await Compute(1_000)
        assert await kernel.cnode_delete(root, thread.tcb) is OK
        assert await kernel.cnode_delete(root, 100) is OK
    run = yield
    assert run.kernel.state.uintr.receivers == []


@BOTH
@initial_thread("flavour", receivers=2)
async def test_receivers_and_tables_are_finite(task: RootTask, flavour: Flavour) -> Program:
    got: list[SeL4Error] = []
    kernel = task.kernel
    maker = ThreadMaker(task)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    for _ in range(3):
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)

        async def program(own: SystemCalls, ntfn: int = ntfn) -> None:
            got.append(await register_only(task, own, ntfn, own.tcb))
            await own.send(ep)

        await maker.make(program, priority=100, notification=ntfn)
        await kernel.recv(ep)
    yield
    assert got == [OK, OK, MEMORY]


@BOTH
@initial_thread("flavour", receivers=1)
async def test_several_notifications_share_one_threads_receiver(
    task: RootTask, flavour: Flavour
) -> Program:
    taken: list[int] = []
    kernel, root = task.kernel, task.cnode
    one, two = await task.allocate(ObjectType.NOTIFICATION, 2)
    assert await register_only(task, kernel, two, task.tcb) is ILLEGAL
    assert await become_receiver(task, one, taken) is OK
    assert await register_only(task, kernel, two, task.tcb) is OK
    for slot, ntfn, badge in ((100, one, 3), (101, two, 4)):
        await send_index(task, slot, ntfn, badge)
    await task.interrupts.send(0)
    await Compute(50)
    await task.interrupts.send(1)
    await Compute(50)
    await kernel.cnode_revoke(root, one)
    await kernel.cnode_delete(root, one)
    await task.interrupts.send(1)
    await Compute(50)
    yield
    assert taken == [1 << 3, 1 << 4, 1 << 4]


@BOTH
@initial_thread("flavour")
async def test_signal_and_devices_become_user_interrupts(
    task: RootTask, flavour: Flavour
) -> Program:
    taken: list[int] = []
    kernel, root = task.kernel, task.cnode
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await become_receiver(task, ntfn, taken)
    await kernel.cnode_mint(root, 100, ntfn, ANY, 6)
    await kernel.cnode_mint(root, 101, ntfn, ANY, 7)
    await kernel.signal(100)
    await Compute(100)
    await kernel.irq_control_get(CapSlot.IRQ_CONTROL, 3, root, 102)
    await kernel.irq_handler_set_notification(102, 101)
    task.machine.interrupts.trigger(3)
    for _ in range(2):  # the trap comes between two operations
        await Compute(1_000)
    # Unbound, the notification is a plain one again.
    await kernel.tcb_unbind_notification(task.tcb)
    await kernel.signal(100)
    assert await kernel.poll(ntfn) == 6
    run = yield
    assert taken == [1 << 6, 1 << 7]
    assert len(run.events(UserTrap)) == 2


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("on", ["notification", "endpoint"])
@pytest.mark.parametrize(
    ("flavour", "tells"),
    [(Flavour.RISCV, True), (Flavour.RISCV, False), (Flavour.INTEL, True)],
)
def test_a_blocked_receiver_is_woken_by_a_post(
    flavour: Flavour, harts: int, on: str, tells: bool
) -> None:
    """The controller tells the kernel; without that feature the kernel looks at each tick."""
    taken: list[int] = []
    got: list[int] = []

    async def body(task: RootTask) -> None:
        kernel, root = task.kernel, task.cnode
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        (ep,) = await task.allocate(ObjectType.ENDPOINT)
        await become_receiver(task, ntfn, taken)
        await kernel.cnode_mint(root, 100, ntfn, ANY, 11)

        async def sender(own: SystemCalls) -> None:
            error, index = await own.uintr_register_sender(100)
            assert error is OK
            for _ in range(2):
                await Compute(30_000)
                await task.interrupts.send(index)
            await Compute(100_000)

        await ThreadMaker(task).make(sender, priority=1, hart=harts - 1)
        for _ in range(2):
            if on == "endpoint":
                got.append((await kernel.recv(ep)).badge)
            else:
                got.append(await kernel.wait(ntfn))
            await Compute(500)  # the interrupt is taken a few cycles after the return

    features = ALL_FEATURES if tells else ALL_FEATURES & ~Feature.NOTIFY
    run = run_program(body, flavour=flavour, harts=harts, features=features)
    causes = [event.cause for event in run.events(Trap)]
    assert ("uipi" in causes) == tells
    assert got == [1 << 11] * 2
    assert taken == [1 << 11] * 2


@BOTH
@pytest.mark.parametrize("how", ["message", "suspend"])
@pytest.mark.parametrize("by_kernel", [True, False])
@initial_thread("flavour", harts=2)
async def test_a_receiver_that_something_else_unblocked_is_interrupted_again(
    task: RootTask, flavour: Flavour, how: str, by_kernel: bool
) -> Program:
    """It waits no more: a post is an interrupt of it, and does not end a wait that is over."""
    taken: list[int] = []
    got: list[int] = []
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    ep, ready = await task.allocate(ObjectType.ENDPOINT, 2)

    async def receiver(own: SystemCalls) -> None:
        handler = handler_into(task, taken)
        assert await task.interrupts.register(own, ntfn, own.tcb, handler) is OK
        await own.send(ready)
        message = await own.recv(ep)
        got.append(message.words[0] if message.info.length else -1)
        while True:
            await Compute(10)

    thread = await ThreadMaker(task).make(receiver, hart=1, notification=ntfn, name="receiver")
    await kernel.recv(ready)
    index = await send_index(task, 100, ntfn, 4)

    async def post() -> None:
        await (kernel.signal(100) if by_kernel else task.interrupts.send(index))

    await Compute(10_000)
    match how:
        case "message":
            await kernel.send(ep, (77,))
            await post()  # before the other hart runs it
        case _:
            await kernel.tcb_suspend(thread.tcb)
            await post()
            await kernel.tcb_resume(thread.tcb)
    await Compute(10_000)
    await post()
    await Compute(10_000)
    yield
    assert taken == [1 << 4] * 2
    # A thread that is resumed waits again, and what is pending ends that wait.
    assert got == [77 if how == "message" else -1]


@BOTH
@initial_thread("flavour")
async def test_a_pending_interrupt_keeps_its_thread_from_blocking(
    task: RootTask, flavour: Flavour
) -> Program:
    taken: list[int] = []
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.tcb_bind_notification(task.tcb, ntfn)
    handler = handler_into(task, taken)
    intel = isinstance(task.interrupts, IntelInterrupts)
    words = (handler, kernel.ipc_buffer + PAGE_BYTES | LOAD) if intel else ()
    assert await kernel.uintr_register_receiver(ntfn, task.tcb, words) is OK
    index = await send_index(task, 100, ntfn, 1)
    await task.interrupts.send(index)  # interrupts are not enabled yet
    assert await kernel.wait(ntfn) == 1 << 1
    await (Stui() if intel else enable_user_interrupts(handler))
    await Compute(1_000)
    yield
    assert taken == [1 << 1]


@BOTH
@initial_thread("flavour", harts=2)
async def test_migration_loses_and_misdelivers_nothing(task: RootTask, flavour: Flavour) -> Program:
    """A receiver goes from hart to hart while another thread posts every vector to it."""
    taken: list[int] = []
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    maker = ThreadMaker(task)
    ready: list[int] = []

    async def receiver(own: SystemCalls) -> None:
        handler = handler_into(task, taken)
        assert await task.interrupts.register(own, ntfn, own.tcb, handler) is OK
        ready.append(1)
        while True:
            await Compute(37)

    async def bystander(own: SystemCalls) -> None:
        while True:
            await Compute(53)
            await own.yield_()

    thread = await maker.make(receiver, priority=255, hart=1, notification=ntfn, name="receiver")
    for hart in (0, 1):
        await maker.make(bystander, priority=255, hart=hart)
    while not ready:
        await Compute(100)
    for vector in range(64):
        slot = 1_000 + vector
        index = await send_index(task, slot, ntfn, vector)
        await task.interrupts.send(index)
        assert await kernel.tcb_set_affinity(thread.tcb, vector % 2) is OK
        await kernel.yield_()
    await kernel.tcb_set_affinity(thread.tcb, 1)
    await Compute(600_000)
    run = yield
    every = 0
    for bits in taken:
        assert not every & bits
        every |= bits
    assert every == (1 << 64) - 1
    assert {event.thread for event in run.events(UserTrap)} == {"receiver"}

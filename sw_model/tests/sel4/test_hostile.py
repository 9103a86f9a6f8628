"""What an untrusted thread tries: memory, signals and the kernel stay whole."""

from typing import Any

import pytest
from root_bench import Program, initial_thread, run_program
from uintr_bench import syscall_buffer_at

from rel4.abi.message import IPC_BUFFER_BYTES
from rel4.abi.numbers import CapSlot, ObjectType, SeL4Error
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.machine.events import AsyncHandled, Fault
from rel4.machine.ops import Compute, CsrRead, Load, SpinWhile, Store, Uipi
from rel4.machine.ops_intel import ReadMsr, WriteMsr
from rel4.user.root_task import BUFFER_ADDRESS, RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.intel.registers import Internal
from uintr.registers import Flavour, UipiFunction

OK = SeL4Error.NO_ERROR
PLACE = 0x5000_0000
PAGE = 0x1000


async def frame_at(task: RootTask, virtual: int) -> int:
    """A page of memory, mapped."""
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.map_page_tables(virtual, PAGE)
    assert await task.kernel.page_map(frame, task.vspace, virtual) is OK
    return frame


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "error"),
    [
        (0, OK),
        (0x400, OK),
        (0x800, OK),
        (0xC00, SeL4Error.ALIGNMENT_ERROR),
        (0x200, SeL4Error.ALIGNMENT_ERROR),
    ],
)
@initial_thread()
async def test_an_ipc_buffer_lies_within_its_frame(
    task: RootTask, offset: int, error: SeL4Error
) -> None:
    """The words behind 1 KiB would lie in the neighbour's frame."""
    kernel = task.kernel
    frames = await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
    await task.map_page_tables(PLACE, 2 * PAGE)
    for number, frame in enumerate(frames):
        await kernel.page_map(frame, task.vspace, PLACE + PAGE * number)
    (tcb,) = await task.allocate(ObjectType.TCB)
    assert await kernel.tcb_set_ipc_buffer(tcb, PLACE + offset, frames[0]) == error
    assert (
        await kernel.tcb_configure(tcb, 0, task.cnode, 0, task.vspace, 0, PLACE + offset, frames[0])
        == error
    )
    assert (error is OK) == (offset % 0x400 == 0 and offset + IPC_BUFFER_BYTES <= PAGE)


@pytest.mark.parametrize("how", ["pool", "space", "revoked", "unmap"])
@pytest.mark.parametrize("waits", [False, True])
@initial_thread(harts=2, timer_period=10_000_000)
async def test_a_translation_dies_with_the_mapping(
    task: RootTask, how: str, waits: bool
) -> Program:
    """A thread on hart 1 stores to a page, or waits for a word of it, without a trap; hart 0 takes
    the page away and gives the memory on. Nothing of the thread's reaches it, and it sees nothing
    of it."""
    seen: list[Any] = []
    kernel, root = task.kernel, task.cnode
    (untyped,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    (pool_memory,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    space, frame, pool = 500, 501, 502
    tables = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2)
    (space,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    assert await kernel.asid_control_make_pool(CapSlot.ASID_CONTROL, pool_memory, root, pool) is OK
    assert await kernel.asid_pool_assign(pool, space) is OK
    for table in tables:
        assert await kernel.page_table_map(table, space, PLACE) is OK
    assert await kernel.untyped_retype(untyped, ObjectType.RISCV_4K_PAGE, 0, root, frame) is OK
    assert await kernel.page_map(frame, space, PLACE) is OK

    async def victim(own: SystemCalls) -> None:
        if waits:
            await SpinWhile(PLACE, 0)
            seen.append(await Load(PLACE))
        while True:
            await Store(PLACE + 8, 0xBAD)

    thread = await ThreadMaker(task).make(victim, hart=1, resume=False)
    assert await kernel.tcb_set_space(thread.tcb, 0, root, 0, space) is OK
    assert await kernel.tcb_resume(thread.tcb) is OK
    await Compute(50_000)
    if how == "pool":
        assert await kernel.cnode_delete(root, pool) is OK
    elif how == "space":
        assert await kernel.cnode_revoke(root, space) is OK
        assert await kernel.tcb_set_space(thread.tcb, 0, root, 0, task.vspace) is OK
        assert await kernel.cnode_delete(root, space) is OK
    elif how == "revoked":  # the thread's own capability to its space goes first
        assert await kernel.cnode_revoke(root, space) is OK
        assert await kernel.cnode_delete(root, space) is OK
    assert await kernel.cnode_revoke(root, untyped) is OK
    assert await kernel.untyped_retype(untyped, ObjectType.RISCV_4K_PAGE, 0, root, 600) is OK
    mine = PLACE + 16 * PAGE
    await task.map_page_tables(mine, PAGE)
    assert await kernel.page_map(600, task.vspace, mine) is OK
    await Store(mine, 7)
    await Compute(50_000)
    seen.append(await Load(mine + 8))
    run = yield  # no tick brings it in
    assert seen == [0]
    assert run.events(Fault)  # the thread noticed


@initial_thread()
async def test_a_buffer_must_be_readable(task: RootTask) -> None:
    """The kernel reads a syscall buffer, so the right to read it is asked for."""
    kernel, root = task.kernel, task.cnode
    frame = await syscall_buffer_at(task, 0x4000_0000)
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.tcb_bind_notification(task.tcb, ntfn)
    handler = task.machine.place(task.executor.interrupt_handler)
    await task.interrupts.register(kernel, ntfn, task.tcb, handler)
    denied = SeL4Error.INVALID_CAPABILITY
    for slot, rights, error in ((600, 0b01, denied), (601, 0b10, denied), (602, 0b11, OK)):
        await kernel.cnode_copy(root, slot, frame, rights)
        assert (await kernel.uintr_register_async_syscall(ntfn, slot, 0))[0] is error


# --- signals -------------------------------------------------------------------------------------


@initial_thread()
async def test_binding_takes_nobodys_registration_away(task: RootTask) -> None:
    """A second notification of the victim's receiver, unbound: whoever may receive from it can bind
    it only while it is not another thread's."""
    kernel = task.kernel
    first, second = await task.allocate(ObjectType.NOTIFICATION, 2)
    await kernel.tcb_bind_notification(task.tcb, first)
    handler = task.machine.place(task.executor.interrupt_handler)
    for ntfn in (first, second):
        assert await task.interrupts.register(kernel, ntfn, task.tcb, handler) is OK
    (other,) = await task.allocate(ObjectType.TCB)
    assert await kernel.tcb_bind_notification(other, second) is SeL4Error.ILLEGAL_OPERATION
    assert await kernel.tcb_unbind_notification(other) is SeL4Error.ILLEGAL_OPERATION
    (badged,) = await task.allocate(ObjectType.NOTIFICATION)  # a slot
    await kernel.cnode_delete(task.cnode, badged)
    await kernel.cnode_mint(task.cnode, badged, second, 0b01, 9)
    assert (await kernel.uintr_register_sender(badged))[0] is OK


# --- the kernel does not fall --------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["tick", "inline", "uipi", "poll", "spread", "adaptive"])
@initial_thread("policy", harts=2)
async def test_an_index_that_flips_while_it_is_served(task: RootTask, policy: str) -> Program:
    """The user takes its tail back and publishes it again while the kernel looks."""
    kernel = task.kernel
    calls = await task.start_async_syscalls(4)
    ring = SyscallBuffer(BUFFER_ADDRESS, 4).requests

    async def flip(own: SystemCalls) -> None:
        for turn in range(6000):
            await Store(ring.tail, await ring.last_taken() + 1)
            await Compute(turn % 7)
            await Store(ring.tail, await ring.last_taken())
            await Compute(turn % 3)

    await ThreadMaker(task).make(flip, hart=1, priority=1)
    for _ in range(40):
        if calls.sender is None:
            await kernel.wake_syscall_handler()
        else:
            await Uipi(UipiFunction.SEND, calls.sender)
        await Compute(2000)
    run = yield
    assert run.events(AsyncHandled)  # it was served at least once


def test_whoever_suspends_itself_is_suspended() -> None:
    """The initial thread has not ended then, and the machine goes on: another one may resume it.
    What it resumes is the call, which begins again. One that is destroyed meanwhile does not."""
    order: list[str] = []

    async def body(task: RootTask) -> None:
        async def waker(own: SystemCalls) -> None:
            for _ in range(2):
                order.append("waker")
                assert await own.tcb_resume(task.tcb) is OK
                await own.yield_()
            task.machine.stop()

        await ThreadMaker(task).make(waker, priority=1)
        order.append("suspends")
        await task.kernel.tcb_suspend(task.tcb)
        order.append("goes on")

    run_program(body)
    assert order == ["suspends", "waker", "waker"]


@pytest.mark.parametrize("what", ["notification", "tcb"])
@initial_thread()
async def test_a_receiver_may_delete_what_it_receives_by(task: RootTask, what: str) -> Program:
    """Its notification, or itself: that goes, with what hung on it, and nobody else."""
    got: list[Any] = []
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    made: list[int] = []

    async def program(own: SystemCalls) -> None:
        handler = task.machine.place(task.executor.interrupt_handler)
        await own.tcb_bind_notification(made[0], ntfn)
        got.append(await task.interrupts.register(own, ntfn, made[0], handler))
        await own.cnode_delete(task.cnode, ntfn if what == "notification" else made[0])
        got.append("goes on")

    made.append((await ThreadMaker(task).make(program, resume=False)).tcb)
    await task.kernel.tcb_resume(made[0])
    await task.kernel.yield_()
    run = yield
    assert got == ([OK, "goes on"] if what == "notification" else [OK])
    assert run.kernel.state.uintr.receivers == []


@initial_thread()
async def test_an_unknown_csr_is_an_illegal_instruction(task: RootTask) -> Program:
    async def program(own: SystemCalls) -> None:
        await CsrRead(0x7C0)  # type: ignore[arg-type]  # a user may name any number

    await ThreadMaker(task).make(program)
    await task.kernel.yield_()
    (fault,) = (yield).events(Fault)
    assert fault.reason == "illegal access to CSR 0x7c0"


@pytest.mark.parametrize("operation", [ReadMsr(Internal.CR4), ReadMsr(Internal.ACKNOWLEDGE),
                                       WriteMsr(Internal.CR4, 0), ReadMsr(1 << 40)])  # fmt: skip
@initial_thread(flavour=Flavour.INTEL)
async def test_what_microcode_keeps_is_no_users(task: RootTask, operation: Any) -> Program:
    async def program(own: SystemCalls) -> None:
        await operation

    await ThreadMaker(task).make(program)
    await task.kernel.yield_()
    (fault,) = (yield).events(Fault)
    assert "#GP" in fault.reason


@pytest.mark.parametrize(
    "offset", [pytest.param(n, marks=pytest.mark.long if n % 24 else ()) for n in range(0, 96, 6)]
)
@initial_thread(harts=2, flavour=Flavour.INTEL, timer_period=10_000_000)
async def test_no_interrupt_frame_lands_behind_an_unmapping(
    task: RootTask, offset: int, monkeypatch: pytest.MonkeyPatch
) -> Program:
    """A thread on hart 1 interrupts itself for ever; hart 0 takes the page of its stack away at any
    moment of a delivery. Nothing is pushed to the page from then on."""
    stacks: list[list[int]] = []
    tcbs: list[int] = []
    kernel = task.kernel
    frame = await frame_at(task, PLACE)
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)

    async def handler() -> None:
        await task.interrupts.take()
        await task.interrupts.leave()

    async def victim(own: SystemCalls) -> None:
        await own.tcb_bind_notification(tcbs[0], ntfn)
        place = task.machine.place(handler)
        words = (place, (PLACE + PAGE) | 1)  # handler, and a stack of its own
        assert await own.uintr_register_receiver(ntfn, tcbs[0], words) is OK
        sender = (await own.uintr_register_sender(ntfn))[1]
        await task.interrupts.enable()
        while True:
            await task.interrupts.send(sender)

    tcbs.append((await ThreadMaker(task).make(victim, hart=1, resume=False)).tcb)
    assert await kernel.tcb_resume(tcbs[0]) is OK
    await Compute(60_000 + offset)
    physical = (await kernel.page_get_address(frame)).words[0]
    machine = task.machine
    forget = machine.forget_translations

    def look(address: int | None = None) -> None:
        forget(address)
        words = [machine.memory.load(physical + PAGE - 8 * word) for word in range(1, 5)]
        stacks.append(words)

    monkeypatch.setattr(machine, "forget_translations", look)  # sfence.vma
    assert await kernel.page_unmap(frame) is OK
    await Compute(50_000)
    look()
    run = yield
    assert stacks[0] == stacks[1]
    assert any(stacks[0])
    assert run.events(Fault)
    cspace: Any = run.kernel.state.initial[0].cspace
    for frame in cspace.cnode.slot(tcbs[0]).cap.tcb.context.frames:  # one may not have begun
        frame.coroutine.close()

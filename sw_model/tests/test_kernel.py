"""The kernel through its system calls: a program makes them and looks at the effect."""

from itertools import pairwise

import pytest
from root_bench import Program, initial_thread, run_program
from uintr_bench import become_receiver

from rel4.abi.message import MessageInfo
from rel4.abi.numbers import CapSlot, Invocation, ObjectType, SeL4Error, SysCall
from rel4.kernel.capability import CNodeCap, NotificationCap, NullCap, Rights, Slot
from rel4.kernel.cspace import derive, lookup_slot
from rel4.kernel.errors import InvocationError
from rel4.kernel.objects import TCB, CNode, Notification, ThreadState
from rel4.kernel.scheduler import TIME_SLICE, Scheduler
from rel4.machine.events import ContextSwitch, Fault, LockWait
from rel4.machine.ops import Compute, Ecall, Load, Registers, Store
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker

FRAME = 0x200_0000
ANY = 0b1111


# --- capability spaces ----------------------------------------------------------------------------


def test_lookup_resolves_guard_and_radix_level_by_level() -> None:
    inner, outer = CNode(0, 8), CNode(0, 4)
    outer.slot(5).cap = CNodeCap(inner, guard=0b101, guard_size=4)
    root = CNodeCap(outer, guard=0, guard_size=48)
    pointer = 0x5 << 12 | 0b0101 << 8 | 0x77
    assert lookup_slot(root, pointer) is inner.slot(0x77)
    assert lookup_slot(CNodeCap(outer), 0x5, 4) is outer.slot(5)
    for bad in (pointer ^ 1 << 8, pointer | 1 << 40):  # wrong guard, inner and outer
        with pytest.raises(InvocationError) as failure:
            lookup_slot(root, bad)
        assert failure.value.code is SeL4Error.FAILED_LOOKUP
    with pytest.raises(InvocationError, match="ends inside"):
        lookup_slot(root, 0, 50)
    with pytest.raises(InvocationError) as failure:
        lookup_slot(root, pointer, 65)
    assert failure.value.code is SeL4Error.RANGE_ERROR


def test_derived_capabilities_never_gain_rights_or_another_badge() -> None:
    original = NotificationCap(Notification(0), can_send=False)
    copied = derive(original, Rights())
    assert isinstance(copied, NotificationCap)
    assert (copied.can_send, copied.can_receive) == (False, True)
    minted = derive(NotificationCap(Notification(0)), Rights(), 7)
    assert isinstance(minted, NotificationCap)
    assert minted.badge == 7
    with pytest.raises(InvocationError) as failure:
        derive(minted, Rights(), 8)
    assert failure.value.code is SeL4Error.ILLEGAL_OPERATION
    assert isinstance(Slot().cap, NullCap)


# --- untyped memory -------------------------------------------------------------------------------


@initial_thread()
async def test_retype_aligns_and_never_overlaps(task: RootTask) -> Program:
    await task.allocate(ObjectType.NOTIFICATION, 3)
    await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
    await task.allocate(ObjectType.TCB, 1)
    await task.allocate(ObjectType.RISCV_MEGA_PAGE, 1)
    slots = (yield).kernel.state.initial[0].cspace.cnode.slots
    places = []
    for number in range(CapSlot.FIRST_FREE, CapSlot.FIRST_FREE + 7):
        cap = slots[number].cap
        match type(cap).__name__:
            case "NotificationCap":
                places.append((cap.notification.address, 64))
            case "ThreadCap":
                places.append((cap.tcb.address, 1024))
            case "FrameCap":
                places.append((cap.frame.address, 1 << cap.frame.size_bits))
    assert len(places) == 7
    assert all(address % size == 0 for address, size in places)
    places.sort()
    assert all(a + size <= b for (a, size), (b, _) in pairwise(places))


@pytest.mark.parametrize(
    ("kind", "bits", "offset", "count", "error"),
    [
        (99, 0, 100, 1, SeL4Error.INVALID_ARGUMENT),
        (ObjectType.RISCV_GIGA_PAGE, 0, 100, 1, SeL4Error.NOT_ENOUGH_MEMORY),
        (ObjectType.NOTIFICATION, 0, 100, 257, SeL4Error.RANGE_ERROR),
        (ObjectType.NOTIFICATION, 0, 100, 0, SeL4Error.RANGE_ERROR),
        (ObjectType.NOTIFICATION, 0, CapSlot.INIT_THREAD_TCB, 1, SeL4Error.DELETE_FIRST),
        (ObjectType.CAP_TABLE, 0, 100, 1, SeL4Error.INVALID_ARGUMENT),
        (ObjectType.UNTYPED, 3, 100, 1, SeL4Error.INVALID_ARGUMENT),
        (ObjectType.UNTYPED, 12, 100, 2, SeL4Error.NO_ERROR),
    ],
)
@initial_thread()
async def test_retype_errors_change_nothing(
    task: RootTask, kind: int, bits: int, offset: int, count: int, error: SeL4Error
) -> Program:
    answer = await task.kernel.untyped_retype(
        CapSlot.FIRST_UNTYPED, kind, bits, task.cnode, offset, count
    )
    assert answer == error
    run = yield
    slots = run.kernel.state.initial[0].cspace.cnode.slots
    used = slots[CapSlot.FIRST_UNTYPED].cap.untyped.watermark
    assert (used > 0) == (error is SeL4Error.NO_ERROR)


# --- address spaces -------------------------------------------------------------------------------


@initial_thread()
async def test_map_and_unmap_change_a_table_that_a_walk_reads_back(task: RootTask) -> Program:
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.map_page_tables(FRAME, 4096)
    assert await task.kernel.page_map(frame, task.vspace, FRAME) is SeL4Error.NO_ERROR
    await Store(FRAME + 8, 0xBEEF)
    assert await Load(FRAME + 8) == 0xBEEF
    physical = (await task.kernel.page_get_address(frame)).words[0]
    twice = await task.kernel.page_map(frame, task.vspace, FRAME + 4096)
    assert twice is SeL4Error.INVALID_ARGUMENT
    assert await task.kernel.page_unmap(frame) is SeL4Error.NO_ERROR
    assert await task.kernel.page_unmap(frame) is SeL4Error.NO_ERROR
    assert await task.kernel.page_map(frame, task.vspace, FRAME + 4096) is SeL4Error.NO_ERROR
    assert await Load(FRAME + 4096 + 8) == 0xBEEF
    run = yield
    assert run.leaf(FRAME) is None
    leaf = run.leaf(FRAME + 4096)
    assert leaf is not None
    assert leaf.physical(FRAME + 4096) == physical


def test_an_unmapped_page_faults_at_the_next_access() -> None:
    async def body(task: RootTask) -> None:
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.map_page_tables(FRAME, 4096)
        await task.kernel.page_map(frame, task.vspace, FRAME)
        await Load(FRAME)
        await task.kernel.page_unmap(frame)
        await Load(FRAME)

    (fault,) = run_program(body).events(Fault)
    assert fault.reason == "page fault at 0x2000000 (load)"


@pytest.mark.parametrize(
    ("virtual", "rights", "error"),
    [
        (FRAME + 8, 3, SeL4Error.ALIGNMENT_ERROR),
        (1 << 38, 3, SeL4Error.INVALID_ARGUMENT),
        (0x1_0000_0000, 3, SeL4Error.FAILED_LOOKUP),
        (0x100_0000, 3, SeL4Error.DELETE_FIRST),
        (FRAME, 1, SeL4Error.INVALID_ARGUMENT),
    ],
)
@initial_thread()
async def test_page_map_errors(task: RootTask, virtual: int, rights: int, error: SeL4Error) -> None:
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.map_page_tables(FRAME, 4096)
    assert await task.kernel.page_map(frame, task.vspace, virtual, rights) == error
    assert await task.kernel.page_map(frame, task.tcb, FRAME) is SeL4Error.INVALID_CAPABILITY


@initial_thread()
async def test_page_table_unmap_takes_its_pages_away(task: RootTask) -> Program:
    (table,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.kernel.page_table_map(table, task.vspace, FRAME)
    assert await task.kernel.page_map(frame, task.vspace, FRAME) is SeL4Error.NO_ERROR
    label = Invocation.RISCV_PAGE_TABLE_UNMAP
    assert (await task.kernel.invoke(table, label)).error is SeL4Error.NO_ERROR
    assert await task.kernel.page_table_map(table, task.vspace, FRAME) is SeL4Error.NO_ERROR
    assert (yield).leaf(FRAME) is None


# --- system calls ---------------------------------------------------------------------------------


@initial_thread()
async def test_invocations_that_do_not_exist_are_illegal(task: RootTask) -> None:
    for cap, label, error in (
        (task.tcb, Invocation.RISCV_PAGE_MAP, SeL4Error.ILLEGAL_OPERATION),
        (task.tcb, 5_000, SeL4Error.ILLEGAL_OPERATION),
        # an empty slot is a capability that cannot be invoked
        (777, Invocation.TCB_SUSPEND, SeL4Error.INVALID_CAPABILITY),
    ):
        info = MessageInfo(label=label).word()
        answer = await Ecall(Registers(SysCall.CALL, cap, info))
        assert MessageInfo.from_word(answer.info).label == error
    short = await task.kernel.invoke(task.vspace, Invocation.RISCV_PAGE_TABLE_MAP, (1,))
    assert short.error is SeL4Error.TRUNCATED_MESSAGE


def test_an_unknown_system_call_is_a_fault() -> None:
    async def body(task: RootTask) -> None:
        await Ecall(Registers(-99))

    (fault,) = run_program(body).events(Fault)
    assert fault.reason == "unknown system call -99"


@initial_thread()
async def test_signal_then_poll_and_wait_collect_badges(task: RootTask) -> None:
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    for slot, badge in ((100, 1), (101, 4)):
        await task.kernel.cnode_mint(task.cnode, slot, ntfn, ANY, badge)
    assert await task.kernel.poll(ntfn) == 0
    await task.kernel.signal(100)
    await task.kernel.signal(101)
    assert await task.kernel.wait(ntfn) == 5
    await task.kernel.signal(101)
    assert await task.kernel.poll(ntfn) == 4
    assert await task.kernel.poll(ntfn) == 0


@initial_thread(harts=2)
async def test_a_waiting_thread_sleeps_until_another_hart_signals(task: RootTask) -> Program:
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await task.kernel.cnode_mint(task.cnode, 100, ntfn, ANY, 9)

    async def other(own: SystemCalls) -> None:
        await Compute(50_000)
        await own.signal(100)
        await Compute(1_000_000)

    await ThreadMaker(task).make(other, hart=1)
    assert await task.kernel.wait(ntfn) == 9
    run = yield
    switches = [(event.old, event.new) for event in run.events(ContextSwitch) if event.hart == 0]
    assert switches[:3] == [("idle0", "root"), ("root", "idle0"), ("idle0", "root")]


@initial_thread()
async def test_debug_put_char_and_yield(task: RootTask) -> Program:
    for character in "ok":
        await task.kernel.put_char(character)
        await task.kernel.yield_()
    assert (yield).kernel.state.console == "ok"


@initial_thread(harts=2)
async def test_the_big_lock_admits_one_hart_at_a_time(task: RootTask) -> Program:
    """Both harts tick in the same cycle: one waits, and for as long as the other needs."""
    await Compute(100_000)
    run = yield
    waits = run.events(LockWait)
    assert waits
    assert all(0 < event.cycles < 1_000 for event in waits)


# --- scheduling -----------------------------------------------------------------------------------


def _thread(name: str, priority: int) -> TCB:
    return TCB(0, name, None, priority, 0, TIME_SLICE, ThreadState.RUNNING)


def test_scheduler_prefers_priority_then_turns_round_after_a_slice() -> None:
    idle = TCB(0, "idle", state=ThreadState.IDLE)
    scheduler = Scheduler(idle)
    assert scheduler.choose() is idle
    low, one, two = _thread("low", 1), _thread("one", 5), _thread("two", 5)
    for tcb in (low, one, two):
        scheduler.enqueue(tcb)
    assert scheduler.choose() is one
    for _ in range(TIME_SLICE - 1):
        scheduler.tick()
        assert scheduler.choose() is one
    scheduler.tick()
    assert scheduler.choose() is two
    two.state = ThreadState.INACTIVE
    assert scheduler.choose() is one
    high = _thread("high", 9)
    scheduler.enqueue(high)
    assert scheduler.choose() is high
    high.state = one.state = ThreadState.INACTIVE
    scheduler.dequeue(one)
    assert scheduler.choose() is low


# --- user interrupts as kernel resources ----------------------------------------------------------


@initial_thread()
async def test_registration_rules(task: RootTask) -> None:
    kernel = task.kernel
    (unbound,) = await task.allocate(ObjectType.NOTIFICATION)
    assert await kernel.uintr_register_receiver(unbound, task.tcb) is SeL4Error.ILLEGAL_OPERATION
    assert (await kernel.uintr_register_sender(unbound))[0] is SeL4Error.ILLEGAL_OPERATION
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    assert await become_receiver(task, ntfn, []) is SeL4Error.NO_ERROR
    assert await kernel.uintr_register_receiver(ntfn, task.tcb) is SeL4Error.ILLEGAL_OPERATION
    await kernel.cnode_mint(task.cnode, 100, ntfn, 1, 64)
    assert (await kernel.uintr_register_sender(100))[0] is SeL4Error.RANGE_ERROR
    await kernel.cnode_mint(task.cnode, 101, ntfn, 2, 1)
    assert (await kernel.uintr_register_sender(101))[0] is SeL4Error.INVALID_CAPABILITY
    error, _ = await kernel.uintr_register_async_syscall(ntfn, task.tcb)
    assert error is SeL4Error.INVALID_CAPABILITY
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    error, _ = await kernel.uintr_register_async_syscall(ntfn, frame)
    assert error is SeL4Error.INVALID_ARGUMENT
    # the layout is looked at first
    error, _ = await kernel.uintr_register_async_syscall(ntfn, frame, 9)
    assert error is SeL4Error.INVALID_ARGUMENT
    assert await kernel.wake_syscall_handler() is SeL4Error.ILLEGAL_OPERATION

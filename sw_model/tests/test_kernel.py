"""The kernel through its system calls: a program makes them and looks at the effect."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from rel4.abi.message import MessageInfo
from rel4.abi.numbers import AsyncLabel, CapSlot, Invocation, ObjectType, SeL4Error, SysCall
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.kernel.capability import CNodeCap, NotificationCap, NullCap, Rights, Slot
from rel4.kernel.cspace import derive, lookup_slot
from rel4.kernel.errors import InvocationError
from rel4.kernel.kernel import Kernel
from rel4.kernel.objects import TCB, CNode, Notification, ThreadState
from rel4.kernel.scheduler import TIME_SLICE, Scheduler
from rel4.machine import sv39
from rel4.machine.context import Context
from rel4.machine.events import ContextSwitch, Fault, LockWait, Trap, UserTrap
from rel4.machine.ops import Compute, CsrSet, CsrWrite, Ecall, Load, Registers, Store, Uipi, Uret
from rel4.user.root_task import BUFFER_ADDRESS, RootTask
from uintr.registers import CSRS, Csr, UipiFunction

RunProgram = Callable[..., Any]
FRAME = 0x200_0000
ANY = 0b1111


def leaf_of(run: Any, virtual: int) -> sv39.Leaf | None:
    """What a table walk of the initial thread's address space finds."""
    root = run.kernel.state.initial[0].vspace.table.address
    return sv39.walk(run.machine.memory.load, root, virtual)


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


def test_mint_through_the_system_call(run_program: RunProgram) -> None:
    errors: list[SeL4Error] = []

    async def body(task: RootTask) -> None:
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        errors.append(await task.kernel.cnode_mint(task.cnode, 100, ntfn, 1, 5))
        errors.append(await task.kernel.cnode_mint(task.cnode, 100, ntfn, 1, 5))
        errors.append(await task.kernel.cnode_mint(task.cnode, 101, 999, 1, 5))

    run = run_program(body)
    assert errors == [SeL4Error.NO_ERROR, SeL4Error.DELETE_FIRST, SeL4Error.FAILED_LOOKUP]
    slot = run.kernel.state.initial[0].cspace.cnode.slot(100)
    assert (slot.cap.badge, slot.cap.can_send, slot.cap.can_receive) == (5, True, False)
    assert isinstance(slot.parent.cap, NotificationCap)


# --- untyped memory -------------------------------------------------------------------------------


def test_retype_aligns_and_never_overlaps(run_program: RunProgram) -> None:
    async def body(task: RootTask) -> None:
        await task.allocate(ObjectType.NOTIFICATION, 3)
        await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
        await task.allocate(ObjectType.TCB, 1)
        await task.allocate(ObjectType.RISCV_MEGA_PAGE, 1)

    slots = run_program(body).kernel.state.initial[0].cspace.cnode.slots
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
def test_retype_errors_change_nothing(
    run_program: RunProgram, kind: int, bits: int, offset: int, count: int, error: SeL4Error
) -> None:
    answers: list[SeL4Error] = []

    async def body(task: RootTask) -> None:
        answers.append(
            await task.kernel.untyped_retype(
                CapSlot.FIRST_UNTYPED, kind, bits, task.cnode, offset, count
            )
        )

    run = run_program(body)
    assert answers == [error]
    used = (
        run.kernel.state.initial[0].cspace.cnode.slots[CapSlot.FIRST_UNTYPED].cap.untyped.watermark
    )
    assert (used > 0) == (error is SeL4Error.NO_ERROR)


# --- address spaces -------------------------------------------------------------------------------


def test_map_and_unmap_change_a_table_that_a_walk_reads_back(run_program: RunProgram) -> None:
    seen: list[Any] = []

    async def body(task: RootTask) -> None:
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.map_page_tables(FRAME, 4096)
        assert await task.kernel.page_map(frame, task.vspace, FRAME) is SeL4Error.NO_ERROR
        await Store(FRAME + 8, 0xBEEF)
        seen.append(await Load(FRAME + 8))
        seen.append((await task.kernel.page_get_address(frame)).words[0])
        seen.append(await task.kernel.page_map(frame, task.vspace, FRAME + 4096))
        assert await task.kernel.page_unmap(frame) is SeL4Error.NO_ERROR
        assert await task.kernel.page_unmap(frame) is SeL4Error.NO_ERROR
        assert await task.kernel.page_map(frame, task.vspace, FRAME + 4096) is SeL4Error.NO_ERROR
        seen.append(await Load(FRAME + 4096 + 8))

    run = run_program(body)
    word, physical, twice, moved = seen
    assert (word, twice, moved) == (0xBEEF, SeL4Error.INVALID_ARGUMENT, 0xBEEF)
    assert leaf_of(run, FRAME) is None
    leaf = leaf_of(run, FRAME + 4096)
    assert leaf is not None
    assert leaf.physical(FRAME + 4096) == physical


def test_an_unmapped_page_faults_at_the_next_access(run_program: RunProgram) -> None:
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
def test_page_map_errors(
    run_program: RunProgram, virtual: int, rights: int, error: SeL4Error
) -> None:
    answers: list[SeL4Error] = []

    async def body(task: RootTask) -> None:
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.map_page_tables(FRAME, 4096)
        answers.append(await task.kernel.page_map(frame, task.vspace, virtual, rights))
        answers.append(await task.kernel.page_map(frame, task.tcb, FRAME))

    run_program(body)
    assert answers == [error, SeL4Error.INVALID_CAPABILITY]


def test_page_table_unmap_takes_its_pages_away(run_program: RunProgram) -> None:
    async def body(task: RootTask) -> None:
        (table,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.kernel.page_table_map(table, task.vspace, FRAME)
        assert await task.kernel.page_map(frame, task.vspace, FRAME) is SeL4Error.NO_ERROR
        label = Invocation.RISCV_PAGE_TABLE_UNMAP
        assert (await task.kernel.invoke(table, label)).error is SeL4Error.NO_ERROR
        assert await task.kernel.page_table_map(table, task.vspace, FRAME) is SeL4Error.NO_ERROR

    assert leaf_of(run_program(body), FRAME) is None


# --- system calls ---------------------------------------------------------------------------------


def test_invocations_that_do_not_exist_are_illegal(run_program: RunProgram) -> None:
    answers: list[SeL4Error] = []

    async def body(task: RootTask) -> None:
        for cap, label in (
            (task.tcb, Invocation.RISCV_PAGE_MAP),
            (task.tcb, 5_000),
            (777, Invocation.TCB_SUSPEND),
        ):
            info = MessageInfo(label=label).word()
            answer = await Ecall(Registers(SysCall.CALL, cap, info))
            answers.append(SeL4Error(MessageInfo.from_word(answer.info).label))
        answers.append(
            (await task.kernel.invoke(task.vspace, Invocation.RISCV_PAGE_TABLE_MAP, (1,))).error
        )

    run_program(body)
    assert answers == [
        SeL4Error.ILLEGAL_OPERATION,
        SeL4Error.ILLEGAL_OPERATION,
        SeL4Error.INVALID_CAPABILITY,  # an empty slot is a capability that cannot be invoked
        SeL4Error.TRUNCATED_MESSAGE,
    ]


def test_an_unknown_system_call_is_a_fault(run_program: RunProgram) -> None:
    async def body(task: RootTask) -> None:
        await Ecall(Registers(-99))

    (fault,) = run_program(body).events(Fault)
    assert fault.reason == "unknown system call -99"


def test_signal_then_poll_and_wait_collect_badges(run_program: RunProgram) -> None:
    badges: list[int] = []

    async def body(task: RootTask) -> None:
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        for slot, badge in ((100, 1), (101, 4)):
            await task.kernel.cnode_mint(task.cnode, slot, ntfn, ANY, badge)
        badges.append(await task.kernel.poll(ntfn))
        await task.kernel.signal(100)
        await task.kernel.signal(101)
        badges.append(await task.kernel.wait(ntfn))
        await task.kernel.signal(101)
        badges.append(await task.kernel.poll(ntfn))
        badges.append(await task.kernel.poll(ntfn))

    run_program(body)
    assert badges == [0, 5, 4, 0]


def test_a_waiting_thread_sleeps_until_another_hart_signals(run_program: RunProgram) -> None:
    badges: list[int] = []
    shared: dict[str, TCB] = {}

    def prepare(kernel: Kernel) -> None:
        (root,) = kernel.state.initial

        async def other() -> None:
            await Compute(50_000)
            await Ecall(Registers(SysCall.SEND, 100))
            await Compute(1_000_000)

        tcb = TCB(0, "other", Context("other", other), 255, 1, TIME_SLICE, cspace=root.cspace)
        assert tcb.context is not None
        tcb.context.root = root.vspace.table.address if root.vspace else None
        shared["other"] = tcb
        kernel.state.harts.make_runnable(tcb)

    async def body(task: RootTask) -> None:
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        await task.kernel.cnode_mint(task.cnode, 100, ntfn, ANY, 9)
        badges.append(await task.kernel.wait(ntfn))

    run = run_program(body, harts=2, prepare=prepare)
    assert badges == [9]
    switches = [(event.old, event.new) for event in run.events(ContextSwitch) if event.hart == 0]
    assert switches[:3] == [("idle0", "root"), ("root", "idle0"), ("idle0", "root")]


def test_debug_put_char_and_yield(run_program: RunProgram) -> None:
    async def body(task: RootTask) -> None:
        for character in "ok":
            await task.kernel.put_char(character)
            await task.kernel.yield_()

    assert run_program(body).kernel.state.console == "ok"


def test_the_big_lock_admits_one_hart_at_a_time(run_program: RunProgram) -> None:
    """Both harts tick in the same cycle: one waits, and for as long as the other needs."""

    async def body(task: RootTask) -> None:
        await Compute(100_000)

    run = run_program(body, harts=2)
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


async def _become_receiver(task: RootTask, handler: Any) -> int:
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    assert await task.kernel.tcb_bind_notification(task.tcb, ntfn) is SeL4Error.NO_ERROR
    await CsrWrite(Csr.UTVEC, task.machine.place(handler))
    await CsrSet(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))
    assert await task.kernel.uintr_register_receiver(ntfn, task.tcb) is SeL4Error.NO_ERROR
    await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))
    return ntfn


def test_a_thread_interrupts_itself_through_its_own_sender_entry(run_program: RunProgram) -> None:
    taken: list[int] = []

    async def handler() -> None:
        taken.append(await Uipi(UipiFunction.READ))
        await Uret()

    async def body(task: RootTask) -> None:
        ntfn = await _become_receiver(task, handler)
        await task.kernel.cnode_mint(task.cnode, 100, ntfn, 1, 33)
        error, index = await task.kernel.uintr_register_sender(100)
        assert error is SeL4Error.NO_ERROR
        await Uipi(UipiFunction.SEND, index)
        await Compute(200)

    run = run_program(body)
    assert taken == [1 << 33]
    assert len(run.events(UserTrap)) == 1


def test_registration_rules(run_program: RunProgram) -> None:
    answers: dict[str, SeL4Error] = {}

    async def handler() -> None:
        await Uret()

    async def body(task: RootTask) -> None:
        kernel = task.kernel
        (unbound,) = await task.allocate(ObjectType.NOTIFICATION)
        answers["unbound"] = await kernel.uintr_register_receiver(unbound, task.tcb)
        answers["no receiver yet"] = (await kernel.uintr_register_sender(unbound))[0]
        ntfn = await _become_receiver(task, handler)
        answers["twice"] = await kernel.uintr_register_receiver(ntfn, task.tcb)
        await kernel.cnode_mint(task.cnode, 100, ntfn, 1, 64)
        answers["vector 64"] = (await kernel.uintr_register_sender(100))[0]
        await kernel.cnode_mint(task.cnode, 101, ntfn, 2, 1)
        answers["cannot send"] = (await kernel.uintr_register_sender(101))[0]
        answers["no frame"], _ = await kernel.uintr_register_async_syscall(ntfn, task.tcb)
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        answers["no layout"], _ = await kernel.uintr_register_async_syscall(ntfn, frame)
        answers["no policy"], _ = await kernel.uintr_register_async_syscall(ntfn, frame, 9)
        answers["no handler"] = await kernel.wake_syscall_handler()

    run_program(body)
    assert answers == {
        "unbound": SeL4Error.ILLEGAL_OPERATION,
        "no receiver yet": SeL4Error.ILLEGAL_OPERATION,
        "twice": SeL4Error.ILLEGAL_OPERATION,
        "vector 64": SeL4Error.RANGE_ERROR,
        "cannot send": SeL4Error.INVALID_CAPABILITY,
        "no frame": SeL4Error.INVALID_CAPABILITY,
        "no layout": SeL4Error.INVALID_ARGUMENT,
        "no policy": SeL4Error.INVALID_ARGUMENT,  # the layout is looked at first
        "no handler": SeL4Error.ILLEGAL_OPERATION,
    }


def test_an_interrupt_posted_while_another_thread_runs_is_kept_and_delivered(
    run_program: RunProgram,
) -> None:
    """The receiver waits; a lower thread posts to it, then signals it awake. The user interrupt is
    taken when the receiver is back, and the other thread never sees it."""
    taken: list[tuple[str, int]] = []

    async def handler() -> None:
        taken.append(("root", await Uipi(UipiFunction.READ)))
        await Uret()

    def prepare(kernel: Kernel) -> None:
        (root,) = kernel.state.initial
        assert root.vspace is not None

        async def other() -> None:
            error = (await Ecall(Registers(SysCall.CALL, 100, register))).info >> 12
            assert error == 0
            await Uipi(UipiFunction.SEND, 0)
            await Compute(5_000)
            taken.append(("other", 0))
            await Ecall(Registers(SysCall.SEND, 101))

        register = MessageInfo(label=Invocation.UINTR_REGISTER_SENDER).word()
        context = Context("other", other, root=root.vspace.table.address)
        tcb = TCB(0, "other", context, 1, 0, TIME_SLICE, cspace=root.cspace)
        tcb.vtable.cap = root.vspace
        kernel.state.harts.make_runnable(tcb)

    async def body(task: RootTask) -> None:
        ntfn = await _become_receiver(task, handler)
        await task.kernel.cnode_mint(task.cnode, 100, ntfn, 1, 7)
        (plain,) = await task.allocate(ObjectType.NOTIFICATION)
        await task.kernel.cnode_mint(task.cnode, 101, plain, ANY, 1)
        assert await task.kernel.wait(plain) == 1
        await Compute(200)

    run_program(body, prepare=prepare)
    assert taken == [("other", 0), ("root", 1 << 7)]


# --- asynchronous system calls --------------------------------------------------------------------


def test_async_calls_have_the_effect_and_error_of_their_synchronous_twins(
    run_program: RunProgram,
) -> None:
    answers: dict[str, Any] = {}

    async def body(task: RootTask) -> None:
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.map_page_tables(FRAME, 8192)
        calls = await task.start_async_syscalls(16)

        async def worker() -> None:
            answers["map"] = await calls.page_map(frame, task.vspace, FRAME)
            await Store(FRAME, 0x1234)
            answers["address"] = (await calls.page_get_address(frame)).words[0]
            answers["elsewhere"] = await calls.page_map(frame, task.vspace, FRAME + 4096)
            answers["unmap"] = await calls.page_unmap(frame)
            answers["no cap"] = await calls.page_unmap(999)
            answers["char"] = await calls.put_char("!")
            answers["misaligned"] = await calls.page_map(frame, task.vspace, FRAME + 8)

        task.executor.spawn(worker, priority=2)
        await task.executor.run_until_complete()
        answers["sync"] = (await task.kernel.page_get_address(frame)).words[0]

    run = run_program(body)
    assert answers["address"] == answers["sync"]
    assert {name: answers[name] for name in answers if name not in ("address", "sync")} == {
        "map": SeL4Error.NO_ERROR,
        "elsewhere": SeL4Error.INVALID_ARGUMENT,
        "unmap": SeL4Error.NO_ERROR,
        "no cap": SeL4Error.INVALID_CAPABILITY,
        "char": SeL4Error.NO_ERROR,
        "misaligned": SeL4Error.ALIGNMENT_ERROR,
    }
    assert run.kernel.state.console == "!"
    assert run.machine.memory.load(answers["address"]) == 0x1234
    assert leaf_of(run, FRAME) is None


def test_a_string_of_any_length_arrives_whole(run_program: RunProgram) -> None:
    text = "The quick brown fox. " * 40
    errors: list[SeL4Error] = []

    async def body(task: RootTask) -> None:
        calls = await task.start_async_syscalls(4)

        async def worker() -> None:
            errors.append(await calls.put_string(text))
            errors.append((await calls.call(AsyncLabel.PUT_STRING, 9, 0)).error)
            errors.append((await calls.call(AsyncLabel.RISCV_PAGE_MAP, 1)).error)
            errors.append((await calls.call(AsyncLabel.CNODE_REVOKE, 1)).error)

        task.executor.spawn(worker)
        await task.executor.run_until_complete()

    assert run_program(body).kernel.state.console == text
    assert errors == [
        SeL4Error.NO_ERROR,
        SeL4Error.TRUNCATED_MESSAGE,
        SeL4Error.TRUNCATED_MESSAGE,
        SeL4Error.ILLEGAL_OPERATION,
    ]


def test_a_full_request_ring_makes_coroutines_wait_and_loses_nothing(
    run_program: RunProgram,
) -> None:
    done: list[int] = []

    async def body(task: RootTask) -> None:
        calls = await task.start_async_syscalls(2)

        async def worker(number: int) -> None:
            for _ in range(3):
                assert await calls.put_char(chr(65 + number)) is SeL4Error.NO_ERROR
            done.append(number)

        for number in range(9):
            task.executor.spawn(partial(worker, number), priority=2)
        await task.executor.run_until_complete()

    run = run_program(body)
    assert sorted(done) == list(range(9))
    assert sorted(run.kernel.state.console) == sorted("ABCDEFGHI" * 3)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0x100, 1 << 40), (0x100, (1 << 64) - 1), (0x140, 5_000), (0xC0, 17)],
)
def test_garbage_in_the_buffer_ends_the_handler_not_the_kernel(
    run_program: RunProgram, offset: int, value: int
) -> None:
    async def body(task: RootTask) -> None:
        await task.start_async_syscalls(16)
        await Store(BUFFER_ADDRESS + offset, value)
        # A reply ring is looked at only when a request is there.
        if offset == 0x140:
            await Store(BUFFER_ADDRESS + 0x100, 1)
        await task.kernel.wake_syscall_handler()
        await Compute(60_000)
        await task.kernel.put_char("k")

    run = run_program(body)
    assert run.kernel.state.console == "k"
    (fault,) = run.events(Fault)
    assert fault.reason.startswith("syscall buffer: ring indices are")


@pytest.mark.parametrize("capacity", [3, 0, 8192, 64])
def test_a_layout_that_cannot_be_is_refused(run_program: RunProgram, capacity: int) -> None:
    answers: list[SeL4Error] = []

    async def body(task: RootTask) -> None:
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.map_page_tables(FRAME, 4096)
        await task.kernel.page_map(frame, task.vspace, FRAME)
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        await SyscallBuffer.create(FRAME, capacity)
        answers.append((await task.kernel.uintr_register_async_syscall(ntfn, frame))[0])

    run = run_program(body)
    assert answers == [SeL4Error.INVALID_ARGUMENT]
    assert not run.kernel.state.runtime.tasks


def test_wake_traps_once_for_many_submissions(run_program: RunProgram) -> None:
    async def body(task: RootTask) -> None:
        calls = await task.start_async_syscalls(16)
        before.append(len([event for event in task.machine.log if isinstance(event, Trap)]))

        async def worker() -> None:
            await calls.put_char("x")

        for _ in range(5):
            task.executor.spawn(worker, priority=2)
        await task.executor.run_until_complete()

    before: list[int] = []
    run = run_program(body, timer_period=100_000)
    later = [event.cause for event in run.events(Trap)][before[0] :]
    assert later.count("ecall") == 1
    assert run.kernel.state.console == "xxxxx"

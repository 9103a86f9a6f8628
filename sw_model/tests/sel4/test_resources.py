"""What untrusted threads take of tables, receivers and handlers: within their quota, given back,
and nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest
from root_bench import Program, initial_thread
from uintr_bench import become_receiver, syscall_buffer_at

from rel4.abi.numbers import AsyncLabel, CapSlot, ObjectType, SeL4Error
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.kernel.account import Account
from rel4.kernel.capability import NotificationCap
from rel4.kernel.errors import InvocationError
from rel4.kernel.objects import TCB, CNode, Notification
from rel4.machine.ops import Compute, Store
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import Flavour

OK = SeL4Error.NO_ERROR
PLACE = 0x5000_0000


async def thread_in(
    task: RootTask, maker: ThreadMaker, space: int | None, program: Callable[..., Any], ntfn: int
) -> int:
    """A thread of an address space, root's if it is None, with a bound notification; its TCB."""
    kernel, root = task.kernel, task.cnode
    thread = await maker.make(program, priority=100, resume=False)
    if space is not None:
        copy, tables = 700 + thread.tcb, await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2)
        assert await kernel.cnode_copy(root, copy, thread.buffer) is OK
        for table in tables:
            await kernel.page_table_map(table, space, thread.buffer_address)
        assert await kernel.page_map(copy, space, thread.buffer_address) is OK
        assert await kernel.tcb_set_space(thread.tcb, 0, root, 0, space) is OK
    assert await kernel.tcb_bind_notification(thread.tcb, ntfn) is OK
    return thread.tcb


POOL = CapSlot.INIT_THREAD_ASID_POOL


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("flavour", list(Flavour))
@initial_thread("flavour")
async def test_who_used_up_a_quota_leaves_the_rest_to_others(
    task: RootTask, flavour: Flavour, nested: bool
) -> Program:
    """Threads of an address space with a quota of two take what they can: a receiver, a sender
    table, and no more, be it by another space that one of them made with a larger quota. A victim
    then registers, and what the greedy had is given back with their end."""
    words = (PLACE, 0) if flavour is Flavour.INTEL else ()
    greedy: list[SeL4Error] = []
    others: list[SeL4Error] = []
    kernel, root = task.kernel, task.cnode
    maker = ThreadMaker(task)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    space, inner = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2)
    spaces = [space, inner, inner] if nested else [space] * 3

    async def become(got: list[SeL4Error], space: int | None) -> int:
        """A thread that registers as receiver and as sender, and waits; its TCB."""
        (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
        tcbs: list[int] = []

        async def program(own: SystemCalls) -> None:
            got.append(await own.uintr_register_receiver(ntfn, tcbs[0], words))
            if got[-1] is OK:
                got.append((await own.uintr_register_sender(ntfn))[0])
            if nested and space == spaces[0]:
                assert await own.asid_pool_assign(POOL, inner, quota=9) is OK
            await own.send(ep)

        tcbs.append(await thread_in(task, maker, space, program, ntfn))
        assert await kernel.tcb_resume(tcbs[0]) is OK
        await kernel.recv(ep)
        return tcbs[0]

    assert await kernel.asid_pool_assign(POOL, space, quota=2) is OK
    first = await become(greedy, spaces[0])
    await become(greedy, spaces[1])
    await become(others, None)
    assert await kernel.cnode_delete(root, first) is OK
    await become(greedy, spaces[2])
    yield
    assert greedy == [OK, OK, SeL4Error.NOT_ENOUGH_MEMORY, OK, OK]
    assert others == [OK, OK]


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize("quota", [1, 2])
@initial_thread("flavour")
async def test_a_handler_of_a_syscall_buffer_is_a_unit(
    task: RootTask, flavour: Flavour, quota: int
) -> Program:
    """Of a quota of one the receiver is all, and what was refused leaves nothing."""
    words = (PLACE, 0) if flavour is Flavour.INTEL else ()
    badged = 900
    got: list[SeL4Error] = []
    kernel = task.kernel
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    (space,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    frame = await syscall_buffer_at(task, 0x4000_0000)
    assert await kernel.cnode_mint(task.cnode, badged, ntfn, 0xF, 1) is OK
    assert await kernel.asid_pool_assign(POOL, space, quota=quota) is OK
    tcbs: list[int] = []

    async def program(own: SystemCalls) -> None:
        got.append(await own.uintr_register_receiver(ntfn, tcbs[0], words))
        got.append((await own.uintr_register_async_syscall(badged, frame, 0))[0])
        await own.send(ep)

    tcbs.append(await thread_in(task, ThreadMaker(task), space, program, ntfn))
    assert await kernel.tcb_resume(tcbs[0]) is OK
    await kernel.recv(ep)
    run = yield
    assert got == [OK, OK if quota == 2 else SeL4Error.NOT_ENOUGH_MEMORY]
    assert len(run.kernel.state.uintr.kernel_table.entries) == quota - 1


def test_who_has_no_address_space_takes_nothing() -> None:
    """There is no account that could pay: a thread without a space is no way round a quota."""
    with pytest.raises(InvocationError, match="quota of 0"):
        TCB(0).account.charge()


def test_a_space_that_is_made_is_charged_to_its_maker() -> None:
    maker = Account(2)
    made = Account(5, maker)
    taken = [made.charge(), made.charge()]
    with pytest.raises(InvocationError):
        made.charge()
    assert (made.used, maker.used) == (2, 2)
    for charge in taken * 2:  # a second time nothing happens
        charge.release()
    assert (made.used, maker.used) == (0, 0)


def test_spaces_that_make_each_other_do_not_pile_up_accounts() -> None:
    account = Account(3)
    for _ in range(100):
        account = account.child(3).child(2)
    depth, at = 0, account.parent
    while at is not None:
        depth, at = depth + 1, at.parent
    assert depth == 1
    assert account.child(1).limit == 1


def test_failing_lookups_take_no_memory() -> None:
    """Only what is in use is kept, and what somebody is about to fill."""
    node = CNode(0, radix=20)
    used = node.slot(7)
    used.cap = NotificationCap(Notification(0))
    held = node.slot(8)
    for index in range(100_000):
        node.slot(index)
    assert len(node.slots) <= CNode.SPARE
    assert node.slot(7) is used
    assert node.slot(8) is held
    assert node.used() == [used]


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize("policy", ["inline", "uipi", "spread"])
@initial_thread("policy", "flavour", harts=3)
async def test_a_late_failure_of_one_registration_never_clears_a_good_one(
    task: RootTask, flavour: Flavour, policy: str
) -> Program:
    """The first handler fails when it is woken, by an index that cannot be. The thread registers
    again, and again; then all that the failed ones depended on is deleted. The last one serves."""
    got: list[Any] = []
    taken: list[int] = []
    kernel, root = task.kernel, task.cnode
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    assert await become_receiver(task, ntfn, taken) is OK

    async def register(number: int) -> SyscallBuffer:
        virtual = 0x4000_0000 + number * (1 << 30)
        frame = await syscall_buffer_at(task, virtual)
        await kernel.cnode_mint(root, 900 + number, ntfn, 0xF, number)
        await kernel.cnode_copy(root, 950 + number, frame, 0xF)
        place = 950 + number
        got.append((await kernel.uintr_register_async_syscall(900 + number, place, 0))[0])
        return SyscallBuffer(virtual, 4)

    for number in (1, 2):
        broken = await register(number)
        await Store(broken.requests.tail, 9)
        await kernel.wake_syscall_handler()
        await Compute(100_000)
    good = await register(3)
    for number in (1, 2):
        await kernel.cnode_delete(root, 900 + number)
        await kernel.cnode_delete(root, 950 + number)
    await good.requests.put(Item(1, AsyncLabel.PUT_CHAR, words=(33,)))
    await kernel.wake_syscall_handler()
    await Compute(100_000)
    got.append(await good.replies.count())
    run = yield
    assert got == [OK, OK, OK, 1]
    assert taken == [1 << 3]
    assert run.kernel.state.console == "!"

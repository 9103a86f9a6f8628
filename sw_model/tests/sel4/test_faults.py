"""Faults and their messages, as sel4test's PAGEFAULT, CAPFAULT, UNKNOWN_SYSCALL and others."""

from collections.abc import Callable
from typing import Any

import pytest
from root_bench import Program, initial_thread, run_program

from rel4.abi.numbers import ObjectType, SysCall
from rel4.machine.events import Fault
from rel4.machine.ops import CsrRead, CsrWrite, Ecall, Load, Registers, SetTimer, Store, Uret
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import Thread, ThreadMaker
from uintr.registers import Csr

CAP_FAULT, UNKNOWN, EXCEPTION, VM_FAULT = 1, 2, 3, 5
NOWHERE = 0x7000_0000


def faulting(
    program: Callable[[SystemCalls], Any], handle: Callable[[RootTask, Thread, int, Any], Any]
) -> Any:
    """Run ``program`` in a thread whose faults come to the root task."""

    async def body(task: RootTask) -> None:
        (ep,) = await task.allocate(ObjectType.ENDPOINT)
        thread = await ThreadMaker(task).make(program, priority=255, fault_endpoint=ep)
        message = await task.kernel.recv(ep)
        await handle(task, thread, ep, message)
        await task.kernel.yield_()

    return run_program(body)


@pytest.mark.parametrize(("store", "status"), [(False, 13), (True, 15)])
def test_a_page_fault_is_retried_after_the_reply(store: bool, status: int) -> None:
    got: list[Any] = []

    async def program(own: SystemCalls) -> None:
        if store:
            await Store(NOWHERE, 7)
        got.append(await Load(NOWHERE))

    async def handle(task: RootTask, thread: Thread, ep: int, message: Any) -> None:
        got.append((message.info.label, message.info.length, message.words[1:]))
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await task.map_page_tables(NOWHERE, 4096)
        await task.kernel.page_map(frame, task.vspace, NOWHERE)
        await task.kernel.reply()

    faulting(program, handle)
    assert got == [(VM_FAULT, 4, (NOWHERE, 0, status)), 7 if store else 0]


@pytest.mark.parametrize("reply_label", [0, 1])
def test_the_reply_decides_whether_the_thread_goes_on(reply_label: int) -> None:
    seen: list[int] = []

    async def program(own: SystemCalls) -> None:
        await Load(NOWHERE)

    async def handle(task: RootTask, thread: Thread, ep: int, message: Any) -> None:
        await task.kernel.reply(label=reply_label)
        await task.kernel.yield_()
        seen.append((await task.kernel.nb_recv(ep)).info.label)

    faulting(program, handle)
    assert seen == [VM_FAULT if reply_label == 0 else 0]


def test_an_unknown_system_call_can_be_emulated() -> None:
    got: list[Any] = []

    async def program(own: SystemCalls) -> None:
        answer = await Ecall(Registers(-77, 5, 6, (1, 2, 3, 4)))
        got.append((answer.cap, answer.info, answer.message))

    async def handle(task: RootTask, thread: Thread, ep: int, message: Any) -> None:
        pc = message.words[0]
        rest = [await task.kernel.message_word(n) for n in range(4, 11)]
        got.append((message.info.label, message.info.length, message.words[3], rest))
        await task.kernel.reply((pc + 4, 0, 0, 50, 60, 10, 20, 30, 40, 0))

    faulting(program, handle)
    number = (1 << 64) - 77
    assert got == [(UNKNOWN, 11, 5, [6, 1, 2, 3, 4, 0, number]), (50, 60, (10, 20, 30, 40))]


@pytest.mark.parametrize(
    ("op", "number"),
    [
        (lambda: Load(NOWHERE + 1), 4),
        (lambda: Store(NOWHERE + 4, 0), 6),
        (lambda: CsrRead(Csr.SUIST), 2),
        (lambda: CsrWrite(Csr.SUIRS, 0), 2),
        (lambda: SetTimer(0), 2),
    ],
)
def test_exceptions_are_told_and_can_be_skipped(op: Callable[[], Any], number: int) -> None:
    got: list[Any] = []

    async def program(own: SystemCalls) -> None:
        await op()
        got.append("behind")

    async def handle(task: RootTask, thread: Thread, ep: int, message: Any) -> None:
        got.append((message.info.label, message.info.length, message.words[2]))
        await task.kernel.reply((message.words[0] + 4, 0))

    faulting(program, handle)
    assert got == [(EXCEPTION, 4, number), "behind"]


@pytest.mark.parametrize("receiving", [False, True])
@initial_thread()
async def test_a_missing_capability_is_a_fault(task: RootTask, receiving: bool) -> Program:
    got: list[Any] = []
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    (node,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=8)
    await kernel.cnode_mint(root, 100, node, 0b1111, 56)  # eight bits behind a guard of zeros
    await kernel.invoke(node, 20, (3, 8, ep, 64, 0b1111), (root,))

    async def program(own: SystemCalls) -> None:
        if receiving:
            await own.recv(1 << 40)
        else:
            await own.send(1 << 40)
        got.append("behind")

    thread = await ThreadMaker(task).make(program, priority=255, fault_endpoint=3, cnode=100)
    message = await kernel.recv(ep)
    rest = [await kernel.message_word(n) for n in range(4, message.info.length)]
    got.append((message.info.label, *message.words[1:], *rest))
    # Lookup again, now by way of an ever-matching root.
    await kernel.tcb_set_space(thread.tcb, 3, root, 0, task.vspace)
    await kernel.reply()
    if receiving:
        await kernel.cnode_copy(root, 1 << 40, ep)
        await kernel.yield_()
        await kernel.send(ep)
    await kernel.yield_()
    yield
    # address, in receive phase, guard mismatch, bits left, guard found, its size
    assert got[0] == (CAP_FAULT, 1 << 40, int(receiving), 4, 64, 0, 56)


@initial_thread()
async def test_a_fault_without_a_handler_stops_the_thread(task: RootTask) -> Program:
    async def program(own: SystemCalls) -> None:
        await Load(NOWHERE)
        await own.put_char("x")

    thread = await ThreadMaker(task).make(program, priority=255)
    await task.kernel.yield_()
    await task.kernel.tcb_resume(thread.tcb)  # it tries once more
    await task.kernel.yield_()
    run = yield
    assert [event.reason for event in run.events(Fault)] == [
        f"page fault at {NOWHERE:#x} (load)"
    ] * 2
    assert run.kernel.state.console == ""


@initial_thread()
async def test_code_that_is_not_there_faults_at_the_fetch(task: RootTask) -> None:

    async def never(own: SystemCalls) -> None:
        raise AssertionError

    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    thread = await ThreadMaker(task).make(never, priority=255, fault_endpoint=ep, resume=False)
    await task.kernel.tcb_write_registers(thread.tcb, (0xDEAD_0000,), resume=True)
    message = await task.kernel.recv(ep)
    assert (message.info.label, message.words) == (VM_FAULT, (0xDEAD_0000, 0xDEAD_0000, 1, 12))
    await task.kernel.tcb_suspend(thread.tcb)
    (bare,) = await task.allocate(ObjectType.TCB)  # no spaces at all
    await task.kernel.tcb_resume(bare)
    await task.kernel.yield_()


def test_a_stray_uret_is_a_fault_not_an_error_of_the_model() -> None:
    async def program(own: SystemCalls) -> None:
        await CsrWrite(Csr.UEPC, 0x4444)
        await Uret()

    async def handle(task: RootTask, thread: Thread, ep: int, message: Any) -> None:
        assert (message.info.label, message.words[1:]) == (VM_FAULT, (0x4444, 1, 12))

    faulting(program, handle)


@initial_thread()
async def test_deleting_the_address_space_stops_its_threads(task: RootTask) -> None:
    kernel = task.kernel
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    (space,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    (tcb,) = await task.allocate(ObjectType.TCB)
    assert await kernel.asid_pool_assign(6, space) == 0
    assert await kernel.tcb_configure(tcb, ep, task.cnode, 0, space, 0, 0, 0) == 0

    async def program() -> None:
        await Ecall(Registers(SysCall.SEND, ep))
        await Ecall(Registers(SysCall.SEND, ep))
        await Load(0x1000)

    await kernel.tcb_set_sched_params(tcb, task.tcb, 200, 200)
    pc = task.machine.place(program)
    await kernel.tcb_write_registers(tcb, (pc,), resume=True)
    await kernel.recv(ep)
    await kernel.cnode_delete(task.cnode, space)
    await kernel.recv(ep)
    assert (await kernel.recv(ep)).info.label == VM_FAULT

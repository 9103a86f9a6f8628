"""What was registered is given back, an error is undone, an index belongs to its entry's owner, and
nobody finds another's registers. Each test is an input that broke the kernel once."""

from typing import Any

import pytest
from root_bench import Program, initial_thread, run_program
from uintr_bench import BOTH, become_receiver, handler_into, syscall_buffer_at

from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.bench.policies import find_policy
from rel4.machine import ops_intel as intel
from rel4.machine.events import ReceiverChanged
from rel4.machine.ops import Compute, CsrRead, CsrWrite
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import ALL_FEATURES, Csr, Feature, Flavour

OK, ANY = SeL4Error.NO_ERROR, 0b1111
ILLEGAL, MEMORY = SeL4Error.ILLEGAL_OPERATION, SeL4Error.NOT_ENOUGH_MEMORY
BUFFER = 0x10_0000_0000


async def receiver_and_buffer(task: RootTask) -> tuple[int, int]:
    """The notification that the initial thread receives by, and the frame of its buffer."""
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    assert await become_receiver(task, ntfn, []) is OK
    return ntfn, await syscall_buffer_at(task, BUFFER)


@BOTH
@pytest.mark.parametrize("policy", ["uipi", "poll", "spread", "adaptive", "tick"])
@initial_thread("policy", "flavour", harts=3)
async def test_a_buffer_is_registered_as_often_as_one_likes(
    task: RootTask, flavour: Flavour, policy: str
) -> Program:
    """More often than there are vectors; what was free is free again."""
    kernel = task.kernel
    ntfn, frame = await receiver_and_buffer(task)
    for _ in range(70):
        await kernel.cnode_mint(task.cnode, 300, ntfn, ANY, 1)
        assert (await kernel.uintr_register_async_syscall(300, frame))[0] is OK
        await kernel.cnode_delete(task.cnode, 300)
    run = yield
    uintr = run.kernel.state.uintr
    assert (uintr.kernel_receivers, uintr.kernel_table.entries) == ({}, {})
    assert len(uintr.receivers) == 1
    assert run.kernel.state.runtime.tasks == []


@initial_thread(harts=2, policy="poll")
async def test_a_buffer_registered_again_is_not_thought_to_be_awake(task: RootTask) -> None:
    """Under `poll` a handler is woken by whoever finds its flag clear."""
    kernel = task.kernel
    ntfn, frame = await receiver_and_buffer(task)
    buffer = SyscallBuffer(BUFFER, 4)
    for _ in range(2):
        await kernel.cnode_mint(task.cnode, 300, ntfn, ANY, 1)
        assert (await kernel.uintr_register_async_syscall(300, frame))[0] is OK
        assert await buffer.handler_online.claim()
        await kernel.cnode_delete(task.cnode, 300)


@BOTH
@initial_thread("flavour", harts=2, policy="adaptive", receivers=1)
async def test_a_registration_that_fails_leaves_nothing(
    task: RootTask, flavour: Flavour
) -> Program:
    """No receiver is left for the kernel's hart: nothing is registered, and nothing is served."""
    kernel = task.kernel
    ntfn, frame = await receiver_and_buffer(task)
    await kernel.cnode_mint(task.cnode, 300, ntfn, ANY, 1)
    for _ in range(2):
        assert (await kernel.uintr_register_async_syscall(300, frame))[0] is MEMORY
    run = yield
    (root,) = run.kernel.state.initial
    slot = root.cspace.cnode.slot(300)
    assert (run.kernel.state.runtime.tasks, slot.attached) == ([], [])
    assert run.kernel.state.uintr.kernel_table.entries == {}


@BOTH
@initial_thread("flavour", policy="inline")
async def test_an_index_that_is_another_threads_interrupts_nobody(
    task: RootTask, flavour: Flavour
) -> Program:
    """Root's buffer is answered through entry 0. Its notification is unbound, and another thread
    gets that entry: the handler, which would have sent there, has ended."""
    taken: dict[str, list[int]] = {"root": [], "other": []}
    kernel = task.kernel
    mine, others = await task.allocate(ObjectType.NOTIFICATION, 2)
    assert await become_receiver(task, mine, taken["root"]) is OK
    frame = await syscall_buffer_at(task, BUFFER)
    await kernel.cnode_mint(task.cnode, 300, mine, ANY, 1)
    await kernel.cnode_mint(task.cnode, 301, others, ANY, 2)
    assert (await kernel.uintr_register_async_syscall(300, frame))[0] is OK
    assert await kernel.tcb_unbind_notification(task.tcb) is OK
    made = ThreadMaker(task)
    second = await syscall_buffer_at(task, BUFFER + (1 << 21), table=False)

    async def other(own: SystemCalls) -> None:
        handler = handler_into(task, taken["other"])
        assert await task.interrupts.register(own, others, own.tcb, handler) is OK
        assert (await own.uintr_register_async_syscall(301, second))[0] is OK
        await own.wait(400)

    (never,) = await task.allocate(ObjectType.NOTIFICATION)
    await kernel.cnode_move(task.cnode, 400, never)
    await made.make(other, priority=255, notification=others)
    await kernel.yield_()
    assert await kernel.wake_syscall_handler() is ILLEGAL
    await Compute(1_000)
    yield
    assert taken == {"root": [], "other": []}


@pytest.mark.parametrize("policy", ["uipi", "poll", "spread", "adaptive"])
def test_hardware_without_supervisor_receivers(policy: str) -> None:
    """What cannot be is refused; `adaptive` serves in the trap instead."""
    outcome: list[Any] = []

    async def body(task: RootTask) -> None:
        kernel = task.kernel
        ntfn, frame = await receiver_and_buffer(task)
        await kernel.cnode_mint(task.cnode, 300, ntfn, ANY, 1)
        error, sender = await kernel.uintr_register_async_syscall(300, frame)
        outcome.extend((error, sender))

    features = ALL_FEATURES & ~Feature.SUPERVISOR
    run_program(body, harts=2, policy=policy, features=features)
    assert outcome == ([OK, None] if policy == "adaptive" else [ILLEGAL, None])


def test_adaptive_calls_end_without_supervisor_receivers() -> None:
    async def body(task: RootTask) -> None:
        calls = await task.start_async_syscalls(4, find_policy("adaptive").style)
        task.executor.spawn(lambda: calls.put_char("!"))
        await task.executor.run_until_complete()

    features = ALL_FEATURES & ~Feature.SUPERVISOR
    run = run_program(body, harts=2, policy="adaptive", features=features)
    assert run.kernel.state.console == "!"


@initial_thread()
async def test_a_thread_finds_no_registers_of_another(task: RootTask) -> Program:
    """Neither has registered. What one wrote, it finds again; the other finds zeros."""
    found: dict[str, list[int]] = {"a": [], "b": []}
    maker = ThreadMaker(task)
    for name, value in (("a", 0xA0), ("b", 0xB0)):

        async def program(own: SystemCalls, name: str = name, value: int = value) -> None:
            for _ in range(2):
                found[name].append(await CsrRead(Csr.USCRATCH))
                found[name].append(await CsrRead(Csr.USTATUS))
                await CsrWrite(Csr.USCRATCH, value)
                await CsrWrite(Csr.USTATUS, 1)
                await own.yield_()

        await maker.make(program, priority=255, name=name)
    for _ in range(6):
        await task.kernel.yield_()
    yield
    assert found == {"a": [0, 0, 0xA0, 1], "b": [0, 0, 0xB0, 1]}


@initial_thread()
async def test_user_interrupt_registers_are_not_seen_by_others(task: RootTask) -> Program:
    seen: list[int] = []
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await become_receiver(task, ntfn, [])

    async def other(own: SystemCalls) -> None:
        for csr in (Csr.UTVEC, Csr.UIE, Csr.USTATUS, Csr.UEPC, Csr.USCRATCH):
            seen.append(await CsrRead(csr))

    await ThreadMaker(task).make(other, priority=255)
    await task.kernel.yield_()
    seen.append(await CsrRead(Csr.UTVEC))
    yield
    assert seen[:-1] == [0] * 5
    assert seen[-1] != 0


@initial_thread(flavour=Flavour.INTEL)
async def test_a_thread_finds_no_flag_of_another(task: RootTask) -> Program:
    found: dict[str, list[int]] = {"a": [], "b": []}
    maker = ThreadMaker(task)
    for name in found:

        async def program(own: SystemCalls, name: str = name) -> None:
            for _ in range(2):
                found[name].append(await intel.Testui())
                await intel.Stui()
                await own.yield_()

        await maker.make(program, priority=255, name=name)
    for _ in range(6):
        await task.kernel.yield_()
    yield
    assert found == {"a": [0, 1], "b": [0, 1]}


@initial_thread()
async def test_a_handler_keeps_the_answer_of_the_call_that_it_interrupted(
    task: RootTask,
) -> Program:
    """A user interrupt is taken between a system call and its thread's next step, and its handler
    makes system calls of its own."""
    kernel = task.kernel
    ntfn, plain = await task.allocate(ObjectType.NOTIFICATION, 2)
    await kernel.tcb_bind_notification(task.tcb, ntfn)

    async def handler() -> None:
        await task.interrupts.take()
        await kernel.poll(plain)
        await kernel.cap_identify(plain)
        await task.interrupts.leave()

    place = task.machine.place(handler)
    assert await task.interrupts.register(kernel, ntfn, task.tcb, place) is OK
    await kernel.cnode_mint(task.cnode, 300, ntfn, ANY, 1)
    answer = await kernel.invoke(300, 0)  # a call that signals: interrupted at its return
    assert int(answer.error) == 0
    run = yield
    assert run.events(ReceiverChanged)


@BOTH
@pytest.mark.parametrize("what", ["frame", "badged", "notification"])
@initial_thread("flavour")
async def test_a_handler_ends_with_what_it_needs(
    task: RootTask, flavour: Flavour, what: str
) -> None:
    kernel, root = task.kernel, task.cnode
    ntfn, frame = await receiver_and_buffer(task)
    await kernel.cnode_mint(root, 100, ntfn, ANY, 0)
    assert (await kernel.uintr_register_async_syscall(100, frame))[0] is OK
    match what:
        case "frame":
            await kernel.cnode_delete(root, frame)
        case "badged":
            await kernel.cnode_delete(root, 100)
        case _:
            await kernel.cnode_revoke(root, ntfn)
            await kernel.cnode_delete(root, ntfn)
    assert await kernel.wake_syscall_handler() is ILLEGAL
    await Compute(50_000)

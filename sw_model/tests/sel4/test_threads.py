"""Threads and scheduling, as sel4test's THREADS, SCHED, MULTICORE and PREEMPT tests."""

from typing import Any

import pytest
from root_bench import Program, initial_thread, run_program

from rel4.abi.numbers import CapSlot, Invocation, ObjectType, SeL4Error
from rel4.machine.events import ContextSwitch, Syscall, Trap
from rel4.machine.ops import Compute, Load
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker

OK, ILLEGAL = SeL4Error.NO_ERROR, SeL4Error.ILLEGAL_OPERATION


@initial_thread()
async def test_higher_priorities_run_first_and_equal_ones_take_turns(task: RootTask) -> Program:
    order: list[str] = []
    maker = ThreadMaker(task)
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await task.kernel.cnode_mint(task.cnode, 100, ntfn, 15, 1)
    for name, priority in (("low", 10), ("a", 50), ("b", 50), ("high", 90)):

        async def program(own: SystemCalls, name: str = name) -> None:
            for _ in range(2):
                order.append(name)
                await own.yield_()
            if name == "low":
                await own.signal(100)

        await maker.make(program, priority=priority, name=name)
    await task.kernel.wait(ntfn)
    yield
    # Who was made runnable last stands first in the queue, as in seL4.
    assert order == ["high", "high", "b", "a", "b", "a", "low", "low"]


@initial_thread()
async def test_time_slices_share_a_hart_among_equals(task: RootTask) -> Program:
    spent = {"a": 0, "b": 0}
    maker = ThreadMaker(task)
    for name in spent:

        async def program(own: SystemCalls, name: str = name) -> None:
            while True:
                await Compute(1_000)
                spent[name] += 1

        await maker.make(program, priority=100)
    await task.kernel.tcb_set_priority(task.tcb, task.tcb, 100)
    for _ in range(4):
        await task.kernel.yield_()
    yield
    assert min(spent.values()) > 100
    assert abs(spent["a"] - spent["b"]) < 0.2 * spent["a"]


@initial_thread()
async def test_set_priority_takes_effect_at_once(task: RootTask) -> Program:
    order: list[str] = []
    kernel = task.kernel

    async def program(own: SystemCalls) -> None:
        order.append("other")

    thread = await ThreadMaker(task).make(program, priority=100)
    await kernel.tcb_set_priority(task.tcb, task.tcb, 200)
    order.append("still root")
    await kernel.tcb_set_priority(thread.tcb, task.tcb, 201)
    order.append("root again")
    yield
    assert order == ["still root", "other", "root again"]


@initial_thread()
async def test_priorities_are_limited_by_the_authority(task: RootTask) -> None:
    kernel = task.kernel
    (tcb,) = await task.allocate(ObjectType.TCB)
    assert await kernel.tcb_set_mc_priority(tcb, task.tcb, 100) is OK
    assert await kernel.tcb_set_priority(tcb, tcb, 101) is SeL4Error.RANGE_ERROR
    assert await kernel.tcb_set_priority(tcb, tcb, 100) is OK
    assert await kernel.tcb_set_sched_params(tcb, tcb, 100, 101) is SeL4Error.RANGE_ERROR
    assert await kernel.tcb_set_sched_params(tcb, task.tcb, 256, 0) is SeL4Error.RANGE_ERROR
    assert await kernel.tcb_set_priority(tcb, task.cnode, 1) is SeL4Error.INVALID_CAPABILITY
    assert await kernel.tcb_set_affinity(tcb, 1) is ILLEGAL


@initial_thread()
async def test_registers_are_read_written_and_copied(task: RootTask) -> None:
    kernel = task.kernel
    one, two = await task.allocate(ObjectType.TCB, 2)
    values = tuple(range(0x1000, 0x1020))
    assert await kernel.tcb_write_registers(one, values) is OK
    answer = await kernel.tcb_read_registers(one, 32)
    assert (*answer.words, *[await kernel.message_word(n) for n in range(4, 32)]) == values
    assert await kernel.tcb_copy_registers(two, one, 8) is OK
    answer = await kernel.tcb_read_registers(two, 32)
    assert (*answer.words[1:3], await kernel.message_word(16)) == (
        0,
        0,
        0x1010,
    )  # frame registers were not copied
    assert (await kernel.tcb_read_registers(task.tcb, 1)).error is ILLEGAL
    assert await kernel.tcb_write_registers(task.tcb, (0,)) is ILLEGAL
    assert (
        await kernel.invoke(one, Invocation.TCB_WRITE_REGISTERS, (0, 9, 1))
    ).error is SeL4Error.TRUNCATED_MESSAGE
    assert await kernel.tcb_copy_registers(two, task.cnode, 8) is SeL4Error.INVALID_CAPABILITY


@initial_thread()
async def test_configure_checks_every_capability(task: RootTask) -> None:
    answers = []
    kernel = task.kernel
    (tcb,) = await task.allocate(ObjectType.TCB)
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    (table,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    good = (tcb, 0, task.cnode, 0, task.vspace, 0, 0x5000_0000, frame)
    for place, value in ((0, tcb), (2, frame), (4, frame), (4, table), (6, 0x5000_0008)):
        arguments = list(good)
        arguments[place] = value
        answers.append(await kernel.tcb_configure(*arguments))
    (device,) = (90,)
    await kernel.untyped_retype(CapSlot.DEVICE_UNTYPED, 6, 0, task.cnode, device)
    answers.append(await kernel.tcb_set_ipc_buffer(tcb, 0x5000_0000, device))
    answers.append(await kernel.tcb_set_ipc_buffer(tcb, 0x5000_0000, tcb))
    alignment = SeL4Error.ALIGNMENT_ERROR
    assert answers == [OK, ILLEGAL, ILLEGAL, ILLEGAL, alignment, ILLEGAL, ILLEGAL]


@initial_thread()
async def test_suspend_and_resume(task: RootTask) -> Program:
    steps: list[int] = []
    kernel = task.kernel

    async def program(own: SystemCalls) -> None:
        while True:
            steps.append(len(steps))
            await own.yield_()

    thread = await ThreadMaker(task).make(program, priority=255)
    for _ in range(3):
        await kernel.yield_()
    await kernel.tcb_suspend(thread.tcb)
    before = len(steps)
    for _ in range(3):
        await kernel.yield_()
    assert len(steps) == before
    await kernel.tcb_resume(thread.tcb)
    await kernel.yield_()
    assert len(steps) > before
    await kernel.tcb_suspend(thread.tcb)
    yield
    assert steps


@pytest.mark.parametrize("how", ["suspend", "delete", "priority", "registers"])
@initial_thread(harts=2)
async def test_a_thread_that_runs_on_another_hart_is_stopped_first(
    task: RootTask, how: str
) -> None:
    steps: list[int] = []
    kernel = task.kernel

    async def program(own: SystemCalls) -> None:
        while True:
            await Compute(7)
            steps.append(len(steps))
            if len(steps) % 50 == 0:
                await own.yield_()

    thread = await ThreadMaker(task).make(program, priority=100, hart=1)
    await Compute(30_000)
    assert steps
    match how:
        case "suspend":
            assert await kernel.tcb_suspend(thread.tcb) is OK
        case "delete":
            assert await kernel.cnode_delete(task.cnode, thread.tcb) is OK
        case "priority":
            assert await kernel.tcb_set_priority(thread.tcb, task.tcb, 5) is OK
            assert await kernel.tcb_suspend(thread.tcb) is OK
        case _:
            assert await kernel.tcb_write_registers(thread.tcb, (0x9999_0000,)) is OK
    stopped = len(steps)
    await Compute(30_000)
    assert len(steps) == stopped


@initial_thread(harts=2)
async def test_migration_back_and_forth_loses_no_step(task: RootTask) -> Program:
    steps: list[int] = []
    kernel = task.kernel

    async def program(own: SystemCalls) -> None:
        for number in range(200):
            await Compute(500)
            steps.append(number)

    thread = await ThreadMaker(task).make(program, priority=255, hart=1, name="mover")
    for round_ in range(10):
        await Compute(3_000)
        assert await kernel.tcb_set_affinity(thread.tcb, round_ % 2) is OK
        await kernel.yield_()
    await Compute(400_000)
    run = yield
    assert steps == list(range(200))
    harts = {e.hart for e in run.events(ContextSwitch) if e.new == "mover"}
    assert harts == {0, 1}


def test_a_remote_wake_up_interrupts_a_lower_priority() -> None:
    async def body(task: RootTask) -> None:
        (ep,) = await task.allocate(ObjectType.ENDPOINT)
        maker = ThreadMaker(task)

        async def waiter(own: SystemCalls) -> None:
            await own.recv(ep)
            await own.put_char("w")

        async def busy(own: SystemCalls) -> None:
            await Compute(1_000_000)

        await maker.make(waiter, priority=200, hart=1, name="waiter")
        await Compute(5_000)
        await maker.make(busy, priority=100, hart=1, name="busy")
        await Compute(5_000)
        await task.kernel.send(ep)
        await Compute(5_000)
        assert run_console()[-1:] == "w"

    console: list[Any] = []

    def run_console() -> str:
        return str(console[0].state.console)

    run = run_program(body, harts=2, timer_period=500_000, prepare=console.append)
    assert "ipi" in [event.cause for event in run.events(Trap)]


@initial_thread()
async def test_a_long_revoke_is_preempted_and_finishes(task: RootTask) -> Program:
    """sel4test's PREEMPT_REVOKE: timer ticks are served while 1500 capabilities are deleted."""
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    for number in range(1_500):
        await kernel.cnode_copy(root, 10_000 + number, ep)
    (untyped,) = await task.allocate(ObjectType.UNTYPED, size_bits=20)
    await kernel.untyped_retype(untyped, ObjectType.UNTYPED, 19, root, 20_000, 2)
    assert await kernel.cnode_revoke(root, ep) is OK
    assert await kernel.cap_identify(10_700) == 0
    assert await kernel.cnode_revoke(root, untyped) is OK
    # Memory is cleared a chunk at a time, and the call goes on after each tick.
    error = await kernel.untyped_retype(untyped, ObjectType.RISCV_4K_PAGE, 0, root, 20_000)
    assert error is OK
    run = yield
    preempted = [e for e in run.events(Syscall) if e.label == "preempted"]
    assert len(preempted) >= 4


@initial_thread(orderly=False)  # only itself leads to its CNode now, where no invariant looks
async def test_deleting_oneself_and_ones_own_spaces(task: RootTask) -> Program:
    kernel, root = task.kernel, task.cnode
    maker = ThreadMaker(task)
    made: dict[str, int] = {}

    async def suicide(own: SystemCalls) -> None:
        await own.cnode_delete(root, made["suicide"])
        await own.put_char("!")

    async def spaceless(own: SystemCalls) -> None:
        await own.cnode_revoke(root, root)  # the copy in its own TCB goes too
        await own.put_char("!")

    for program in (suicide, spaceless):
        name = program.__name__
        thread = await maker.make(program, priority=255, resume=False, name=name)
        made[name] = thread.tcb
        await kernel.tcb_resume(thread.tcb)
    for _ in range(3):
        await kernel.yield_()
    await Load(0x100_1000)
    run = yield
    # put_char needs no capability, so the one without a CSpace still calls it
    assert run.kernel.state.console in ("", "!")

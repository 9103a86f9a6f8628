"""Asynchronous system calls, as the kernel serves them."""

from functools import partial

import pytest
from root_bench import Program, initial_thread

from rel4.abi.numbers import AsyncLabel, ObjectType, SeL4Error
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.machine.events import Fault, Trap
from rel4.machine.ops import Compute, Store
from rel4.user.root_task import BUFFER_ADDRESS, RootTask

FRAME = 0x200_0000
OK, ANY = SeL4Error.NO_ERROR, 0b1111


@initial_thread()
async def test_async_calls_have_the_effect_and_error_of_their_synchronous_twins(
    task: RootTask,
) -> Program:
    addresses: list[int] = []
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.map_page_tables(FRAME, 8192)
    calls = await task.start_async_syscalls(16)

    async def worker() -> None:
        assert await calls.page_map(frame, task.vspace, FRAME) is OK
        await Store(FRAME, 0x1234)
        addresses.append((await calls.page_get_address(frame)).words[0])
        elsewhere = await calls.page_map(frame, task.vspace, FRAME + 4096)
        assert elsewhere is SeL4Error.INVALID_ARGUMENT
        assert await calls.page_unmap(frame) is OK
        assert await calls.page_unmap(999) is SeL4Error.INVALID_CAPABILITY
        assert await calls.put_char("!") is OK
        misaligned = await calls.page_map(frame, task.vspace, FRAME + 8)
        assert misaligned is SeL4Error.ALIGNMENT_ERROR

    task.executor.spawn(worker, priority=2)
    await task.executor.run_until_complete()
    assert addresses == [(await task.kernel.page_get_address(frame)).words[0]]
    run = yield
    assert run.kernel.state.console == "!"
    assert run.machine.memory.load(addresses[0]) == 0x1234
    assert run.leaf(FRAME) is None


@initial_thread()
async def test_a_string_of_any_length_arrives_whole(task: RootTask) -> Program:
    text = "The quick brown fox. " * 40
    calls = await task.start_async_syscalls(4)

    async def worker() -> None:
        assert await calls.put_string(text) is OK
        for label, words, error in (
            (AsyncLabel.PUT_STRING, (9, 0), SeL4Error.TRUNCATED_MESSAGE),
            (AsyncLabel.RISCV_PAGE_MAP, (1,), SeL4Error.TRUNCATED_MESSAGE),
            (AsyncLabel.CNODE_REVOKE, (1,), SeL4Error.ILLEGAL_OPERATION),
        ):
            assert (await calls.call(label, *words)).error is error

    task.executor.spawn(worker)
    await task.executor.run_until_complete()
    assert (yield).kernel.state.console == text


@initial_thread()
async def test_a_full_request_ring_makes_coroutines_wait_and_loses_nothing(
    task: RootTask,
) -> Program:
    done: list[int] = []
    calls = await task.start_async_syscalls(2)

    async def worker(number: int) -> None:
        for _ in range(3):
            assert await calls.put_char(chr(65 + number)) is OK
        done.append(number)

    for number in range(9):
        task.executor.spawn(partial(worker, number), priority=2)
    await task.executor.run_until_complete()
    run = yield
    assert sorted(done) == list(range(9))
    assert sorted(run.kernel.state.console) == sorted("ABCDEFGHI" * 3)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0x100, 1 << 40), (0x100, (1 << 64) - 1), (0x140, 5_000), (0xC0, 17)],
)
@initial_thread()
async def test_garbage_in_the_buffer_ends_the_handler_not_the_kernel(
    task: RootTask, offset: int, value: int
) -> Program:
    await task.start_async_syscalls(16)
    await Store(BUFFER_ADDRESS + offset, value)
    # A reply ring is looked at only when a request is there.
    if offset == 0x140:
        await Store(BUFFER_ADDRESS + 0x100, 1)
    await task.kernel.wake_syscall_handler()
    await Compute(60_000)
    await task.kernel.put_char("k")
    run = yield
    assert run.kernel.state.console == "k"
    (fault,) = run.events(Fault)
    assert fault.reason.startswith("syscall buffer: ring indices are")


@pytest.mark.parametrize("capacity", [3, 0, 8192, 64])
@initial_thread()
async def test_a_layout_that_cannot_be_is_refused(task: RootTask, capacity: int) -> Program:
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.map_page_tables(FRAME, 4096)
    await task.kernel.page_map(frame, task.vspace, FRAME)
    (ntfn,) = await task.allocate(ObjectType.NOTIFICATION)
    await SyscallBuffer.create(FRAME, capacity)
    assert (await task.kernel.uintr_register_async_syscall(ntfn, frame))[
        0
    ] == SeL4Error.INVALID_ARGUMENT
    run = yield
    assert not run.kernel.state.runtime.tasks


@initial_thread(timer_period=100_000)
async def test_wake_traps_once_for_many_submissions(task: RootTask) -> Program:
    calls = await task.start_async_syscalls(16)
    before = sum(isinstance(event, Trap) for event in task.machine.log)

    async def worker() -> None:
        await calls.put_char("x")

    for _ in range(5):
        task.executor.spawn(worker, priority=2)
    await task.executor.run_until_complete()
    run = yield
    later = [event.cause for event in run.events(Trap)][before:]
    assert later.count("ecall") == 1
    assert run.kernel.state.console == "xxxxx"

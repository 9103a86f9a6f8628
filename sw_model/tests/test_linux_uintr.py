"""The library with the interface of Linux' proposal: what its selftests check, as tests of ours."""

from errno import (
    EBADF,
    EBUSY,
    EFAULT,
    EINVAL,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    ESHUTDOWN,
)

import pytest
from linux_bench import (
    BOTH,
    Taken,
    faults,
    linux_thread,
    nothing,
    receive,
    run,
    sends,
    until,
)
from root_bench import Program

from rel4.bench.program import run_program
from rel4.machine.ops import Compute
from rel4.user.linux_process import LinuxProcess
from rel4.user.linux_uintr import (
    UINTR_HANDLER_FLAG_WAITING_RECEIVER,
    UINTR_HANDLER_FLAG_WAITING_SENDER,
    LinuxThread,
)
from rel4.user.user_thread import UserThread
from uintr.registers import Flavour


@pytest.fixture
def process() -> LinuxProcess:
    return LinuxProcess()


@BOTH
@linux_thread("flavour")
async def test_flags_must_be_known(linux: LinuxThread, flavour: Flavour) -> None:
    for bit in range(32):
        flag = 1 << bit
        if flag != UINTR_HANDLER_FLAG_WAITING_RECEIVER:
            assert await linux.uintr_register_handler(nothing, flag) == -EINVAL
    assert await linux.uintr_register_handler(nothing, 0) == 0
    descriptor = await linux.uintr_vector_fd(1, 0)
    index = await linux.uintr_register_sender(descriptor, 0)
    assert index == 0
    for bit in range(32):
        flag = 1 << bit
        assert await linux.uintr_unregister_handler(flag) == -EINVAL
        assert await linux.uintr_vector_fd(2, flag) == -EINVAL
        assert await linux.uintr_create_fd(2, flag) == -EINVAL
        assert await linux.uintr_register_sender(descriptor, flag) == -EINVAL
        assert await linux.uintr_unregister_sender(index, flag) == -EINVAL
        assert await linux.uintr_wait(1, flag) == -EINVAL
    assert UINTR_HANDLER_FLAG_WAITING_SENDER == 0x2000


@BOTH
@linux_thread("flavour")
async def test_a_handler_is_registered_once_and_taken_back_once(
    linux: LinuxThread, flavour: Flavour
) -> None:
    assert await linux.uintr_unregister_handler(0) == -EINVAL
    assert await linux.uintr_register_handler(None, 0) == -EFAULT
    for _ in range(3):
        assert await linux.uintr_register_handler(nothing, 0x1000) == 0
        assert await linux.uintr_register_handler(nothing, 0) == -EBUSY
        assert await linux.uintr_unregister_handler(0) == 0
        assert await linux.uintr_unregister_handler(0) == -EINVAL


@BOTH
@linux_thread("flavour")
async def test_vectors_are_a_receivers_and_below_64(linux: LinuxThread, flavour: Flavour) -> None:
    assert await linux.uintr_vector_fd(1, 0) == -EINVAL
    assert await linux.uintr_register_handler(nothing, 0) == 0
    for vector, answer in ((0, 3), (63, 4), (64, -ENOSPC), (-1, -ENOSPC), (1 << 40, -ENOSPC)):
        assert await linux.uintr_vector_fd(vector, 0) == answer
    assert await linux.uintr_vector_fd(63, 0) == 5
    assert await linux.uintr_create_fd(63, 0) == -EBUSY
    assert await linux.uintr_create_fd(62, 0) == 6


@BOTH
@linux_thread("flavour", "process")
async def test_a_sender_needs_a_descriptor_of_a_living_receiver(
    linux: LinuxThread, flavour: Flavour, process: LinuxProcess
) -> None:
    assert await linux.uintr_register_handler(nothing, 0) == 0
    descriptor = await linux.uintr_vector_fd(1, 0)
    assert await linux.uintr_register_sender(99, 0) == -EBADF
    assert await linux.uintr_register_sender(-1, 0) == -EBADF
    assert await linux.uintr_register_sender(1, 0) == -EOPNOTSUPP  # the standard output
    assert await linux.uintr_register_sender(descriptor, 0) == 0
    assert await linux.uintr_register_sender(descriptor, 0) == 1
    assert await linux.uintr_unregister_sender(7, 0) == -EINVAL
    assert await linux.uintr_unregister_sender(0, 0) == 0
    assert await linux.uintr_unregister_sender(0, 0) == -EINVAL
    assert await linux.uintr_unregister_handler(0) == 0
    assert await linux.uintr_register_sender(descriptor, 0) == -ESHUTDOWN
    assert process.close(descriptor) == 0
    assert await linux.uintr_register_sender(descriptor, 0) == -EBADF
    assert process.close(descriptor) == -EBADF


@BOTH
@linux_thread("flavour")
async def test_the_257th_sender_is_refused_and_a_free_index_used_again(
    linux: LinuxThread, flavour: Flavour
) -> None:
    assert await linux.uintr_register_handler(nothing, 0) == 0
    descriptor = await linux.uintr_vector_fd(1, 0)
    for index in [*range(256), -ENOSPC]:
        assert await linux.uintr_register_sender(descriptor, 0) == index
    assert await linux.uintr_unregister_sender(17, 0) == 0
    assert await linux.uintr_register_sender(descriptor, 0) == 17


@BOTH
def test_who_has_no_notification_cannot_receive(flavour: Flavour) -> None:
    got: list[int] = []

    async def body(thread: UserThread) -> None:
        linux = LinuxThread(LinuxProcess(), thread)
        got.append(await linux.uintr_register_handler(nothing, 0))
        got.append(await linux.uintr_wait(5, 0))

    run_program(body, flavour=flavour)
    assert got == [-ENOMEM, -ENOSYS]


# --- SENDUIPI: each of these faults, and the thread ends ------------------------------------------


def test_a_send_without_a_registration_faults() -> None:
    async def body(linux: LinuxThread) -> None:
        await linux.senduipi(0)
        raise AssertionError("a send without a table went on")

    assert faults(run(body)) == [("root", "invalid opcode (#UD): ")]


@pytest.mark.parametrize("index", [1, 255, 256, 1 << 40, (1 << 64) - 1])
def test_a_send_through_an_invalid_index_faults(index: int) -> None:
    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(nothing, 0) == 0
        assert await sends(linux, 1) == 0
        await linux.senduipi(0)
        await linux.senduipi(index)
        raise AssertionError("a send through an invalid index went on")

    assert faults(run(body)) == [("root", "general protection (#G")]


@pytest.mark.parametrize("whose", ["sender", "receiver"])
def test_a_send_after_the_registration_is_taken_back_faults(whose: str) -> None:
    taken = Taken()

    async def body(linux: LinuxThread) -> None:
        await receive(linux, taken)
        first, second = [await linux.uintr_vector_fd(vector, 0) for vector in (1, 2)]
        assert await linux.uintr_register_sender(first, 0) == 0
        assert await linux.uintr_register_sender(second, 0) == 1
        await linux.senduipi(0)
        await Compute(500)
        if whose == "sender":
            assert await linux.uintr_unregister_sender(0, 0) == 0
            await linux.senduipi(1)
            await Compute(500)
        else:
            assert await linux.uintr_unregister_handler(0) == 0
        await linux.senduipi(0)
        raise AssertionError("a send through an entry that was taken back went on")

    assert faults(run(body)) == [("root", "general protection (#G")]
    assert taken == ([1, 2] if whose == "sender" else [1])


def test_an_index_that_was_taken_back_never_reaches_another_receiver() -> None:
    """The kernel uses the entry again; the old index does not lead to it."""
    taken = Taken()

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(taken.handler, 0) == 0
        old = await sends(linux, 1)
        assert await linux.uintr_unregister_handler(0) == 0
        await receive(linux, taken)
        new = await sends(linux, 2)
        assert new != old
        await linux.senduipi(new)
        await Compute(500)
        await linux.senduipi(old)

    assert faults(run(body)) == [("root", "general protection (#G")]
    assert taken == [2]


@BOTH
def test_every_thread_of_the_process_sends_by_the_index(flavour: Flavour) -> None:
    taken = Taken()
    shared: list[int] = []

    async def receiver(linux: LinuxThread) -> None:
        await receive(linux, taken)
        shared.append(await sends(linux, 9))
        await linux.senduipi(shared[0])
        await until(lambda: len(taken) == 3)

    async def other(linux: LinuxThread) -> None:
        await until(lambda: taken)
        for number in range(2):
            await linux.senduipi(shared[0])
            await until(lambda number=number: len(taken) == 2 + number)  # type: ignore[misc]  # bound now
        while True:
            await Compute(1_000)

    ended = run(receiver, other, flavour=flavour)
    assert taken == [9] * 3
    assert faults(ended) == []


def test_a_forked_child_has_the_descriptor_but_cannot_send_by_the_parents_index() -> None:
    taken = Taken()
    parent = LinuxProcess()
    children: dict[int, LinuxProcess] = {}
    ends: list[str] = []

    async def body(linux: LinuxThread) -> None:
        await receive(linux, taken)
        for vector in (3, 4):
            descriptor = await linux.uintr_vector_fd(vector, 0)
        assert await linux.uintr_register_sender(descriptor, 0) == 0
        children[1].files.update(parent.fork(1).files)
        ends.append("forked")
        await until(lambda: taken == [4])
        await Compute(5_000)

    async def child(linux: LinuxThread) -> None:
        await until(lambda: ends)
        assert await linux.uintr_unregister_sender(0, 0) == -EINVAL
        index = await linux.uintr_register_sender(4, 0)
        assert index == 0
        await linux.senduipi(index)
        await linux.senduipi(1)

    children[1] = LinuxProcess(1)
    ended = run(body, child, process=parent, processes=children)
    assert faults(ended) == [("thread1", "general protection (#G")]
    assert taken == [4]


@BOTH
def test_a_forked_child_sends_through_a_table_that_it_shares(flavour: Flavour) -> None:
    taken = Taken()
    parent = LinuxProcess()
    children = {1: LinuxProcess(1)}
    ends: list[str] = []

    async def body(linux: LinuxThread) -> None:
        await receive(linux, taken)
        descriptor = await linux.uintr_vector_fd(4, 0)
        assert await linux.uintr_register_sender(descriptor, 0) == 0
        children[1].entries = parent.fork(1, shares_table=True).entries
        ends.append("forked")
        await until(lambda: taken == [4])

    async def child(linux: LinuxThread) -> None:
        await until(lambda: ends)
        await linux.senduipi(0)
        await until(lambda: taken)

    run(body, child, process=parent, processes=children, flavour=flavour)
    assert taken == [4]


@linux_thread("process")
async def test_a_vector_is_free_when_its_descriptor_is_closed(
    linux: LinuxThread, process: LinuxProcess
) -> None:
    assert await linux.uintr_register_handler(nothing, 0) == 0
    for _ in range(3):
        assert await linux.uintr_create_fd(5, 0) == 3
        assert await linux.uintr_create_fd(5, 0) == -EBUSY
        process.close(3)


@BOTH
@linux_thread("flavour", "process")
async def test_closing_the_descriptor_leaves_the_sender_registered(
    linux: LinuxThread, flavour: Flavour, process: LinuxProcess
) -> Program:
    taken = Taken()
    await receive(linux, taken)
    descriptor = await linux.uintr_vector_fd(5, 0)
    index = await linux.uintr_register_sender(descriptor, 0)
    assert process.close(descriptor) == 0
    await linux.senduipi(index)
    await Compute(500)
    yield
    assert taken == [5]

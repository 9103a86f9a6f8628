"""The library with the interface of Linux' proposal: what its selftests check, as tests of ours."""

from collections.abc import Awaitable, Callable
from errno import (
    EBADF,
    EBUSY,
    EFAULT,
    EINTR,
    EINVAL,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    ESHUTDOWN,
)
from typing import Any

import pytest

from rel4.bench.program import ProgramRun, run_program
from rel4.machine.events import Delivered, Fault, Trap, UserTrap
from rel4.machine.ops import Compute, ReadTime
from rel4.user.linux_process import CYCLES_PER_USEC, LinuxProcess
from rel4.user.linux_uintr import (
    MAX_SENDERS,
    UINTR_HANDLER_FLAG_WAITING_RECEIVER,
    UINTR_HANDLER_FLAG_WAITING_SENDER,
    UINTR_WAIT_MAX_USEC,
    LinuxThread,
)
from rel4.user.user_thread import UserThread
from uintr.registers import Flavour

BOTH = pytest.mark.parametrize("flavour", Flavour)
Body = Callable[[LinuxThread], Awaitable[None]]


async def nothing(vector: int) -> None:
    """A handler."""


def run(
    *bodies: Body,
    flavour: Flavour = Flavour.INTEL,
    harts: int | None = None,
    processes: dict[int, LinuxProcess] | None = None,
    process: LinuxProcess | None = None,
) -> ProgramRun:
    """Run threads of one process, each with a notification of its own; ``processes`` names threads
    of other ones. The last thread keeps time."""
    shared = process or LinuxProcess(alarm=None)

    def start(number: int, body: Body) -> Callable[[UserThread], Awaitable[None]]:
        async def program(thread: UserThread) -> None:
            shared.alarm = thread.notifications[len(bodies)]
            own = (processes or {}).get(number, shared)
            await body(LinuxThread(own, thread, thread.notifications[number]))

        return program

    async def keep_time(thread: UserThread) -> None:
        shared.alarm = thread.notifications[len(bodies)]
        await shared.keep_time(thread)

    return run_program(
        *(start(number, body) for number, body in enumerate(bodies)),
        keep_time,
        harts=harts or len(bodies),
        notifications=len(bodies) + 1,
        flavour=flavour,
    )


async def until(condition: Callable[[], Any]) -> None:
    """Spin until something has happened elsewhere."""
    while not condition():
        await Compute(50)


@BOTH
def test_flags_must_be_known(flavour: Flavour) -> None:
    got: list[int] = []

    async def body(linux: LinuxThread) -> None:
        for bit in range(32):
            flag = 1 << bit
            if flag != UINTR_HANDLER_FLAG_WAITING_RECEIVER:
                got.append(await linux.uintr_register_handler(nothing, flag))
        assert await linux.uintr_register_handler(nothing, 0) == 0
        descriptor = await linux.uintr_vector_fd(1, 0)
        index = await linux.uintr_register_sender(descriptor, 0)
        assert index == 0
        for bit in range(32):
            flag = 1 << bit
            got.append(await linux.uintr_unregister_handler(flag))
            got.append(await linux.uintr_vector_fd(2, flag))
            got.append(await linux.uintr_create_fd(2, flag))
            got.append(await linux.uintr_register_sender(descriptor, flag))
            got.append(await linux.uintr_unregister_sender(index, flag))
            got.append(await linux.uintr_wait(1, flag))

    run(body, flavour=flavour)
    assert len(got) == 31 + 6 * 32
    assert set(got) == {-EINVAL}
    assert UINTR_HANDLER_FLAG_WAITING_SENDER == 0x2000


@BOTH
def test_a_handler_is_registered_once_and_taken_back_once(flavour: Flavour) -> None:
    got: list[int] = []

    async def body(linux: LinuxThread) -> None:
        got.append(await linux.uintr_unregister_handler(0))
        got.append(await linux.uintr_register_handler(None, 0))
        for _ in range(3):
            got.append(await linux.uintr_register_handler(nothing, 0x1000))
            got.append(await linux.uintr_register_handler(nothing, 0))
            got.append(await linux.uintr_unregister_handler(0))
            got.append(await linux.uintr_unregister_handler(0))

    run(body, flavour=flavour)
    assert got == [-EINVAL, -EFAULT, *[0, -EBUSY, 0, -EINVAL] * 3]


@BOTH
def test_vectors_are_a_receivers_and_below_64(flavour: Flavour) -> None:
    got: list[int] = []

    async def body(linux: LinuxThread) -> None:
        got.append(await linux.uintr_vector_fd(1, 0))
        assert await linux.uintr_register_handler(nothing, 0) == 0
        for vector in (0, 63, 64, -1, 1 << 40):
            got.append(await linux.uintr_vector_fd(vector, 0))
        got.append(await linux.uintr_vector_fd(63, 0))
        got.append(await linux.uintr_create_fd(63, 0))
        got.append(await linux.uintr_create_fd(62, 0))

    run(body, flavour=flavour)
    assert got == [-EINVAL, 3, 4, -ENOSPC, -ENOSPC, -ENOSPC, 5, -EBUSY, 6]


@BOTH
def test_a_sender_needs_a_descriptor_of_a_living_receiver(flavour: Flavour) -> None:
    got: list[int] = []
    process = LinuxProcess()

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(nothing, 0) == 0
        descriptor = await linux.uintr_vector_fd(1, 0)
        got.append(await linux.uintr_register_sender(99, 0))
        got.append(await linux.uintr_register_sender(-1, 0))
        got.append(await linux.uintr_register_sender(1, 0))  # the standard output
        got.append(await linux.uintr_register_sender(descriptor, 0))
        got.append(await linux.uintr_register_sender(descriptor, 0))
        got.append(await linux.uintr_unregister_sender(7, 0))
        got.append(await linux.uintr_unregister_sender(0, 0))
        got.append(await linux.uintr_unregister_sender(0, 0))
        assert await linux.uintr_unregister_handler(0) == 0
        got.append(await linux.uintr_register_sender(descriptor, 0))
        got.append(process.close(descriptor))
        got.append(await linux.uintr_register_sender(descriptor, 0))
        got.append(process.close(descriptor))

    run(body, flavour=flavour, process=process)
    assert got == [
        *(-EBADF, -EBADF, -EOPNOTSUPP, 0, 1, -EINVAL, 0, -EINVAL),
        *(-ESHUTDOWN, 0, -EBADF, -EBADF),
    ]


@BOTH
def test_the_257th_sender_is_refused_and_a_free_index_used_again(flavour: Flavour) -> None:
    got: list[int] = []

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(nothing, 0) == 0
        descriptor = await linux.uintr_vector_fd(1, 0)
        for _ in range(MAX_SENDERS + 1):
            got.append(await linux.uintr_register_sender(descriptor, 0))
        assert await linux.uintr_unregister_sender(17, 0) == 0
        got.append(await linux.uintr_register_sender(descriptor, 0))

    run(body, flavour=flavour)
    assert got == [*range(256), -ENOSPC, 17]


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


def faults(ended: ProgramRun) -> list[tuple[str, str]]:
    return [(e.thread, e.reason[:22]) for e in ended.events if isinstance(e, Fault)]


def test_a_send_without_a_registration_faults() -> None:
    async def body(linux: LinuxThread) -> None:
        await linux.senduipi(0)
        raise AssertionError("a send without a table went on")

    assert faults(run(body)) == [("root", "invalid opcode (#UD): ")]


@pytest.mark.parametrize("index", [1, 255, 256, 1 << 40, (1 << 64) - 1])
def test_a_send_through_an_invalid_index_faults(index: int) -> None:
    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(nothing, 0) == 0
        assert await linux.uintr_register_sender(await linux.uintr_vector_fd(1, 0), 0) == 0
        await linux.senduipi(0)
        await linux.senduipi(index)
        raise AssertionError("a send through an invalid index went on")

    assert faults(run(body)) == [("root", "general protection (#G")]


@pytest.mark.parametrize("whose", ["sender", "receiver"])
def test_a_send_after_the_registration_is_taken_back_faults(whose: str) -> None:
    taken: list[int] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
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
    taken: list[int] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        old = await linux.uintr_register_sender(await linux.uintr_vector_fd(1, 0), 0)
        assert await linux.uintr_unregister_handler(0) == 0
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
        new = await linux.uintr_register_sender(await linux.uintr_vector_fd(2, 0), 0)
        assert new != old
        await linux.senduipi(new)
        await Compute(500)
        await linux.senduipi(old)

    assert faults(run(body)) == [("root", "general protection (#G")]
    assert taken == [2]


@BOTH
def test_every_thread_of_the_process_sends_by_the_index(flavour: Flavour) -> None:
    taken: list[int] = []
    shared: list[int] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def receiver(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
        shared.append(await linux.uintr_register_sender(await linux.uintr_vector_fd(9, 0), 0))
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
    taken: list[int] = []
    parent = LinuxProcess()
    children: dict[int, LinuxProcess] = {}
    ends: list[str] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
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
    taken: list[int] = []
    parent = LinuxProcess()
    children = {1: LinuxProcess(1)}
    ends: list[str] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
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


def test_a_vector_is_free_when_its_descriptor_is_closed() -> None:
    got: list[int] = []
    process = LinuxProcess()

    async def handler(vector: int) -> None:
        """Nothing is sent."""

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        for _ in range(3):
            got.append(await linux.uintr_create_fd(5, 0))
            got.append(await linux.uintr_create_fd(5, 0))
            process.close(got[-2])

    run(body, process=process)
    assert got == [3, -EBUSY] * 3


@BOTH
def test_closing_the_descriptor_leaves_the_sender_registered(flavour: Flavour) -> None:
    taken: list[int] = []
    process = LinuxProcess()

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
        descriptor = await linux.uintr_vector_fd(5, 0)
        index = await linux.uintr_register_sender(descriptor, 0)
        assert process.close(descriptor) == 0
        await linux.senduipi(index)
        await Compute(500)

    run(body, flavour=flavour, process=process)
    assert taken == [5]


# --- delivery, blocking ---------------------------------------------------------------------------


@BOTH
def test_the_handler_runs_after_stui_only_highest_vector_first(flavour: Flavour) -> None:
    taken: list[int] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def body(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        for vector in (3, 40, 17):
            index = await linux.uintr_register_sender(await linux.uintr_vector_fd(vector, 0), 0)
            await linux.senduipi(index)
        await Compute(500)
        assert taken == []
        await linux.stui()
        await Compute(3_000)
        assert len(taken) == 3
        await linux.clui()
        await linux.senduipi(index)
        await Compute(500)
        assert len(taken) == 3
        await linux.stui()
        await Compute(500)

    run(body, flavour=flavour)
    assert taken == [40, 17, 3, 17]


@BOTH
@pytest.mark.parametrize("open_flag", [True, False])
@pytest.mark.parametrize("harts", [1, 2])
def test_a_waiting_receiver_is_woken_also_with_its_flag_clear(
    flavour: Flavour, open_flag: bool, harts: int
) -> None:
    taken: list[int] = []
    ready: list[int] = []
    got: list[int] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def receiver(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0x1000) == 0
        if open_flag:
            await linux.stui()
        ready.append(await linux.uintr_vector_fd(8, 0))
        got.append(await linux.uintr_wait(UINTR_WAIT_MAX_USEC, 0))
        await Compute(1_000)
        assert taken == ([8] if open_flag else [])
        await linux.stui()
        await Compute(1_000)

    async def sender(linux: LinuxThread) -> None:
        while not ready:
            await linux.thread.kernel.yield_()
        index = await linux.uintr_register_sender(ready[0], 0)
        await Compute(100_000)
        await linux.senduipi(index)
        while True:
            await linux.thread.kernel.yield_()

    ended = run(receiver, sender, flavour=flavour, harts=harts)
    assert got == [-EINTR]
    assert taken == [8]
    assert any(isinstance(e, Trap) and e.cause == "uipi" for e in ended.events)


@BOTH
def test_a_wait_ends_in_time_or_at_once_and_the_next_wait_is_not_disturbed(
    flavour: Flavour,
) -> None:
    got: list[Any] = []

    async def body(linux: LinuxThread) -> None:
        got.append(await linux.uintr_wait(5, 0))
        got.append(await linux.uintr_wait(0, 0))
        got.append(await linux.uintr_wait(UINTR_WAIT_MAX_USEC + 1, 0))
        assert await linux.uintr_register_handler(nothing, 0) == 0
        index = await linux.uintr_register_sender(await linux.uintr_vector_fd(8, 0), 0)
        for usec in (100, 1, 300):
            begin = await ReadTime()
            got.append(await linux.uintr_wait(usec, 0))
            spent = await ReadTime() - begin
            got.append(usec * CYCLES_PER_USEC <= spent < (usec + 150) * CYCLES_PER_USEC)
        await linux.senduipi(index)  # its flag is clear: pending before it waits
        got.append(await linux.uintr_wait(50, 0))
        await linux.stui()
        await Compute(500)
        await linux.clui()
        got.append(await linux.uintr_wait(50, 0))

    run(body, flavour=flavour)
    assert got == [-EOPNOTSUPP, 0, -EINVAL, *[0, True] * 3, -EINTR, 0]


@BOTH
@pytest.mark.parametrize("offset", range(0, 400, 40))
def test_an_interrupt_and_a_timeout_at_once_are_one_of_them(flavour: Flavour, offset: int) -> None:
    """Whichever comes first, the interrupt is delivered and the next wait starts clean."""
    taken: list[int] = []
    got: list[int] = []
    begin: list[int] = []
    descriptors: list[int] = []

    async def handler(vector: int) -> None:
        taken.append(vector)

    async def receiver(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(handler, 0) == 0
        await linux.stui()
        descriptors.append(await linux.uintr_vector_fd(8, 0))
        await Compute(20_000)
        begin.append(await ReadTime())
        got.append(await linux.uintr_wait(60, 0))
        await until(lambda: taken)
        got.append(await linux.uintr_wait(60, 0))

    async def sender(linux: LinuxThread) -> None:
        await until(lambda: descriptors)
        index = await linux.uintr_register_sender(descriptors[0], 0)
        await until(lambda: begin)
        await Compute(6_000 + 15 * offset - (await ReadTime() - begin[0]))
        await linux.senduipi(index)
        while True:
            await Compute(1_000)

    run(receiver, sender, flavour=flavour, harts=3)
    assert got[0] in (0, -EINTR)
    assert got[1] == 0
    assert taken == [8]


@BOTH
@pytest.mark.parametrize("harts", [1, 2])
def test_two_threads_send_to_each_other(flavour: Flavour, harts: int) -> None:
    """On one hart every message is a context switch."""
    rounds = 20
    heard: dict[str, list[int]] = {"a": [], "b": []}
    descriptors: dict[str, int] = {}

    def peer(name: str, other: str, vector: int) -> Body:
        async def handler(got: int) -> None:
            heard[name].append(got)

        async def body(linux: LinuxThread) -> None:
            assert await linux.uintr_register_handler(handler, 0) == 0
            await linux.stui()
            descriptors[name] = await linux.uintr_vector_fd(vector, 0)
            while other not in descriptors:
                await linux.thread.kernel.yield_()
            index = await linux.uintr_register_sender(descriptors[other], 0)
            for number in range(rounds):
                if name == "a":
                    await linux.senduipi(index)
                while len(heard[name]) <= number:
                    await Compute(50)  # an interrupt comes a few cycles after a return
                    if harts == 1:
                        await linux.thread.kernel.yield_()
                if name == "b":
                    await linux.senduipi(index)
            while name == "b":
                await linux.thread.kernel.yield_()

        return body

    ended = run(peer("a", "b", 1), peer("b", "a", 2), flavour=flavour, harts=harts)
    assert heard == {"a": [1] * rounds, "b": [2] * rounds}
    kind = Delivered if flavour is Flavour.INTEL else UserTrap
    assert sum(isinstance(event, kind) for event in ended.events) == 2 * rounds


@BOTH
def test_an_index_never_names_a_second_receiver(flavour: Flavour) -> None:
    """The receiver's notification is unbound behind the library's back, and another receiver's
    entry then takes the place in the sender's table: the old index sends nothing to it."""
    process = LinuxProcess()
    descriptors: dict[str, int] = {}
    gone: list[bool] = []
    operands: list[int] = []
    vectors: list[int] = []

    async def note(vector: int) -> None:
        vectors.append(vector)

    async def first(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(nothing, 0) == 0
        descriptors["first"] = await linux.uintr_vector_fd(1, 0)
        await until(lambda: operands)
        await linux.thread.kernel.tcb_unbind_notification(linux.thread.tcb)
        gone.append(True)

    async def second(linux: LinuxThread) -> None:
        await until(lambda: gone)
        assert await linux.uintr_register_handler(note, 0) == 0
        await linux.stui()
        descriptors["second"] = await linux.uintr_vector_fd(2, 0)
        await Compute(1_000_000)

    async def sender(linux: LinuxThread) -> None:
        await until(lambda: "first" in descriptors)
        old = await linux.uintr_register_sender(descriptors["first"], 0)
        operands.extend(process.entries[old].operands.values())
        await until(lambda: "second" in descriptors)
        new = await linux.uintr_register_sender(descriptors["second"], 0)
        operands.extend(process.entries[new].operands.values())
        await linux.senduipi(old)
        await Compute(20_000)

    run(sender, first, second, flavour=flavour, process=process)
    assert operands[0] == operands[1]
    assert vectors == []


@BOTH
@pytest.mark.parametrize("again", ["first", "second"])
def test_an_entry_that_was_never_used_names_no_second_receiver(
    flavour: Flavour, again: str
) -> None:
    """A receiver is unbound behind the library's back, and its notification gets another receiver,
    or the same one anew. A thread whose process had registered to send before, and that has not
    sent yet, reaches neither."""
    process = LinuxProcess()
    known: list[int] = []
    gone: list[int] = []
    ready: list[bool] = []
    vectors: list[int] = []

    async def note(vector: int) -> None:
        vectors.append(vector)

    async def receive(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(note, 0) == 0
        await linux.stui()

    async def first(linux: LinuxThread) -> None:
        await receive(linux)
        index = await linux.uintr_register_sender(await linux.uintr_vector_fd(1, 0), 0)
        known.append(index)
        await linux.thread.kernel.tcb_unbind_notification(linux.thread.tcb)
        gone.append(linux._notification or 0)
        if again == "first":
            await receive(LinuxThread(process, linux.thread, linux._notification))
            ready.append(True)
        await Compute(1_000_000)

    async def second(linux: LinuxThread) -> None:
        await until(lambda: gone)
        if again == "second":
            await receive(LinuxThread(process, linux.thread, gone[0]))
            ready.append(True)
        await Compute(1_000_000)

    async def sender(linux: LinuxThread) -> None:
        await until(lambda: known and ready)
        await linux.senduipi(known[0])
        await Compute(20_000)

    run(sender, first, second, flavour=flavour, process=process)
    assert vectors == []

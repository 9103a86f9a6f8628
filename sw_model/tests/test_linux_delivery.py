"""The library with the interface of Linux' proposal: delivery, waiting, stale indices."""

from errno import (
    EINTR,
    EINVAL,
    EOPNOTSUPP,
)

import pytest
from linux_bench import BOTH, Body, Taken, linux_thread, nothing, receive, run, sends, until
from root_bench import Program

from rel4.machine.events import Delivered, Trap, UserTrap
from rel4.machine.ops import Compute, ReadTime
from rel4.user.linux_process import CYCLES_PER_USEC, LinuxProcess
from rel4.user.linux_uintr import (
    UINTR_WAIT_MAX_USEC,
    LinuxThread,
)
from uintr.registers import Flavour

# --- delivery, blocking ---------------------------------------------------------------------------


@BOTH
@linux_thread("flavour")
async def test_the_handler_runs_after_stui_only_highest_vector_first(
    linux: LinuxThread, flavour: Flavour
) -> Program:
    taken = Taken()
    assert await linux.uintr_register_handler(taken.handler, 0) == 0
    for vector in (3, 40, 17):
        index = await sends(linux, vector)
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
    yield
    assert taken == [40, 17, 3, 17]


@BOTH
@pytest.mark.parametrize("open_flag", [True, False])
@pytest.mark.parametrize("harts", [1, 2])
def test_a_waiting_receiver_is_woken_also_with_its_flag_clear(
    flavour: Flavour, open_flag: bool, harts: int
) -> None:
    taken = Taken()
    ready: list[int] = []
    got: list[int] = []

    async def receiver(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(taken.handler, 0x1000) == 0
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
@linux_thread("flavour")
async def test_a_wait_ends_in_time_or_at_once_and_the_next_wait_is_not_disturbed(
    linux: LinuxThread, flavour: Flavour
) -> None:
    assert await linux.uintr_wait(5, 0) == -EOPNOTSUPP
    assert await linux.uintr_wait(0, 0) == 0
    assert await linux.uintr_wait(UINTR_WAIT_MAX_USEC + 1, 0) == -EINVAL
    assert await linux.uintr_register_handler(nothing, 0) == 0
    index = await sends(linux, 8)
    for usec in (100, 1, 300):
        begin = await ReadTime()
        assert await linux.uintr_wait(usec, 0) == 0
        spent = await ReadTime() - begin
        assert usec * CYCLES_PER_USEC <= spent < (usec + 150) * CYCLES_PER_USEC
    await linux.senduipi(index)  # its flag is clear: pending before it waits
    assert await linux.uintr_wait(50, 0) == -EINTR
    await linux.stui()
    await Compute(500)
    await linux.clui()
    assert await linux.uintr_wait(50, 0) == 0


@BOTH
@pytest.mark.parametrize("offset", range(0, 400, 40))
def test_an_interrupt_and_a_timeout_at_once_are_one_of_them(flavour: Flavour, offset: int) -> None:
    """Whichever comes first, the interrupt is delivered and the next wait starts clean."""
    taken = Taken()
    got: list[int] = []
    begin: list[int] = []
    descriptors: list[int] = []

    async def receiver(linux: LinuxThread) -> None:
        await receive(linux, taken)
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
    heard = {"a": Taken(), "b": Taken()}
    descriptors: dict[str, int] = {}

    def peer(name: str, other: str, vector: int) -> Body:
        async def body(linux: LinuxThread) -> None:
            await receive(linux, heard[name])
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
    taken = Taken()

    async def first(linux: LinuxThread) -> None:
        assert await linux.uintr_register_handler(nothing, 0) == 0
        descriptors["first"] = await linux.uintr_vector_fd(1, 0)
        await until(lambda: operands)
        await linux.thread.kernel.tcb_unbind_notification(linux.thread.tcb)
        gone.append(True)

    async def second(linux: LinuxThread) -> None:
        await until(lambda: gone)
        await receive(linux, taken)
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
    assert taken == []


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
    taken = Taken()

    async def first(linux: LinuxThread) -> None:
        await receive(linux, taken)
        index = await sends(linux, 1)
        known.append(index)
        await linux.thread.kernel.tcb_unbind_notification(linux.thread.tcb)
        gone.append(linux._notification or 0)
        if again == "first":
            await receive(LinuxThread(process, linux.thread, linux._notification), taken)
            ready.append(True)
        await Compute(1_000_000)

    async def second(linux: LinuxThread) -> None:
        await until(lambda: gone)
        if again == "second":
            await receive(LinuxThread(process, linux.thread, gone[0]), taken)
            ready.append(True)
        await Compute(1_000_000)

    async def sender(linux: LinuxThread) -> None:
        await until(lambda: known and ready)
        await linux.senduipi(known[0])
        await Compute(20_000)

    run(sender, first, second, flavour=flavour, process=process)
    assert taken == []

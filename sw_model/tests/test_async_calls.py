"""Every asynchronous call against its synchronous twin: result, error and effect on the kernel."""

from functools import partial
from typing import Any

import pytest
from root_bench import Program, initial_thread, run_program

from rel4.abi.numbers import ASYNC_INVOCATIONS, AsyncLabel, CapSlot, ObjectType, SeL4Error
from rel4.user.async_syscalls import ASYNC_FORMS
from rel4.user.calls import ObjectCalls
from rel4.user.root_task import RootTask

FRAME = 0x200_0000
FREE = 0x1_0000_0000
"""Slots far above 16 bits: pointers are not cut."""
Made = list[tuple[str, SeL4Error, int]]


async def exercise(calls: ObjectCalls, task: RootTask, made: Made) -> None:
    """Every call that has an asynchronous form, at least once with success and once with an error
    where it can fail. What is made is compared afterwards."""
    root, untyped, space = task.cnode, CapSlot.FIRST_UNTYPED, task.vspace

    async def note(name: str, answer: Any) -> None:
        error = answer if isinstance(answer, SeL4Error) else answer.error
        made.append((name, error, 0 if isinstance(answer, SeL4Error) else answer.words[0]))

    async def retype(kind: ObjectType, slot: int, bits: int = 0, count: int = 1) -> None:
        answer = await calls.untyped_retype(untyped, kind, bits, root, slot, count)
        await note(f"retype {kind.name}", answer)

    await retype(ObjectType.RISCV_4K_PAGE, FREE, count=3)
    await retype(ObjectType.RISCV_4K_PAGE, FREE)  # in use
    await retype(ObjectType.RISCV_PAGE_TABLE, FREE + 3, count=2)
    await retype(ObjectType.NOTIFICATION, FREE + 5)
    await retype(ObjectType.ENDPOINT, FREE + 6)
    await retype(ObjectType.CAP_TABLE, FREE + 7, bits=4)
    await retype(ObjectType.RISCV_GIGA_PAGE, FREE + 8)  # too large
    await note("table", await calls.page_table_map(FREE + 3, space, FRAME))
    await note("table again", await calls.page_table_map(FREE + 3, space, FRAME))
    await note("no table needed", await calls.page_table_map(FREE + 4, space, FRAME))
    await note("map", await calls.page_map(FREE, space, FRAME))
    await note("map elsewhere", await calls.page_map(FREE, space, FRAME + 0x1000))
    await note("map high", await calls.page_map(FREE + 1, space, 1 << 37))
    await note("address", await calls.page_get_address(FREE))
    await note("unmap", await calls.page_unmap(FREE))
    await note("unmap a CNode", await calls.page_unmap(FREE + 7))
    await note("map again", await calls.page_map(FREE + 1, space, FRAME))
    await note("copy", await calls.cnode_copy(root, FREE + 20, FREE + 6))
    await note("copy onto", await calls.cnode_copy(root, FREE + 20, FREE + 6))
    await note("mint", await calls.cnode_mint(root, FREE + 21, FREE + 6, 0b1111, 1 << 40))
    await note("mint twice", await calls.cnode_mint(root, FREE + 22, FREE + 21, 0b1111, 5))
    await note("move", await calls.cnode_move(root, FREE + 23, FREE + 20))
    await note("move nothing", await calls.cnode_move(root, FREE + 24, FREE + 20))
    await note("mutate", await calls.cnode_mutate(root, FREE + 25, FREE + 7, 60))
    await note("mutate badge", await calls.cnode_mutate(root, FREE + 26, FREE + 21, 3))
    await note("rotate", await calls.cnode_rotate(root, FREE + 27, FREE + 23, FREE + 21))
    await note("rotate pivot", await calls.cnode_rotate(root, FREE + 28, FREE + 28, FREE + 27))
    await note("cancel", await calls.cnode_cancel_badged_sends(root, FREE + 23))
    await note("cancel frame", await calls.cnode_cancel_badged_sends(root, FREE))
    await note("delete", await calls.cnode_delete(root, FREE + 27))
    await note("delete nothing", await calls.cnode_delete(root, FREE + 27))
    await note("delete deep", await calls.cnode_delete(root, FREE + 27, 70))
    await note("revoke", await calls.cnode_revoke(root, FREE + 6))
    await note("unbind a CNode", await calls.tcb_unbind_notification(FREE + 25))
    await note("bind frame", await calls.tcb_bind_notification(task.tcb, FREE))


def state_of(run: Any) -> dict[int, str]:
    """What is in the slots that `exercise` uses, and the memory map."""
    slots = run.kernel.state.initial[0].cspace.cnode.slots
    found = {
        number: f"{type(slot.cap).__name__} {getattr(slot.cap, 'badge', '')}"
        for number, slot in slots.items()
        if number >= FREE and not slot.empty
    }
    assert len(found) > 5
    return found


def outcome(way: str) -> tuple[Made, dict[int, str]]:
    made: Made = []

    async def body(task: RootTask) -> None:
        calls = await task.start_async_syscalls(16)
        chosen: ObjectCalls = calls if way == "async" else task.kernel
        task.executor.spawn(partial(exercise, chosen, task, made), priority=2)
        await task.executor.run_until_complete()

    return made, state_of(run_program(body))


def test_every_call_equals_its_synchronous_twin() -> None:
    made, state = outcome("async")
    twin, twin_state = outcome("sync")
    assert made == twin
    assert state == twin_state
    assert len({error for _, error, _ in made}) >= 6
    assert sum(error is SeL4Error.NO_ERROR for _, error, _ in made) >= 18


@initial_thread()
async def test_binding_and_unbinding(task: RootTask) -> None:
    """The calling thread has a notification bound already: the one that its replies come by."""
    calls = await task.start_async_syscalls(16)
    (spare, other) = await task.allocate(ObjectType.NOTIFICATION, 2)
    (tcb,) = await task.allocate(ObjectType.TCB)

    async def worker() -> None:
        assert await calls.tcb_bind_notification(tcb, spare) is SeL4Error.NO_ERROR
        assert await calls.tcb_bind_notification(tcb, other) is SeL4Error.ILLEGAL_OPERATION
        assert await calls.tcb_unbind_notification(tcb) is SeL4Error.NO_ERROR
        assert await calls.tcb_unbind_notification(tcb) is SeL4Error.ILLEGAL_OPERATION

    task.executor.spawn(worker)
    await task.executor.run_until_complete()


def test_all_eighteen_labels_are_served() -> None:
    assert set(ASYNC_INVOCATIONS) | {AsyncLabel.PUT_CHAR, AsyncLabel.PUT_STRING} == set(AsyncLabel)
    assert len(AsyncLabel) == 18
    assert len(ASYNC_FORMS) == 16


@initial_thread()
async def test_what_has_no_asynchronous_form_is_refused(task: RootTask) -> None:
    calls = await task.start_async_syscalls(16)

    async def worker() -> None:
        with pytest.raises(ValueError, match="^invocation must be one of UNTYPED_RETYPE"):
            await calls.tcb_suspend(task.tcb)

    task.executor.spawn(worker)
    await task.executor.run_until_complete()


@pytest.mark.parametrize("capacity", [1])
@initial_thread()
async def test_an_item_that_can_never_fit_is_refused(task: RootTask, capacity: int) -> Program:
    calls = await task.start_async_syscalls(capacity)

    async def worker() -> None:
        with pytest.raises(
            ValueError, match="^PUT_STRING must be .* a ring of at least 2 items, not 1$"
        ):
            await calls.put_string("x" * 60)
        assert await calls.put_string("short") is SeL4Error.NO_ERROR

    task.executor.spawn(worker)
    await task.executor.run_until_complete()
    assert (yield).kernel.state.console == "short"

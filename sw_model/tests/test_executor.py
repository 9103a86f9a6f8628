"""The user executor: priorities, order, wake-ups, and its limits."""

from collections import Counter
from functools import partial
from typing import Any

import pytest
from root_bench import Program, initial_thread, performed

from rel4.abi.coroutine import Suspend
from rel4.machine.ops import Compute
from rel4.user.executor import MAX_TASKS, Executor
from rel4.user.root_task import RootTask


def test_a_coroutine_that_has_ended_makes_room_for_another() -> None:
    """More coroutines than there may be at a time, one after the other, and vectors with them."""
    executor = Executor(0x100)
    ended: list[int] = []

    async def program() -> None:
        ended.append(executor.current)

    async def spawn() -> None:
        for _ in range(2 * MAX_TASKS // 64):
            for _ in range(64):
                executor.register_vector(executor.spawn(program))
            await executor.run_until_complete()

    performed(spawn(), lambda op: 0)  # memory is all zero
    assert len(ended) == 2 * MAX_TASKS
    assert max(Counter(ended).values()) == 2


@initial_thread()
async def test_highest_priority_first_then_first_come(task: RootTask) -> Program:
    order: list[str] = []

    async def step(name: str) -> None:
        order.append(name)

    for name, priority in (("c", 5), ("a", 0), ("d", 5), ("b", 1)):
        task.executor.spawn(partial(step, name), priority=priority)
    await task.executor.run_until_complete()
    yield
    assert order == ["a", "b", "c", "d"]


@initial_thread()
async def test_a_suspended_coroutine_gets_the_value_it_is_woken_with(task: RootTask) -> Program:
    seen: list[Any] = []

    async def sleeper() -> None:
        seen.append(await Suspend())

    async def waker(cid: int) -> None:
        await Compute(10)
        task.executor.wake(cid, "one")
        task.executor.wake(cid, "two")  # it is ready already
        task.executor.wake(99, "nobody")

    cid = task.executor.spawn(sleeper, priority=0)
    task.executor.spawn(partial(waker, cid))
    await task.executor.run_until_complete()
    yield
    assert seen == ["one"]


@initial_thread()
async def test_background_coroutines_do_not_keep_the_executor_running(task: RootTask) -> None:
    ended: list[bool] = []

    async def for_ever() -> None:
        while True:
            await Suspend()

    async def work() -> None:
        await Compute(1)

    task.executor.spawn(for_ever, background=True)
    task.executor.spawn(work)
    await task.executor.run_until_complete()
    ended.append(True)
    assert ended


def test_limits_are_said_in_a_sentence() -> None:
    executor = Executor(0)

    async def nothing() -> None:
        pass

    with pytest.raises(ValueError, match="priority must be 0 to 7, not 8"):
        executor.spawn(nothing, priority=8)
    for _ in range(MAX_TASKS):
        executor.spawn(nothing)
    with pytest.raises(ValueError, match="at most 4096"):
        executor.spawn(nothing)
    executor.spawn(nothing, background=True)  # as the coroutine that takes replies
    for _ in range(64):
        executor.register_vector(0)
    with pytest.raises(ValueError, match="vectors must be at most 64"):
        executor.register_vector(0)

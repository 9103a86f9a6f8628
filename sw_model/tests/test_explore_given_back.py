"""Pairs of registering and deregistering: ours, and designs that keep something.

Each broken design is ours with one mend taken out, as it stood; the pairs must say so.
"""

import gc
from typing import Any

import pytest

from rel4.explore.kernel.given_back import RESOURCES, explore_pairs
from rel4.kernel.async_runtime import HandlerTask, Policy
from rel4.kernel.objects import TCB
from rel4.kernel.policies import Uipi
from rel4.kernel.uintr import UserInterrupts
from rel4.user.executor import Executor
from uintr.registers import Flavour

RELEASE = HandlerTask.release
RELEASE_THREAD = UserInterrupts.release_thread
RESUME = Executor._resume


@pytest.mark.parametrize("flavour", Flavour)
def test_everything_is_free_again(flavour: Flavour) -> None:
    found = explore_pairs(flavour, 40 * len(RESOURCES))
    assert found.kept == []
    assert set(found.pairs.values()) == {40}


def test_objects_of_other_libraries_are_no_concern() -> None:
    """A compiled class may have no name of a module: pandas, once imported, brings such a class."""

    class Foreign:
        __module__ = property(lambda _: "unknown")

    alive = Foreign()
    assert alive in [one for one in gc.get_objects() if isinstance(one, Foreign)]
    assert explore_pairs(Flavour.RISCV, len(RESOURCES)).kept == []


async def keeps_its_senders_entry(task: HandlerTask) -> None:
    """The entry by which its thread wakes a handler outlives it, and the kernel's receiver too."""
    task.sender = None
    await RELEASE(task)


async def keeps_its_flag(task: HandlerTask) -> None:
    """Who looks at a buffer whose handler has gone takes the next one to be awake."""
    if not task.closed:
        task.closed = True
        await task.release()


async def keeps_its_table(own: UserInterrupts, tcb: TCB) -> None:
    """A thread that ends keeps the page of its sender table."""
    free = list(own.free_tables)
    await RELEASE_THREAD(own, tcb)
    own.free_tables[:] = free


def keeps_a_receiver(own: UserInterrupts, receiver: int) -> None:
    """A receiver is in use no more, and not free."""


async def counts_what_has_ended(executor: Executor, cid: int, value: Any) -> None:
    """The executor counts coroutines that have ended."""
    free = len(executor._free)
    await RESUME(executor, cid, value)
    while len(executor._free) > free:
        executor._free.pop()


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    ("place", "name", "broken", "kind", "reason"),
    [
        (HandlerTask, "release", keeps_its_senders_entry, "handler", "kernel receivers"),
        (HandlerTask, "detach", keeps_its_flag, "handler", "is thought to be awake"),
        (Uipi, "forget", Policy.forget, "handler", "is refused: NOT_ENOUGH_MEMORY"),
        (UserInterrupts, "release_thread", keeps_its_table, "thread", "free tables"),
        (UserInterrupts, "_freed", keeps_a_receiver, "receiver", "receivers are not as before"),
        (Executor, "_resume", counts_what_has_ended, "coroutine", "at most 4096"),
    ],
    ids=["a handler's entry", "its flag", "its vector", "a table", "a receiver", "a coroutine"],
)
def test_what_is_kept_is_found(
    monkeypatch: pytest.MonkeyPatch,
    flavour: Flavour,
    place: type,
    name: str,
    broken: Any,
    kind: str,
    reason: str,
) -> None:
    monkeypatch.setattr(place, name, broken)
    found = explore_pairs(flavour, 5_000, {kind: RESOURCES[kind]})
    assert len(found.kept) >= 1
    assert reason in found.kept[0]

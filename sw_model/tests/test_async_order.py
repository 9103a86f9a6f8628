"""Calls enter the ring in the order in which they are made, whatever their size: none starves.

Random programs are run with every style. A design in which whoever fits goes first, as it was once,
is found by the same programs.
"""

import random

import pytest
from root_bench import run_program

from rel4.abi.coroutine import Suspend
from rel4.abi.numbers import AsyncLabel
from rel4.abi.syscall_buffer import STRING_BYTES, Item
from rel4.bench.policies import find_policy
from rel4.machine.events import AsyncReplied, AsyncSubmitted
from rel4.user.async_syscalls import AsyncSyscalls
from rel4.user.root_task import RootTask
from rel4.user.syscalls import Answer

LENGTHS = (1, 24, STRING_BYTES)
"""Of strings: one slot, one slot, two slots."""


def play(policy: str, seed: int) -> tuple[list[int], list[int]]:
    """A random program: the coroutines in the order of their calls, and of what was submitted."""
    chance = random.Random(seed)
    capacity = chance.choice((2, 4, 8))
    coroutines, rounds = chance.randint(3, 12), chance.randint(2, 8)
    made: list[int] = []

    async def body(task: RootTask) -> None:
        calls = await task.start_async_syscalls(capacity, find_policy(policy).style)

        async def worker() -> None:
            for _ in range(rounds):
                made.append(task.executor.current)
                await calls.put_string("s" * chance.choice(LENGTHS))

        for _ in range(coroutines):
            task.executor.spawn(worker)
        await task.executor.run_until_complete()

    run = run_program(body, policy=policy, harts=2)
    assert len(made) == coroutines * rounds == len(run.events(AsyncReplied))
    return made, [event.cid for event in run.events(AsyncSubmitted)]


@pytest.mark.parametrize("policy", ["tick", "inline", "uipi", "poll"])
@pytest.mark.parametrize("seed", range(10))
def test_calls_enter_the_ring_in_the_order_in_which_they_are_made(policy: str, seed: int) -> None:
    made, submitted = play(policy, seed)
    assert submitted == made


async def whoever_fits(self: AsyncSyscalls, label: AsyncLabel, *words: int) -> Answer:
    """The broken design: a call tries at once, though others wait for room."""
    item = Item(self.executor.current, label, words=words)
    while not await self._submit(item):
        self._waiting_for_room.append(item)
        await Suspend()
        self._waiting_for_room.remove(item)
    return await self._resume(await Suspend())


@pytest.mark.parametrize("policy", ["tick", "inline"])
def test_a_design_in_which_the_small_overtake_the_large_is_found(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr(AsyncSyscalls, "call", whoever_fits)
    runs = [play(policy, seed) for seed in range(10)]
    assert [seed for seed, (made, submitted) in enumerate(runs) if submitted != made]

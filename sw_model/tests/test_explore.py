"""The explorer: it passes what is right, finds what is wrong, and its reductions change nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from rel4.abi.coroutine import Task
from rel4.abi.syscall_buffer import MAX_WORDS, BufferError, Item, OnlineFlag, Ring
from rel4.cli import main
from rel4.explore.coverage import missed
from rel4.explore.fingerprint import FingerprintError, fingerprint
from rel4.explore.memory import BARRIER, demand, drainable, orders
from rel4.explore.program import Program
from rel4.explore.protocols import PublishedFlag
from rel4.explore.search import Exploration, explore
from rel4.kernel.async_runtime import AsyncRuntime, HandlerTask
from rel4.machine.ops import AmoOr, CsrClear, Fence, Load, Store, Swap, Uipi, Uret
from rel4.user.async_syscalls import AsyncSyscalls
from rel4.user.executor import USIP, Executor
from uintr.registers import Csr, UipiFunction


def run(memory: str = "rvwmo", **program: Any) -> Exploration:
    return explore(Program(**program), memory=memory)


# --- what is right ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        {"items": 1},
        {"items": 2, "capacity": 1},
        {"items": 2, "capacity": 2},
        {"items": 3, "capacity": 2, "callers": 1},
        {"items": 2, "capacity": 2, "looks": 2},
        {"items": 4, "capacity": 4, "harts": 1},
        {"items": 3, "capacity": 1, "harts": 1, "looks": 1},
        {"items": 2, "capacity": 2, "deregister": True, "harts": 1},
        {"items": 1, "capacity": 1, "signal": True},
    ],
    ids=lambda program: Program(**program).title(),
)
def test_our_protocol_loses_nothing(program: dict[str, Any]) -> None:
    found = run(**program)
    assert found.finished
    assert found.verdict is None
    assert found.ends
    assert found.states > 50


@pytest.mark.parametrize("capacity", [1, 2, 4])
def test_four_items_and_every_capacity_in_program_order(capacity: int) -> None:
    found = run("sc", items=4, capacity=capacity)
    assert found.finished
    assert found.verdict is None
    assert ("handler_online", 0, capacity) in found.pairs
    assert ("handler_online", 1, capacity) in found.pairs


def test_deregistration_answers_or_cancels_every_call() -> None:
    found = run("sc", items=2, capacity=2, deregister=True)
    assert found.finished
    assert found.verdict is None
    answers = {outcome[0] for outcome in found.outcomes}  # type: ignore[index]
    served, cancelled = "NO_ERROR", "CANCELLED"
    assert answers == {
        ((1, served), (2, served)),
        ((1, served), (2, cancelled)),
        ((1, cancelled), (2, cancelled)),
    }


def test_every_operation_of_the_runtime_is_performed_that_can_be() -> None:
    found = [
        run("sc", items=2, capacity=2, deregister=True),
        run("sc", items=1, signal=True),
    ]
    total, left = missed(site for exploration in found for site in exploration.sites)
    assert total > 30
    assert [name.split(" ")[0] for name in left] == ["OnlineFlag.set"]  # which nobody calls


# --- what is wrong --------------------------------------------------------------------------------


def test_the_published_protocol_loses_a_wake_up_on_two_harts() -> None:
    found = run("sc", items=2, flag=PublishedFlag)
    assert found.verdict is not None
    assert found.verdict.kind == "lost wake-up"
    assert "the handler sleeps with handler_online = 0" in found.verdict.reason
    assert "without another look at the ring" in found.verdict.reason
    noted = re.search(
        r"found the flag set in line (\d+).*cleared the flag in line (\d+)", found.verdict.reason
    )
    assert noted is not None
    looked, cleared = (found.lines[int(number) - 1] for number in noted.groups())
    assert (looked.who, looked.what) == ("caller 2", "load   handler_online -> 1")
    assert (cleared.who, cleared.what) == ("handler", "store  handler_online := 0")


def test_the_published_protocol_loses_a_reply_on_one_hart() -> None:
    found = run(items=2, capacity=2, harts=1, flag=PublishedFlag)
    assert found.verdict is not None
    assert found.verdict.kind == "lost wake-up"
    assert "the receiver sleeps with receiver_online = 0" in found.verdict.reason


class NoSecondLook(OnlineFlag):
    async def retire(self, ring: Ring) -> bool:
        await Store(self._address, 0)
        await Fence("rw,rw")
        return True


class StoreInsteadOfSwap(OnlineFlag):
    async def claim(self) -> bool:
        await Fence("rw,rw")
        if await Load(self._address):
            return False
        await Store(self._address, 1)
        return True


class ClaimWithoutFence(OnlineFlag):
    async def claim(self) -> bool:
        if await Load(self._address):
            return False
        return await Swap(self._address, 1) == 0


class RetireWithoutFence(OnlineFlag):
    async def retire(self, ring: Ring) -> bool:
        await Store(self._address, 0)
        if await ring.count() == 0:
            return True
        return not await self.claim()


async def write(ring: Ring, tail: int, item: Item) -> None:
    """What `Ring.put` writes before it publishes, without its fence."""
    for number, word in enumerate(item.words, start=1):
        await Store(ring._word(tail, number), word)
    first = item.error << 48 | len(item.words) << 40 | item.label << 32 | item.cid
    await Store(ring._word(tail, 0), first)


class PublishBeforeWrite(Ring):
    async def put(self, item: Item) -> None:
        tail = await Load(self.tail)
        await Store(self.tail, tail + item.slots)
        await write(self, tail, item)


class PutWithoutFence(Ring):
    async def put(self, item: Item) -> None:
        tail = await Load(self.tail)
        await write(self, tail, item)
        await Store(self.tail, tail + item.slots)


class TakeWithoutFence(Ring):
    async def take(self, most: int = MAX_WORDS) -> Item | None:
        if await self.count() == 0:
            return None
        head = await Load(self._head)
        first = await Load(self._word(head, 0))
        length = first >> 40 & 0xFF
        words = [await Load(self._word(head, 1 + n)) for n in range(min(length, most))]
        await Fence("rw,w")
        await Store(self._head, head + 1)
        return Item(first & 0xFFFF_FFFF, first >> 32 & 0xFF, first >> 48, tuple(words))


class TakeTwice(Ring):
    async def take(self, most: int = MAX_WORDS) -> Item | None:
        item = await super().take(most)
        if item is not None and item.cid == 1:
            await Store(self._head, await Load(self._head) - 1)
        return item


class OverwritesWakeWord(Executor):
    async def interrupt_handler(self) -> None:
        vectors = await Uipi(UipiFunction.READ)
        await CsrClear(Csr.UIP, USIP)
        if vectors:
            await Store(self._wake_word, vectors)
        await Uret()


class ClearsWakeWordAfterLook(Executor):
    async def _fetch(self) -> int | None:
        vectors = await Load(self._wake_word)
        await Store(self._wake_word, 0)
        await AmoOr(self._wake_word, vectors)
        return await super()._fetch()


class NoLimit(AsyncSyscalls):
    """Puts a request wherever there is room for one, whether or not there is for its reply."""

    async def _submit(self, item: Item) -> bool:
        if await self._buffer.requests.full():
            return False
        self._outstanding = 0
        return await super()._submit(item)


class FullBeforeFence(AsyncRuntime):
    """Looks for room for the reply without ordering that behind the request."""

    async def _drain(self, task: HandlerTask) -> bool:
        assert task.hart is not None
        for _ in range(task.buffer.capacity):
            if await task.buffer.requests.count() == 0:
                return True
            if await task.buffer.replies.full():
                raise BufferError(
                    "the reply ring is full: more requests than the user has room for"
                )
            request = await task.buffer.requests.take()
            assert request is not None
            await task.buffer.replies.put(await self._serve(task, request))
            if await task.buffer.receiver_online.claim():
                await self._kernel.uintr.send(task.hart.index, task.entry)
        return await task.buffer.requests.count() == 0


@pytest.mark.parametrize(
    ("memory", "program", "kind"),
    [
        ("sc", {"items": 2, "flag": NoSecondLook}, "lost wake-up"),
        ("rvwmo", {"items": 2, "flag": StoreInsteadOfSwap}, "lost wake-up"),
        ("rvwmo", {"items": 2, "flag": ClaimWithoutFence}, "lost wake-up"),
        ("rvwmo", {"items": 2, "flag": RetireWithoutFence}, "lost wake-up"),
        ("sc", {"ring": PublishBeforeWrite}, "duplicated or corrupted item"),
        ("rvwmo", {"ring": PutWithoutFence}, "duplicated or corrupted item"),
        ("rvwmo", {"ring": TakeWithoutFence}, "duplicated or corrupted item"),
        ("sc", {"capacity": 2, "ring": TakeTwice}, "duplicated or corrupted item"),
        ("sc", {"executor": OverwritesWakeWord, "signal": True}, "lost wake-up"),
        ("sc", {"items": 2, "executor": ClearsWakeWordAfterLook}, "lost wake-up"),
        ("sc", {"items": 2, "calls": NoLimit}, "broken buffer"),
        ("rvwmo", {"items": 3, "runtime": FullBeforeFence}, "broken buffer"),
    ],
    ids=lambda value: (
        " ".join(v.__name__ for v in value.values() if isinstance(v, type))
        if isinstance(value, dict)
        else ""
    ),
)
def test_a_seeded_fault_is_found(memory: str, program: dict[str, Any], kind: str) -> None:
    found = run(memory, **program)
    assert found.verdict is not None
    assert found.verdict.kind == kind
    assert found.lines


@pytest.mark.parametrize("flag", [ClaimWithoutFence, RetireWithoutFence, StoreInsteadOfSwap])
def test_what_the_weak_memory_finds_cannot_be_seen_in_program_order(flag: type[OnlineFlag]) -> None:
    assert run("sc", items=2, flag=flag).verdict is None


# --- the reductions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "program"),
    [
        ("sc", {"items": 2}),
        ("sc", {"items": 2, "capacity": 2, "harts": 1}),
        ("rvwmo", {"items": 1}),
        ("rvwmo", {"items": 1, "flag": PublishedFlag}),
        ("rvwmo", {"items": 1, "deregister": True}),
    ],
)
def test_reductions_change_no_way_in_which_runs_end(memory: str, program: dict[str, Any]) -> None:
    plain = explore(Program(**program), memory=memory, reduce=False)
    reduced = explore(Program(**program), memory=memory)
    apart = explore(Program(**program), memory=memory, merge=False)
    assert plain.finished
    assert reduced.outcomes == plain.outcomes == apart.outcomes
    assert reduced.states < plain.states
    assert reduced.states < apart.states


@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize(
    ("memory", "program"),
    [
        ("sc", {"items": 2, "flag": PublishedFlag}),
        ("rvwmo", {"items": 2, "flag": StoreInsteadOfSwap}),
        ("rvwmo", {"ring": PutWithoutFence}),
        ("rvwmo", {"ring": TakeWithoutFence}),
    ],
)
def test_faults_are_found_with_and_without_reduction(
    memory: str, program: dict[str, Any], reduce: bool
) -> None:
    found = explore(Program(**program), memory=memory, reduce=reduce)
    assert found.verdict is not None


def test_counts_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from rel4.explore.search import explore\n"
        "from rel4.explore.program import Program\n"
        "f = explore(Program(items=2, capacity=2, deregister=True, harts=1))\n"
        "g = explore(Program(items=2))\n"
        "print(f.states, f.transitions, f.operations, f.local_states, g.states, g.transitions)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(seen) == 1
    assert seen.pop().split()[0] > "0"


# --- parts ----------------------------------------------------------------------------------------


def _stopped_at(make: Callable[[], Task], results: list[int]) -> Task:
    coroutine = make()
    coroutine.send(None)
    for result in results:
        coroutine.send(result)
    return coroutine


def test_a_fingerprint_sees_locals_the_stack_and_shared_objects() -> None:
    async def adds() -> int:
        return await Load(0) + await Load(8)

    async def forgets() -> None:
        await Load(0)
        await Load(8)

    async def loops() -> None:
        for _ in range(3):
            await Load(0)

    async def shares(pair: list[list[int]]) -> None:
        await Load(len(pair) * 0)

    def describe(make: Callable[[], Task], *results: int) -> tuple[Any, ...]:
        coroutine = _stopped_at(make, list(results))
        try:
            return fingerprint(coroutine)
        finally:
            coroutine.close()

    assert describe(adds, 1) != describe(adds, 2)  # the first summand is on the stack alone
    assert describe(adds, 1) == describe(adds, 1)
    assert describe(forgets, 1) == describe(forgets, 2)
    assert describe(loops, 0) != describe(loops, 0, 0)  # how far the iterator is
    one: list[int] = []
    assert describe(lambda: shares([one, one])) != describe(lambda: shares([[], []]))
    with pytest.raises(FingerprintError, match="which has no known parts"):
        fingerprint(re.compile("x"))


def test_fences_keep_stores_apart_and_a_word_keeps_its_order() -> None:
    buffer = ((1, 5), (2, 5), (1, 6), BARRIER, (3, 5), (3, 6))
    assert list(drainable(buffer)) == [0, 1]
    assert demand(buffer, 2, 1) == [1]
    assert demand(buffer, 1, 2) == [0, 2]
    assert demand(buffer, 3, 1) == [0, 1, 2, 4]
    assert orders("rw,w", "w", "w")
    assert not orders("rw,w", "w", "r")
    assert not orders("r,rw", "w", "w")


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_is_wrong_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--protocol", "published", "--harts", "2"]) == 1
    out = capsys.readouterr().out
    assert "lost wake-up: The request ring holds 1 item" in out
    assert "handler_online := 0" in out
    assert re.search(r"^ ?1  hart 0  executor ", out, re.MULTILINE)


def test_the_command_counts_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--items", "1", "--memory", "sc"]) == 0
    out = capsys.readouterr().out
    assert "325 states" in out
    assert "no deadlock, no lost wake-up, no lost or duplicated item in 325 states" in out


def test_the_command_says_that_it_is_not_finished(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--items", "2", "--max-states", "100"]) == 3
    assert "not finished: there are more than 100 states" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--protocol", "hope"], "protocol must be one of ours, published, not 'hope'"),
        (["--harts", "3"], "harts must be 1 to 2, not 3"),
        (["--items", "0"], "items must be 1 to 8, not 0"),
        (["--items", "2", "--callers", "3"], "callers must be 1 to 2, not 3"),
        (["--capacity", "3"], "capacity must be 1, 2, 4 or 8, not 3"),
        (["--polls", "9"], "polls must be 0 to 8, not 9"),
        (["--memory", "tso"], "memory must be one of sc, rvwmo, not 'tso'"),
        (["--max-states", "0"], "max-states must be at least 1, not 0"),
    ],
)
def test_bad_requests_are_one_sentence(
    capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(["explore", *options]) == 2
    assert capsys.readouterr().err == f"rel4: {sentence}\n"

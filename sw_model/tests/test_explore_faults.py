"""Seeded faults: the explorer finds each, and its reductions hide none."""

from typing import Any

import pytest

from rel4.abi.syscall_buffer import MAX_WORDS, BufferError, Item, OnlineFlag, Ring
from rel4.explore.program import Program
from rel4.explore.protocols import PublishedFlag
from rel4.explore.search import Exploration, explore
from rel4.kernel.async_runtime import AsyncRuntime, HandlerTask
from rel4.machine.ops import AmoOr, CsrClear, Fence, Load, Store, Swap, Uipi, Uret
from rel4.user.async_syscalls import AsyncSyscalls
from rel4.user.executor import Executor, Handed
from uintr.registers import CSRS, Csr, UipiFunction


def run(memory: str = "rvwmo", **program: Any) -> Exploration:
    return explore(Program(**program), memory=memory)


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
        await CsrClear(Csr.UIP, CSRS[Csr.UIP].pack(software=1))
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
        self._slots_in_use = 0
        return await super()._submit(item)


class SleepsUnannounced(AsyncSyscalls):
    """Goes to sleep though the kernel may not know of the last requests of a batch."""

    async def next_reply(self) -> Handed | None:
        while self.outstanding:
            if await self._buffer.replies.count():
                reply = await self._take()
                return reply.cid, reply
            if await self._buffer.receiver_online.retire(self._buffer.replies):
                return None
        return None


class FullBeforeFence(AsyncRuntime):
    """Looks for room for the reply without ordering that behind the request."""

    async def _drain(self, task: HandlerTask) -> bool:
        for _ in range(task.buffer.capacity):
            if await task.buffer.requests.count() == 0:
                return True
            if await task.buffer.replies.full():
                raise BufferError(
                    "the reply ring is full: more requests than the user has room for"
                )
            request = await task.buffer.requests.take()
            assert request is not None
            reply = await self._serve(task, request)
            assert reply is not None  # nothing preempts here
            await task.buffer.replies.put(reply)
            if await task.buffer.receiver_online.claim():
                await self.uintr.send(task.entry)
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
        ("sc", {"items": 1, "style": "direct", "calls": SleepsUnannounced}, "lost wake-up"),
        ("sc", {"items": 2, "style": "uipi", "flag": NoSecondLook}, "lost wake-up"),
        ("rvwmo", {"items": 2, "style": "direct", "flag": StoreInsteadOfSwap}, "lost wake-up"),
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
        pytest.param("sc", {"items": 2}, marks=pytest.mark.long),
        ("sc", {"items": 2, "capacity": 2, "harts": 1}),
        ("rvwmo", {"items": 1}),
        ("rvwmo", {"items": 1, "flag": PublishedFlag}),
        pytest.param("rvwmo", {"items": 1, "deregister": True}, marks=pytest.mark.long),
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

"""Message words, the ring and the online flag, against what their docstrings promise."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from root_bench import performed

from rel4.abi.coroutine import Poll, Suspend, Task
from rel4.abi.message import MAX_MESSAGE, MessageInfo
from rel4.abi.syscall_buffer import BufferError, Item, OnlineFlag, Ring, SyscallBuffer
from rel4.machine.ops import Fence, Load, Op, Store, Swap

WORD = st.integers(0, 2**64 - 1)


class Words:
    """Performs memory operations at once, one coroutine at a time; records fences."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.trace: list[Op[Any]] = []

    def run(self, coroutine: Task) -> Any:
        return performed(coroutine, self.perform)

    def perform(self, op: Op[Any]) -> Any:
        self.trace.append(op)
        match op:
            case Load(address):
                return self.words.get(address, 0)
            case Store(address, value):
                self.words[address] = value
                return None
            case Swap(address, value):
                old = self.words.get(address, 0)
                self.words[address] = value
                return old
            case Fence():
                return None
        raise AssertionError(f"unexpected {op}")


def make_ring(capacity: int) -> Ring:
    return Ring(head=0, tail=64, items=4096, capacity=capacity)


def test_message_info_fields_stand_where_sel4_has_them() -> None:
    info = MessageInfo(label=36, length=3, extra_caps=1, caps_unwrapped=2)
    assert info.word() == 36 << 12 | 2 << 9 | 1 << 7 | 3
    assert MessageInfo.from_word(info.word()) == info
    assert MessageInfo.from_word(0x7F).length == MAX_MESSAGE


@given(
    cid=st.integers(0, 2**32 - 1),
    label=st.integers(0, 2**8 - 1),
    error=st.integers(0, 2**16 - 1),
    words=st.lists(WORD, max_size=15),
)
def test_an_item_keeps_every_bit(cid: int, label: int, error: int, words: list[int]) -> None:
    memory, ring = Words(), make_ring(4)
    memory.words[0] = memory.words[64] = 3  # an item of two slots wraps round
    memory.run(ring.put(Item(cid, label, error, tuple(words))))
    assert memory.run(ring.count()) == (1 if len(words) <= 7 else 2)
    item = memory.run(ring.take())
    assert item == Item(cid, label, error, tuple(words))
    assert memory.run(ring.count()) == 0


def test_an_item_has_at_most_fifteen_words() -> None:
    with pytest.raises(ValueError, match="at most 15 words, not 16"):
        Item(0, 0, words=(0,) * 16)


@pytest.mark.parametrize("length", [8, 16, 255])
def test_a_length_that_cannot_be_is_noticed(length: int) -> None:
    memory, ring = Words(), make_ring(4)
    memory.run(ring.put(Item(1, 2)))
    memory.words[4096] |= length << 40
    with pytest.raises(BufferError, match=f"an item of {length} words cannot be in 1 slots"):
        memory.run(ring.take())


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([1, 2, 4]), WORD)
def test_a_ring_is_a_bounded_fifo_wherever_its_indices_are(
    steps: list[bool], capacity: int, start: int
) -> None:
    memory, ring = Words(), make_ring(capacity)
    memory.words[0] = memory.words[64] = start  # indices count for ever, and wrap at 2**64
    naive: list[int] = []
    for number, put in enumerate(steps):
        if put:
            full = memory.run(ring.full())
            assert full == (len(naive) == capacity)
            if not full:
                memory.run(ring.put(Item(number, 0)))
                naive.append(number)
        else:
            item = memory.run(ring.take())
            assert (item.cid if item else None) == (naive.pop(0) if naive else None)
        assert memory.run(ring.count()) == len(naive)


def test_the_item_is_written_before_it_is_published_and_read_after() -> None:
    memory, ring = Words(), make_ring(4)
    memory.run(ring.put(Item(1, 2, words=(3,))))
    writes = [op for op in memory.trace if isinstance(op, Store | Fence)]
    assert isinstance(writes[-1], Store)
    assert writes[-1].address == 64
    assert writes[-2] == Fence("rw,w")
    memory.trace.clear()
    memory.run(ring.take(1))
    kinds = [op for op in memory.trace if not (isinstance(op, Load) and op.address < 4096)]
    assert kinds[0] == Fence("r,rw")
    assert kinds[-2:] == [Fence("rw,w"), Store(0, 1)]


@pytest.mark.parametrize(("head", "tail"), [(0, 5), (5, 0), (1, 2**63)])
def test_indices_that_cannot_be_are_noticed(head: int, tail: int) -> None:
    memory, ring = Words(), make_ring(4)
    memory.words.update({0: head, 64: tail})
    with pytest.raises(BufferError, match="apart, capacity is 4"):
        memory.run(ring.count())


def test_one_sleep_has_one_waker() -> None:
    memory, flag, ring = Words(), OnlineFlag(8), make_ring(4)
    assert memory.run(flag.claim()) is True
    assert memory.run(flag.claim()) is False
    assert memory.run(flag.retire(ring)) is True
    assert memory.run(flag.claim()) is True


def _interleave(memory: Words, outer: Task, at: int, inner: Callable[[], Task]) -> Any:
    """Run ``outer``, with all of ``inner`` before its operation number ``at``."""
    value: Any = None
    for number in range(1_000):
        try:
            op = outer.send(value)
        except StopIteration as stop:
            return stop.value
        if number == at:
            memory.run(inner())
        value = memory.perform(op)
    raise AssertionError("the coroutine does not end")


def test_no_wake_up_is_lost_wherever_the_producer_comes_in() -> None:
    """A whole submission at every point of the consumer's `retire`: either the consumer goes on, or
    the producer was told to wake it."""
    for at in range(12):
        memory, flag, ring = Words(), OnlineFlag(8), make_ring(4)
        memory.run(flag.set())
        woke: list[bool] = []

        async def submit(
            woke: list[bool] = woke, flag: OnlineFlag = flag, ring: Ring = ring
        ) -> None:
            await ring.put(Item(1, 1))
            woke.append(await flag.claim())

        sleeps = _interleave(memory, flag.retire(ring), at, submit)
        if woke and sleeps:
            assert woke == [True], f"lost wake-up when the producer comes in at operation {at}"
        elif woke:
            assert memory.words[8] == 1


def test_layouts_of_both_rings_do_not_overlap() -> None:
    buffer = SyscallBuffer(0, 4096)
    memory = Words()
    memory.run(buffer.requests.put(Item(1, 1, words=(7,) * 7)))
    before = dict(memory.words)
    for number in range(4096):
        memory.run(buffer.replies.put(Item(number, 2, words=(9,) * 7)))
    assert all(memory.words[address] == value for address, value in before.items())
    assert max(memory.words) < SyscallBuffer.size(4096)


def test_poll_passes_operations_through_and_stops_at_suspend() -> None:
    seen: list[Any] = []

    async def task() -> None:
        seen.append(await Load(8))
        seen.append(await Suspend())

    coroutine = task()

    async def poll(value: Any) -> bool:
        return await Poll(coroutine, value)

    memory = Words()
    memory.words[8] = 5
    assert memory.run(poll(None)) is False
    assert memory.run(poll("woken")) is True
    assert seen == [5, "woken"]

"""The syscall buffer: memory that a thread shares with its kernel handler coroutine.

One frame, physically contiguous. All fields are 64-bit words; every word that one side writes and
the other reads in a loop has a cache line (64 bytes) of its own.

======================== ==========================================================
offset                   field
======================== ==========================================================
0x000                    magic and layout version
0x008                    capacity: items of either ring, a power of two
0x010                    closed: 0 open, 1 the kernel stops serving, 2 it has stopped
0x040                    handler online: kernel handler needs no wake-up
0x080                    receiver online: receiver coroutine needs no user interrupt
0x0C0, 0x100             request ring: head (next to take), tail (next to put)
0x140, 0x180             reply ring: head, tail
0x1C0                    helper idle: the kernel's hart for this buffer runs no thread
0x1000                   request items, capacity x 64 bytes
0x1000 + 64 * capacity   reply items
======================== ==========================================================

head and tail count up for ever; their difference is the number of items. The user alone writes the
request tail and the reply head, the kernel the other two.

An item is one cache line: word 0 holds cid (31:0), label (39:32), number of words (47:40) and error
(63:48); words 1 to 7 hold arguments or results, all full 64-bit words. An item with more words goes
on in the next slot of the ring, all eight words of it; both are published by one store of the tail.

A ring is single-producer single-consumer. The producer writes the item, then publishes the tail
behind a release fence; the consumer reads the tail, then the item behind an acquire fence.

The kernel alone writes ``closed``. Before 2 is there it has answered every request that was
published before 1 was there; whoever publishes later sees 1 or 2, waits for 2 and takes back what
the kernel left in the ring. So a request is answered by exactly one side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rel4.machine.ops import Fence, Load, SpinWhile, Store, Swap

__all__ = [
    "ITEM_WORDS",
    "MAX_WORDS",
    "STRING_BYTES",
    "MAX_CAPACITY",
    "PUBLISH_CYCLES",
    "BufferError",
    "Item",
    "OnlineFlag",
    "Ring",
    "SyscallBuffer",
]

MAGIC: Final = 0x52_65_4C_34_00_00_00_01
"""Layout version 1."""
ITEM_BYTES: Final = 64
ITEM_WORDS: Final = 7
"""Words of an item that takes one slot."""
MAX_WORDS: Final = 15
"""Words of an item that takes two."""
STRING_BYTES: Final = 8 * (MAX_WORDS - 1)
"""Characters of one PutString request: a word with their number, then eight in each."""
PUBLISH_CYCLES: Final = 48
"""Part of a path's cost that is left for `Ring.put` and `OnlineFlag.claim` at its end: about what
their loads, stores and the exchange take. The rest of the path's work comes before."""
HEADER_BYTES: Final = 0x1000
OPEN, CLOSING, CLOSED = range(3)
"""Values of ``closed``."""
MAX_CAPACITY: Final = 4096
"""Items of a ring in the published system."""


class BufferError(Exception):
    """The other side broke the buffer: what it says cannot be."""


@dataclass(frozen=True, slots=True)
class Item:
    """A request (``words`` are arguments) or a reply (``words`` are results, ``error`` is set)."""

    cid: int
    label: int
    error: int = 0
    words: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.words) > MAX_WORDS:
            raise ValueError(f"an item must have at most {MAX_WORDS} words, not {len(self.words)}")

    @property
    def slots(self) -> int:
        """Slots of the ring that the item takes: 1 or 2."""
        return _slots(len(self.words))


def _slots(words: int) -> int:
    return 1 if words <= ITEM_WORDS else 2


class Ring:
    """One side's view of a ring: the producer calls `put`, the consumer `take`.

    Parameters
    ----------
    head, tail, items : addresses
    capacity : items, a power of two

    Members
    -------
    tail : address of the producer's index, to spin on
    """

    def __init__(self, *, head: int, tail: int, items: int, capacity: int) -> None:
        self._head = head
        self.tail = tail
        self._items = items
        self._capacity = capacity

    async def count(self) -> int:
        """Items in the ring. Raises BufferError if the other side's index cannot be."""
        count = (await Load(self.tail) - await Load(self._head)) & (1 << 64) - 1
        if count > self._capacity:
            raise BufferError(f"ring indices are {count} apart, capacity is {self._capacity}")
        return count

    async def last_taken(self) -> int:
        """The head: what the tail reads as long as the ring is empty (consumer's side)."""
        return await Load(self._head)

    async def full(self) -> bool:
        """True if there is no room for one slot more. Only the producer may rely on False."""
        return await self.count() == self._capacity

    def _word(self, index: int, word: int) -> int:
        """Address of ``word`` of the item that begins at ring index ``index``."""
        slot, offset = divmod(word, 8)
        return self._items + ITEM_BYTES * ((index + slot) & (self._capacity - 1)) + 8 * offset

    async def put(self, item: Item) -> None:
        """Append an item. The caller knows that there is room for its slots."""
        tail = await Load(self.tail)
        for number, word in enumerate(item.words, start=1):
            await Store(self._word(tail, number), word)
        first = item.error << 48 | len(item.words) << 40 | item.label << 32 | item.cid
        await Store(self._word(tail, 0), first)
        await Fence("rw,w")
        await Store(self.tail, (tail + item.slots) & (1 << 64) - 1)

    async def take(self, most: int = MAX_WORDS) -> Item | None:
        """Take the oldest item, with at most ``most`` of its words; None if the ring is empty.

        Every word of the item is read once. Raises BufferError if the item cannot be: more words
        than an item may have, or more than have been published.
        """
        count = await self.count()
        if count == 0:
            return None
        await Fence("r,rw")
        head = await Load(self._head)
        first = await Load(self._word(head, 0))
        length = first >> 40 & 0xFF
        if length > MAX_WORDS or _slots(length) > count:
            raise BufferError(f"an item of {length} words cannot be in {count} slots")
        words = [await Load(self._word(head, 1 + n)) for n in range(min(length, most))]
        await Fence("rw,w")
        await Store(self._head, (head + _slots(length)) & (1 << 64) - 1)
        return Item(first & 0xFFFF_FFFF, first >> 32 & 0xFF, first >> 48, tuple(words))


class OnlineFlag:
    """The flag by which a ring's consumer says that it will look again without being woken.

    The wake-up protocol, without the published system's window in which a wake-up is lost:

    * producer: put the item, full fence, `claim`; if that returns True, wake the consumer;
    * consumer: when the ring looks empty, `retire` with a second look at the ring; if an item came
      meanwhile and nobody has claimed the wake-up, go on; else sleep.

    The exchange in `claim` lets exactly one party own the wake-up of one sleep.
    """

    def __init__(self, address: int) -> None:
        self._address = address

    async def claim(self) -> bool:
        """Set the flag; True if it was clear, so that the caller owes the consumer a wake-up."""
        await Fence("rw,rw")
        if await Load(self._address):
            return False
        return await Swap(self._address, 1) == 0

    async def set(self) -> None:
        """Set the flag, as the consumer that was woken (it is set already, by whoever woke it)."""
        await Store(self._address, 1)

    async def clear(self) -> None:
        """As the consumer: clear the flag without a second look, because items may stay behind and
        the producer is known to claim again."""
        await Store(self._address, 0)

    async def retire(self, ring: Ring) -> bool:
        """As the consumer: clear the flag, look again. True: sleep; False: there is more to do."""
        await Store(self._address, 0)
        await Fence("rw,rw")
        if await ring.count() == 0:
            return True
        return not await self.claim()


class SyscallBuffer:
    """Both rings, both flags and the closed word of the buffer at ``base`` (virtual for the user,
    physical for the kernel). ``flag`` and ``ring`` are the protocols of flags and rings."""

    def __init__(
        self,
        base: int,
        capacity: int,
        *,
        flag: Callable[[int], OnlineFlag] = OnlineFlag,
        ring: Callable[..., Ring] = Ring,
    ) -> None:
        self.capacity = capacity
        self._closed = base + 0x10
        self.helper_idle = base + 0x1C0
        self.handler_online = flag(base + 0x40)
        self.receiver_online = flag(base + 0x80)
        items = base + HEADER_BYTES
        self.requests = ring(head=base + 0xC0, tail=base + 0x100, items=items, capacity=capacity)
        self.replies = ring(
            head=base + 0x140,
            tail=base + 0x180,
            items=items + ITEM_BYTES * capacity,
            capacity=capacity,
        )

    @staticmethod
    def fields(base: int, capacity: int) -> dict[int, str]:
        """The name of every word that is used, by address."""
        names = {
            base: "magic",
            base + 0x08: "capacity",
            base + 0x10: "closed",
            base + 0x40: "handler_online",
            base + 0x80: "receiver_online",
            base + 0xC0: "requests.head",
            base + 0x100: "requests.tail",
            base + 0x140: "replies.head",
            base + 0x180: "replies.tail",
            base + 0x1C0: "helper_idle",
        }
        address = base + HEADER_BYTES
        for ring in ("requests", "replies"):
            for slot in range(capacity):
                for word in range(1 + ITEM_WORDS):
                    names[address] = f"{ring}[{slot}].word{word}"
                    address += 8
        return names

    async def close_begin(self) -> None:
        """As the kernel: say that no more is served. Requests published before are seen after."""
        await Store(self._closed, CLOSING)
        await Fence("rw,rw")

    async def close_end(self) -> None:
        """As the kernel: say that the buffer is not touched any more."""
        await Fence("rw,w")
        await Store(self._closed, CLOSED)

    async def closing(self) -> bool:
        """As the user, behind a full fence after a request was put: True if the kernel may have
        left it in the ring."""
        return await Load(self._closed) != OPEN

    async def closed(self) -> None:
        """As the user, when `closing`: wait until the kernel has let go of the buffer."""
        await SpinWhile(self._closed, CLOSING)
        await Fence("r,rw")

    @staticmethod
    def size(capacity: int) -> int:
        """Bytes that a buffer of this capacity takes."""
        return HEADER_BYTES + 2 * ITEM_BYTES * capacity

    @classmethod
    async def create(cls, base: int, capacity: int) -> "SyscallBuffer":
        """Lay out a buffer in zeroed memory (user side)."""
        await Store(base + 8, capacity)
        await Store(base, MAGIC)
        return cls(base, capacity)

    @classmethod
    async def attach(cls, base: int, frame_bytes: int) -> "SyscallBuffer":
        """Check the layout that the other side wrote (kernel side).

        Raises
        ------
        BufferError : wrong version, or a capacity that is no power of two or does not fit.
        """
        magic = await Load(base)
        if magic != MAGIC:
            raise BufferError(f"syscall buffer version must be {MAGIC:#x}, not {magic:#x}")
        capacity = await Load(base + 8)
        if not 0 < capacity <= MAX_CAPACITY or capacity & (capacity - 1):
            raise BufferError(
                f"capacity must be a power of two up to {MAX_CAPACITY}, not {capacity}"
            )
        if cls.size(capacity) > frame_bytes:
            raise BufferError(f"capacity {capacity} does not fit a frame of {frame_bytes} bytes")
        return cls(base, capacity)

"""The syscall buffer: memory that a thread shares with its kernel handler coroutine.

One frame, physically contiguous. All fields are 64-bit words; every word that one side writes and
the other reads in a loop has a cache line (64 bytes) of its own.

======================== ==========================================================
offset                   field
======================== ==========================================================
0x000                    magic and layout version
0x008                    capacity: items of either ring, a power of two
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

An item is one cache line: word 0 holds cid (31:0), label (47:32) and error (63:48); words 1 to 7
hold arguments or results, all full 64-bit words.

A ring is single-producer single-consumer. The producer writes the item, then publishes the tail
behind a release fence; the consumer reads the tail, then the item behind an acquire fence.
"""

from dataclasses import dataclass
from typing import Final

from rel4.machine.ops import Fence, Load, Store, Swap

__all__ = [
    "ITEM_WORDS",
    "MAX_CAPACITY",
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
"""Argument words of an item."""
HEADER_BYTES: Final = 0x1000
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
        if len(self.words) > ITEM_WORDS:
            raise ValueError(f"an item must have at most {ITEM_WORDS} words, not {len(self.words)}")


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
        """True if the producer must wait. Only the producer may rely on False."""
        return await self.count() == self._capacity

    async def put(self, item: Item) -> None:
        """Append an item. The caller has seen that the ring is not `full`."""
        tail = await Load(self.tail)
        address = self._items + ITEM_BYTES * (tail & (self._capacity - 1))
        for offset, word in enumerate(item.words, start=1):
            await Store(address + 8 * offset, word)
        await Store(address, item.error << 48 | item.label << 32 | item.cid)
        await Fence("rw,w")
        await Store(self.tail, (tail + 1) & (1 << 64) - 1)

    async def take(self, words: int = ITEM_WORDS) -> Item | None:
        """Take the oldest item with its first ``words`` words; None if the ring is empty."""
        if await self.count() == 0:
            return None
        await Fence("r,rw")
        head = await Load(self._head)
        address = self._items + ITEM_BYTES * (head & (self._capacity - 1))
        first = await Load(address)
        arguments = tuple([await Load(address + 8 * (1 + n)) for n in range(words)])
        await Fence("rw,w")
        await Store(self._head, (head + 1) & (1 << 64) - 1)
        return Item(first & 0xFFFF_FFFF, first >> 32 & 0xFFFF, first >> 48, arguments)


class OnlineFlag:
    """The flag by which a ring's consumer says that it will look again without being woken.

    The wake-up protocol, without the published system's window in which a wake-up is lost:

    * producer: put the item, full fence, `claim`; if that answers True, wake the consumer;
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
    """Both rings and both flags of the buffer at ``base`` (virtual for the user, physical for the
    kernel)."""

    def __init__(self, base: int, capacity: int) -> None:
        self.capacity = capacity
        self.helper_idle = base + 0x1C0
        self.handler_online = OnlineFlag(base + 0x40)
        self.receiver_online = OnlineFlag(base + 0x80)
        items = base + HEADER_BYTES
        self.requests = Ring(head=base + 0xC0, tail=base + 0x100, items=items, capacity=capacity)
        self.replies = Ring(
            head=base + 0x140,
            tail=base + 0x180,
            items=items + ITEM_BYTES * capacity,
            capacity=capacity,
        )

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

"""Shared words, and when a hart's stores and loads reach them.

Sequential consistency (``sc``): at once, in program order.

``rvwmo``, the weak order of the RISC-V ISA manual as far as it concerns programs without
read-to-write reordering (no load is performed after a later store):

* A store enters the hart's buffer. It leaves it for memory at any later time: before older stores
  to other addresses, unless a fence stands between them, but never before an older one to the same
  address. The hart's own loads see it at once.
* A load gives what memory holds, or anything that memory held since the hart's last fence that
  orders loads, as if it had been performed early; never something older than the hart has read or
  written there already.
* A fence with w before and w after keeps the stores on its sides apart; with w before and r after
  it waits until the buffer is empty; with r before and r after, loads behind it are not early. An
  atomic operation (.aqrl) waits until the buffer is empty, and loads behind it are not early.

When exactly a store leaves its buffer matters to those alone who look at that word, to its own
hart's fences, and to stores that must stay behind it. So it may be moved back in time to right
before the first of these, and no other moment needs to be explored: a load, an atomic operation or
a spin may *demand* stores to its word from the other hart's buffer, with those that must go before
them; a fence that waits for its buffer empties it. Only while both buffers hold a store to one
word, every store is a step of its own.
"""

from collections.abc import Iterator, Sequence

__all__ = ["BARRIER", "Buffer", "Early", "demand", "drainable", "orders", "quarrel"]

Buffer = tuple[tuple[int, int], ...]
"""Stores of one hart that are not in memory yet, oldest first: (word, value), or `BARRIER`."""
Early = tuple[tuple[int, tuple[int, ...]], ...]
"""What loads of one hart may still give beside memory's value: (word, values, oldest first)."""

BARRIER = (-1, 0)


def drainable(buffer: Buffer) -> Iterator[int]:
    """Positions of the stores that may reach memory next."""
    words: set[int] = set()
    for position, entry in enumerate(buffer):
        if entry == BARRIER:
            return
        if entry[0] not in words:
            words.add(entry[0])
            yield position


def demand(buffer: Sequence[tuple[int, int]], word: int, count: int) -> list[int]:
    """Positions of the first ``count`` stores to ``word`` and of those that must go before them."""
    own = [position for position, entry in enumerate(buffer) if entry[0] == word][:count]
    barrier = max((n for n in range(own[-1]) if buffer[n] == BARRIER), default=-1)
    before = [position for position in range(barrier) if buffer[position] != BARRIER]
    return before + [position for position in own if position > barrier]


def quarrel(first: Buffer, second: Buffer) -> bool:
    """True if both buffers hold a store to one word."""
    if not first or not second:
        return False
    words = {entry[0] for entry in first} - {BARRIER[0]}
    return any(entry[0] in words for entry in second)


def orders(kind: str, before: str, after: str) -> bool:
    """True if a fence of this kind ("rw,w") orders accesses ``before`` it with those ``after``."""
    predecessor, _, successor = kind.partition(",")
    return before in predecessor and after in successor

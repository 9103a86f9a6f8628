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
"""

from collections.abc import Iterator

__all__ = ["BARRIER", "Buffer", "Early", "drainable", "orders"]

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


def orders(kind: str, before: str, after: str) -> bool:
    """True if a fence of this kind ("rw,w") orders accesses ``before`` it with those ``after``."""
    predecessor, _, successor = kind.partition(",")
    return before in predecessor and after in successor

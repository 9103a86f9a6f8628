"""What a reference device tells whoever watches it, beside what its public members show."""

from typing import NamedTuple

from rel4.reference.operation import Operation

__all__ = ["Accepted", "Observer", "Record"]


class Record(NamedTuple):
    """A receiver, as the controller keeps it. ``queued``: its notification waits to be claimed;
    ``listed``: its number stands in the queue, maybe without waiting; ``line``: that it raises."""

    pending: int
    mask: int
    active: int
    notify: int
    queued: bool
    listed: bool
    line: int


class Accepted(NamedTuple):
    """An operation that the controller accepted in this cycle.

    ``port`` presented it, as one of so many ``contenders``. A claim is of the ``receiver`` at the
    head of the queue. ``before`` and ``after`` are the receiver's record.
    """

    port: int
    operation: Operation
    receiver: int
    data: int
    contenders: int
    before: Record
    after: Record


class Observer:
    """Told at the moment at which something happens; here nothing is made of it."""

    def accepted(self, what: Accepted) -> None:
        """The controller accepted an operation."""

    def claimed_nothing(self, contenders: int) -> None:
        """The controller accepted a claim, and the queue was empty."""

    def posted(self, hart: int) -> None:
        """A post of the hart was accepted."""

    def found(self, hart: int, index: int, entry: tuple[int, int]) -> None:
        """The hart's cache had the entry, receiver and vector, of a SEND."""

    def filled(self, hart: int, replaced: bool) -> None:
        """The hart's cache keeps an entry, in the place of another or in an empty one."""

    def invalidated(self, by: str, harts: range, kept: bool) -> None:
        """The caches of these harts, of which any ``kept`` entries or none, are invalidated by a
        write of the register ``by``."""

    def throttle_written(self, hart: int) -> None:
        """The hart's budget is set anew."""

"""Functional coverage of the sending side: budgets and entry caches."""

from collections import Counter

from rel4.reference.observer import Observer
from uintr.registers import CSRS, PAGE_BYTES, SENDER_ENTRY, SENDER_ENTRY_BYTES, Csr
from uintr_cosim.shared_reference import SharedReference

__all__ = ["SenderBins"]


class SenderBins(Observer):
    """Watches hart units and control page of a reference device.

    Parameters
    ----------
    reference : what to watch
    bins : counted into
    """

    def __init__(self, *, reference: SharedReference, bins: Counter[str]) -> None:
        self._bins = bins
        self._reference = reference
        self.reset()

    def reset(self) -> None:
        """The device was reset."""
        self._missing = [0] * self._reference.config.harts
        self._posted: set[int] = set()

    def step(self) -> None:
        """After a cycle of the device."""
        bins, bus = self._bins, self._reference.bus
        bins["entry cache: invalidation waits for a post"] += (
            bus.draining is not None and not bus.posting.isdisjoint(bus.draining.harts)
        )
        for hart, throttle in enumerate(self._reference.control.throttles):
            before, missing = self._missing[hart], throttle.missing
            posted = hart in self._posted and throttle.period > 0
            bins["throttle: a token comes back"] += missing < before
            bins["throttle: the last token is taken"] += posted and not throttle.open
            bins["throttle: a token is taken and one comes back"] += (
                posted and missing == before > 0
            )
            self._missing[hart] = missing
        self._posted.clear()

    def posted(self, hart: int) -> None:
        self._posted.add(hart)

    def throttle_written(self, hart: int) -> None:
        self._bins["throttle: written while tokens are missing"] += self._missing[hart] > 0
        self._missing[hart] = 0

    def invalidated(self, by: str, harts: range, kept: bool) -> None:
        self._bins[f"entry cache: invalidated by {by}"] += kept

    def found(self, hart: int, index: int, entry: tuple[int, int]) -> None:
        page = CSRS[Csr.SUIST].field("ppn").get(self._reference.csr(hart, Csr.SUIST))
        word = self._reference.bus.look(page * PAGE_BYTES + index * SENDER_ENTRY_BYTES)
        valid, receiver, vector = (
            SENDER_ENTRY.field(name).get(word) for name in ("valid", "receiver", "vector")
        )
        self._bins["entry cache: hit"] += 1
        self._bins["entry cache: hit of what the table holds no longer"] += (
            not valid or (receiver, vector) != entry
        )

    def filled(self, hart: int, replaced: bool) -> None:
        self._bins["entry cache: filled"] += 1
        self._bins["entry cache: filled in place of another entry"] += replaced

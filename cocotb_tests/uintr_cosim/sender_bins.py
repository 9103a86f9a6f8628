"""Functional coverage of the sending side: budgets and entry caches."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from rel4.machine.device import Response
from uintr.registers import (
    CACHE_ENTRIES,
    CSRS,
    ENTRY_CACHE_OFFSET,
    INVALIDATE,
    PAGE_BYTES,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_RESET,
    THROTTLE_OFFSET,
    Csr,
    UipiFunction,
)
from uintr_cosim.shared_reference import SharedReference

__all__ = ["SenderBins"]


class SenderBins:
    """Listens to hart units and control page of a reference device.

    Parameters
    ----------
    reference : what to watch
    bins : counted into
    """

    def __init__(self, *, reference: SharedReference, bins: Counter[str]) -> None:
        self._bins = bins
        self._reference = reference
        self._control: Any = reference._control
        self._units: list[Any] = list(reference._units)
        self._listen(self._control, "transfer", self._transfer)
        self._listen(self._control, "post", self._post)
        for hart, unit in enumerate(self._units):
            self._listen(unit, "_uipi", self._uipi, hart)
            self._listen(unit, "_csr", self._csr, hart)
            self._listen(unit, "bus_ended", self._bus_ended, hart)
        self.reset()

    @staticmethod
    def _listen(owner: Any, name: str, around: Callable[..., Any], *more: int) -> None:
        """Calls of a method go through ``around``, which gets the method and ``more`` first."""
        setattr(owner, name, partial(around, getattr(owner, name), *more))

    def reset(self) -> None:
        """The device was reset."""
        self._missing = [0] * len(self._units)
        self._posted: set[int] = set()

    def step(self) -> None:
        """After a cycle of the device."""
        bins = self._bins
        draining = self._reference._shared.draining
        bins["entry cache: invalidation waits for a post"] += (
            draining is not None and not self._reference._shared.posting.isdisjoint(draining.harts)
        )
        for hart, throttle in enumerate(self._control.throttles):
            before, missing = self._missing[hart], throttle._missing
            posted = hart in self._posted and throttle._period > 0
            bins["throttle: a token comes back"] += missing < before
            bins["throttle: the last token is taken"] += posted and not throttle.open
            bins["throttle: a token is taken and one comes back"] += (
                posted and missing == before > 0
            )
            self._missing[hart] = missing
        self._posted.clear()

    def _post(self, right: Any, hart: int) -> None:
        self._posted.add(hart)
        right(hart)

    def _transfer(self, right: Any, write: bool, offset: int, data: int) -> Any:
        answer = right(write, offset, data)
        if write and answer is not None:
            harts = range(len(self._units))
            keeps = [bool(cache._entries) for cache in self._control.caches]
            for register in (INVALIDATE, SLOT_RESET):
                if offset == register.address:
                    self._bins[f"entry cache: invalidated by {register.name}"] += any(keeps)
            if (hart := (offset - ENTRY_CACHE_OFFSET) // 8) in harts:
                self._bins["entry cache: invalidated by ENTRY_CACHE"] += keeps[hart]
            if (hart := (offset - THROTTLE_OFFSET) // 8) in harts:
                self._bins["throttle: written while tokens are missing"] += self._missing[hart] > 0
                self._missing[hart] = 0
        return answer

    def _csr(self, right: Any, hart: int, request: Any) -> Any:
        keeps = bool(self._control.caches[hart]._entries)
        forgets = len(self._control._forgetting)
        answer = right(request)
        if request.address == Csr.SUIST and len(self._control._forgetting) > forgets:
            self._bins["entry cache: invalidated by suist"] += keeps
        return answer

    def _uipi(self, right: Any, hart: int, function: int, operand: int) -> Response | None:
        unit, bins = self._units[hart], self._bins
        answer: Response | None = right(function, operand)
        if function == UipiFunction.SEND and answer is None:
            kept = self._control.caches[hart].find(operand)
            if kept is not None:
                page = CSRS[Csr.SUIST].field("ppn").get(unit.csrs[Csr.SUIST])
                address = page * PAGE_BYTES + operand * SENDER_ENTRY_BYTES
                word = self._reference._shared._table.get(address, 0)
                valid, receiver, vector = (
                    SENDER_ENTRY.field(name).get(word) for name in ("valid", "receiver", "vector")
                )
                bins["entry cache: hit"] += 1
                bins["entry cache: hit of what the table holds no longer"] += (
                    not valid or (receiver, vector) != kept
                )
        return answer

    def _bus_ended(self, right: Any, hart: int, data: int, error: bool) -> Response | None:
        cache, index = self._control.caches[hart], self._units[hart]._index
        before = dict(cache._entries)
        answer: Response | None = right(data, error)
        place = index % CACHE_ENTRIES
        if cache._entries != before:
            self._bins["entry cache: filled"] += 1
            self._bins["entry cache: filled in place of another entry"] += place in before
        return answer

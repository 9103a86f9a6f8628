"""The control page of the reference device: registers of the whole controller."""

from collections.abc import Callable
from typing import NamedTuple

from rel4.machine.device import DeviceConfig
from rel4.reference.entry_cache import EntryCache
from rel4.reference.observer import Observer
from rel4.reference.operation import Operation
from rel4.reference.throttle import Throttle
from uintr.registers import (
    CLAIM,
    ENABLE,
    ENTRY_CACHE,
    ENTRY_CACHE_OFFSET,
    FEATURES,
    HARTS,
    ID,
    INVALIDATE,
    NOTIFY_HART,
    RECEIVERS,
    REJECTED,
    REJECTED_OFFSET,
    SLOT_RESET,
    THROTTLE_OFFSET,
    XLEN,
    Feature,
    Status,
)

__all__ = ["ControlPage", "Drain"]

_WORD_BYTES = XLEN // 8
_COUNT = REJECTED.field("count")
_CAUSE = REJECTED.field("cause")


class Drain(NamedTuple):
    """A write that goes on when no hart of ``harts`` presents a post any more."""

    harts: range
    then: tuple[Operation, int] | None = None  # what it hands over; None if it ends with that


class ControlPage:
    """Identification, slot reset, claim, refused posts, budgets and caches.

    What `transfer`, `reject` and `post` tell throttles and caches takes effect with `step`.

    Parameters
    ----------
    config : shape of the hardware
    notify : is told of a new value of NOTIFY_HART

    Members
    -------
    enable : extensions of LOW that software knows
    rejected : (count, status of the last one) for each hart
    throttles, caches : of each hart
    observer : is told of posts, budgets and caches
    """

    def __init__(self, *, config: DeviceConfig, notify: Callable[[int], None]) -> None:
        self._config = config
        self._notify = notify
        self._known = {
            ID.address: ID.reset,
            FEATURES.address: int(config.features),
            HARTS.address: config.harts,
            RECEIVERS.address: config.receivers,
        }
        self._rejects = Feature.REJECTED in config.features
        self._all = range(config.harts)
        self._enables = ENABLE.built(config.features).mask()
        self.observer: Observer | None = None
        self.reset()

    def reset(self) -> None:
        """No refusals, and no hart that is told of absent receivers."""
        self.enable = 0
        self.notify_hart = self._config.harts
        self._notify(self.notify_hart)
        self.rejected = [(0, Status.OK)] * self._config.harts
        self.throttles = [Throttle() for _ in range(self._config.harts)]
        self.caches = [EntryCache() for _ in range(self._config.harts)]
        self._moving: set[int] = set()  # harts whose throttles have something to do
        self._forgetting: list[EntryCache] = []

    @property
    def resting(self) -> bool:
        """No token is on its way back."""
        return not self._moving

    def step(self) -> None:
        """One clock edge of throttles and caches."""
        for hart in tuple(self._moving):
            self.throttles[hart].step()
            if self.throttles[hart].resting:
                self._moving.discard(hart)
        for cache in self._forgetting:
            cache.invalidate()
        self._forgetting.clear()

    def post(self, hart: int) -> None:
        """The post of a UIPI SEND of ``hart`` is accepted."""
        if self.observer is not None:
            self.observer.posted(hart)
        if Feature.THROTTLE in self._config.features:
            self.throttles[hart].post()
            self._moving.add(hart)

    def forget(self, harts: range, by: str) -> None:
        """Invalidate these harts' caches, for a write of the register ``by``."""
        caches = self.caches[harts.start : harts.stop]
        self._forgetting += caches
        if self.observer is not None:
            self.observer.invalidated(by, harts, any(cache.entries for cache in caches))

    def reject(self, hart: int, cause: Status) -> None:
        """A UIPI SEND of ``hart`` is refused."""
        if self._rejects:
            count = min(self.rejected[hart][0] + 1, _COUNT.mask)
            self.rejected[hart] = (count, cause)
        if cause is Status.THROTTLED:
            self.throttles[hart].refuse()
            self._moving.add(hart)

    def transfer(
        self, write: bool, offset: int, data: int
    ) -> tuple[Operation, int] | Drain | int | None:
        """What a transfer means: an operation of the controller and its receiver, or the word
        that is read (0 for a write), or what has to be waited for, or None for an error.
        """
        features = self._config.features
        if offset in self._known:
            return 0 if write else self._known[offset]
        if offset == ENABLE.address and ENABLE.feature & features:
            if not write:
                return self.enable
            self.enable = data & self._enables
            return 0
        if offset == SLOT_RESET.address and Feature.SLOT_RESET in features:
            if not write:
                return 0
            if data >= self._config.receivers:
                return None
            return self._invalidate(self._all, SLOT_RESET.name, (Operation.RESET_SLOT, data))
        if Feature.NOTIFY in features:
            if offset == CLAIM.address:
                return 0 if write else (Operation.CLAIM, 0)
            if offset == NOTIFY_HART.address:
                if not write:
                    return self.notify_hart
                hartid = NOTIFY_HART.field("hartid").get(data)
                self.notify_hart = min(hartid, self._config.harts)
                self._notify(self.notify_hart)
                return 0
        if offset == INVALIDATE.address and Feature.ENTRY_CACHE in features:
            return self._invalidate(self._all, INVALIDATE.name) if write else 0
        for first, feature, access in (
            (REJECTED_OFFSET, Feature.REJECTED, self._rejected),
            (THROTTLE_OFFSET, Feature.THROTTLE, self._throttle),
            (ENTRY_CACHE_OFFSET, Feature.ENTRY_CACHE, self._cache),
        ):
            hart, rest = divmod(offset - first, _WORD_BYTES)
            if feature in features and not rest and 0 <= hart < self._config.harts:
                return access(write, hart, data)
        return None

    def _rejected(self, write: bool, hart: int, data: int) -> int:
        count, cause = self.rejected[hart]
        if not write:
            return _COUNT.put(count) | _CAUSE.put(cause)
        self.rejected[hart] = (0, Status.OK)
        return 0

    def _throttle(self, write: bool, hart: int, data: int) -> int:
        if not write:
            return self.throttles[hart].word
        if self.observer is not None:
            self.observer.throttle_written(hart)
        self.throttles[hart].write(data)
        self._moving.add(hart)
        return 0

    def _cache(self, write: bool, hart: int, data: int) -> int | Drain:
        if not write:
            return int(self.caches[hart].enabled)
        self.caches[hart].enabled = bool(ENTRY_CACHE.field("enable").get(data))
        return self._invalidate(range(hart, hart + 1), ENTRY_CACHE.name)

    def _invalidate(
        self, harts: range, by: str, then: tuple[Operation, int] | None = None
    ) -> Drain:
        self.forget(harts, by)
        return Drain(harts, then)

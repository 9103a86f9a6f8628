"""The control page of the reference device: registers of the whole controller."""

from collections.abc import Callable
from enum import IntEnum

from rel4.machine.device import DeviceConfig
from uintr.registers import (
    CLAIM,
    FEATURES,
    HARTS,
    ID,
    NOTIFY_HART,
    RECEIVERS,
    REJECTED,
    REJECTED_OFFSET,
    SLOT_RESET,
    XLEN,
    Feature,
    Status,
)

__all__ = ["ControlPage", "Operation"]

_WORD_BYTES = XLEN // 8
_COUNT = REJECTED.field("count")
_CAUSE = REJECTED.field("cause")


class Operation(IntEnum):
    """What a port asks of the controller, for one receiver."""

    SEND = 0
    READ_LOW = 1
    WRITE_LOW = 2
    READ_HIGH = 3
    WRITE_HIGH = 4
    READ_ACTIVE = 5
    WRITE_ACTIVE = 6
    RESET_SLOT = 7
    READ_MASK = 8
    WRITE_MASK = 9
    CLAIM = 10  # the controller chooses the receiver


class ControlPage:
    """Identification, slot reset, claim, and counters of refused posts.

    Parameters
    ----------
    config : shape of the hardware
    notify : is told of a new value of NOTIFY_HART

    Members
    -------
    rejected : (count, status of the last one) for each hart
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
        self.reset()

    def reset(self) -> None:
        """No refusals, and no hart that is told of absent receivers."""
        self.notify_hart = self._config.harts
        self._notify(self.notify_hart)
        self.rejected = [(0, Status.OK)] * self._config.harts

    def reject(self, hart: int, cause: Status) -> None:
        """A UIPI SEND of ``hart`` is refused."""
        if self._rejects:
            count = min(self.rejected[hart][0] + 1, _COUNT.mask)
            self.rejected[hart] = (count, cause)

    def transfer(self, write: bool, offset: int, data: int) -> tuple[Operation, int] | int | None:
        """What a transfer means: an operation of the controller and its receiver, or the word
        that is read (0 for a write), or None for an error.
        """
        features = self._config.features
        if offset in self._known:
            return 0 if write else self._known[offset]
        if offset == SLOT_RESET.address and Feature.SLOT_RESET in features:
            if not write:
                return 0
            return (Operation.RESET_SLOT, data) if data < self._config.receivers else None
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
        hart, rest = divmod(offset - REJECTED_OFFSET, _WORD_BYTES)
        if self._rejects and not rest and 0 <= hart < self._config.harts:
            count, cause = self.rejected[hart]
            if not write:
                return _COUNT.put(count) | _CAUSE.put(cause)
            self.rejected[hart] = (0, Status.OK)
            return 0
        return None

"""The reference devices with the supervisor's bus from outside in use as well."""

from collections.abc import Collection
from typing import Any, NamedTuple

from rel4.machine.device import DeviceConfig, Response
from rel4.reference.bus import Bus, Transfer
from rel4.reference.device import ReferenceDevice
from rel4.reference.intel import fabric
from rel4.reference.intel.device import IntelReferenceDevice
from rel4.reference.intel.hart_unit import IntelHartUnit
from uintr.registers import XLEN, Flavour, Status

__all__ = [
    "ALL_BYTES",
    "BusTransfer",
    "SharedIntelReference",
    "SharedReference",
    "shared_reference",
]

ALL_BYTES = (1 << XLEN // 8) - 1
_WORD_BYTES = XLEN // 8


class BusTransfer(NamedTuple):
    """A transfer of the supervisor's bus. ``select`` has a bit for each byte that is transferred;
    ``address`` is that of a byte, a multiple of 8."""

    write: bool
    address: int
    data: int
    select: int = ALL_BYTES


def _written(before: int, data: int, select: int) -> int:
    """What a word holds after a write of some of its bytes."""
    mask = sum(0xFF << 8 * place for place in range(_WORD_BYTES) if select >> place & 1)
    return before & ~mask | data & mask


class _SharedBus(Bus):
    """The bus with one more initiator, whose transfers may be of less than the whole word."""

    def __init__(self, *, config: DeviceConfig, **others: Any) -> None:
        super().__init__(config=config, **others)
        self._outside = config.harts
        self._transfers.append(Transfer(False, 0, 0))
        self._select = ALL_BYTES
        self.ended: Response | None = None

    def present(self, transfer: BusTransfer) -> None:
        """Raise `cyc` and `stb` of the outside in this very cycle."""
        self._select = transfer.select
        self.request(self._outside, Transfer(transfer.write, transfer.address, transfer.data))

    def step(self) -> tuple[int, int, bool] | None:
        ended = super().step()
        if ended is None or ended[0] != self._outside:
            return ended
        _, data, error = ended
        self.ended = Response(0 if error else data, Status.BUS if error else Status.OK)
        return None

    def _connect(self, transfer: Transfer) -> None:
        if self.owner != self._outside or self._select == ALL_BYTES:
            super()._connect(transfer)
            return
        self._claims = False
        write, address, data = transfer
        if not self._table_base <= address < self._table_end:
            self.reply = (0, True)
            return
        before = self._table.get(address, 0)
        self.reply = (0 if write else before, False)
        self._wait = self._wait_states
        if write:
            self._table[address] = _written(before, data, self._select)


class SharedReference(ReferenceDevice):
    """`ReferenceDevice`, and the bus as requester number ``config.harts``.

    A transfer is presented by `present` in a cycle in which none is under way; its end is the
    response of that number, in the cycle after ``ack`` or ``err``.
    """

    BUS = _SharedBus
    bus: _SharedBus
    waiting: Collection[int] = ()
    """Harts whose request was not accepted in the last cycle: none, ever."""

    def _outputs_after_reset(self) -> None:
        super()._outputs_after_reset()
        self.outstanding.append(False)
        self._responses.append(None)

    async def reset(self) -> None:
        await super().reset()
        self.bus.ended = None

    def present(self, transfer: BusTransfer) -> None:
        """Present a transfer in this cycle."""
        outside = self.config.harts
        if self.outstanding[outside]:
            raise ValueError(f"bus must have no transfer under way, not {transfer!r} on top")
        self.outstanding[outside] = True
        self.bus.present(transfer)

    def _step(self) -> bool:
        stop = super()._step()
        ended, self.bus.ended = self.bus.ended, None
        if ended is not None:
            self._respond(self.config.harts, ended)
            return True
        return stop


class _SharedLockingBus(fabric.LockingBus):
    """The locking bus with the outside, which does not lock."""

    def __init__(self, *, config: DeviceConfig) -> None:
        super().__init__(config=config)
        self._transfers.append(fabric.Transfer(False, 0, 0))
        self._select = ALL_BYTES
        self.ended: Response | None = None

    def present(self, transfer: BusTransfer) -> None:
        """Raise `cyc` and `stb` of the outside in this very cycle."""
        self._select = transfer.select
        self.request(self._outside, fabric.Transfer(*transfer[:3]))

    def step(self) -> tuple[int, int, bool] | None:
        free = self._reply is None
        write, address, data = self._transfers[self._outside]
        before = self.look(address)
        ended = super().step()
        if free and self._reply == (0, False) and self._owner == self._outside and write:
            self._words[address] = _written(before, data, self._select)
        if ended is None or ended[0] != self._outside:
            return ended
        self.ended = Response(0 if ended[2] else ended[1], Status.BUS if ended[2] else Status.OK)
        return None


class SharedIntelReference(IntelReferenceDevice):
    """`IntelReferenceDevice` with the bus, like `SharedReference`; the bus never locks."""

    bus: _SharedLockingBus

    def __init__(self, config: DeviceConfig) -> None:
        super().__init__(config)
        self.bus = _SharedLockingBus(config=config)
        self.units = [
            IntelHartUnit(hart=hart, bus=self.bus, fabric=self.fabric)
            for hart in range(config.harts)
        ]

    def _outputs_after_reset(self) -> None:
        super()._outputs_after_reset()
        self.outside: Response | None = None

    @property
    def outstanding(self) -> list[bool]:
        """Whether each waits for a response."""
        outside = bool(self.bus.waiting >> self.config.harts & 1)
        return [*self._outstanding, outside]

    @property
    def waiting(self) -> Collection[int]:
        """Harts whose request was not accepted in the last cycle."""
        return self._requests

    async def reset(self) -> None:
        await super().reset()
        self.bus.ended = None

    def present(self, transfer: BusTransfer) -> None:
        """Present a transfer in this cycle."""
        self.bus.present(transfer)

    def response(self, hart: int) -> Response | None:
        return super().response(hart) if hart < self.config.harts else self.outside

    def _active(self) -> bool:
        return super()._active() or self.outside is not None

    def _step(self) -> bool:
        self.outside, self.bus.ended = None, None
        stop = super()._step()
        self.outside = self.bus.ended
        return stop or self.outside is not None or self.quiescent


def shared_reference(config: DeviceConfig) -> Any:
    """The reference of a flavour, with the bus from outside."""
    return (SharedIntelReference if config.flavour is Flavour.INTEL else SharedReference)(config)

"""The reference device with the supervisor's bus from outside in use as well."""

from typing import Any, NamedTuple

from rel4.machine.device import DeviceConfig, Response
from rel4.reference.bus import Bus, Transfer
from rel4.reference.device import ReferenceDevice
from uintr.registers import XLEN, Status

__all__ = ["ALL_BYTES", "BusTransfer", "SharedReference"]

ALL_BYTES = (1 << XLEN // 8) - 1
_WORD_BYTES = XLEN // 8


class BusTransfer(NamedTuple):
    """A transfer of the supervisor's bus. ``select`` has a bit for each byte that is transferred;
    ``address`` is that of a byte, a multiple of 8."""

    write: bool
    address: int
    data: int
    select: int = ALL_BYTES


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
            bytes_written = sum(
                0xFF << 8 * place for place in range(_WORD_BYTES) if self._select >> place & 1
            )
            self._table[address] = before & ~bytes_written | data & bytes_written


class SharedReference(ReferenceDevice):
    """`ReferenceDevice`, and the bus as requester number ``config.harts``.

    A transfer is presented by `present` in a cycle in which none is under way; its end is the
    response of that number, in the cycle after ``ack`` or ``err``.
    """

    BUS = _SharedBus
    bus: _SharedBus

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

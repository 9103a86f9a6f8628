"""The reference device's controller: receiver records, operations, lines.

A record's new value is computed when its operation is accepted and not in the cycle in which the
gateware writes it; that cannot be seen from outside.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from rel4.machine.device import DeviceConfig
from rel4.reference.observer import Accepted, Observer, Record
from rel4.reference.operation import Operation
from uintr.registers import ACTIVE, CLAIM, LOW, VECTORS, Feature

__all__ = ["CLAIM_STALE", "Controller", "round_robin"]

_LOW_ACTIVE = LOW.field("active")
_LOW_MODE = LOW.field("mode")
_LOW_SUPERVISOR = LOW.field("supervisor")
_LOW_NOTIFY = LOW.field("notify")
_LOW_HARTID = LOW.field("hartid")
_CLAIM_VALID = CLAIM.field("valid").mask
CLAIM_STALE = 1 << 62
"""Answer to a claim whose slot was reset since: the bridge asks again."""
_ACTIVE_ACTIVE = ACTIVE.field("active").mask


class _InFlight(NamedTuple):
    """An accepted operation on its way through the controller."""

    port: int
    receiver: int
    post: bool
    data: int
    before: int  # line that the receiver contributed to before; `Controller.none` if to none
    after: int  # and afterwards
    listed: bool  # the receiver's number has to go into the queue
    queued: int  # receivers in the queue: one more, one less, or as many


def round_robin(waiting: int, last: int) -> int:
    """First set bit of ``waiting`` (not 0) after bit ``last``, going round."""
    later = waiting >> (last + 1) << (last + 1)
    chosen = later or waiting
    return (chosen & -chosen).bit_length() - 1


class Controller:
    """Receiver records, the operation pipeline and the harts' lines.

    Port h is that of hart unit h, port ``harts`` that of the bus. Line h is the user line of hart
    h, line ``harts + 1 + h`` its supervisor line; the one between stands for no line.

    Parameters
    ----------
    config : shape of the hardware

    Members
    -------
    none : number of the line that stands for none
    response : the operation that is answered in this cycle
    valid : ports that present an operation
    sweep : records that the sweep has yet to clear
    counters : receivers that raise each line
    told : receivers that wait to be claimed, as `step_lines` has counted them
    observer : is told of accepted operations
    """

    def __init__(self, *, config: DeviceConfig) -> None:
        self.harts = self.none = config.harts
        self.receivers = config.receivers
        self._latency = config.latency
        self._kinds = Feature.SUPERVISOR in config.features
        self._notifies = Feature.NOTIFY in config.features
        self._notify_hart = config.harts
        self._effects: tuple[Callable[[int, int], int], ...] = (
            self._send,
            self._read_low,
            self._write_low,
            self._read_high,
            self._write_high,
            self._read_active,
            self._write_active,
            self._reset_slot,
            self._read_mask,
            self._write_mask,
            self._claim,
        )
        self._operations: list[tuple[Operation, int, int]] = [(Operation.SEND, 0, 0)] * (
            config.harts + 1
        )
        self.observer: Observer | None = None
        self.reset()

    def reset(self) -> None:
        """Start the sweep; empty pipeline and queue; drop all lines."""
        self.sweep = self.receivers
        self.pending = [0] * self.receivers
        self.mask = [0] * self.receivers
        self.active = [0] * self.receivers
        self.mode = [0] * self.receivers
        self.hartid = [0] * self.receivers
        self.supervisor = [0] * self.receivers
        self.notify = [0] * self.receivers
        self._queued = [False] * self.receivers  # the notification waits to be claimed
        self._listed = [False] * self.receivers  # stands in the ring, maybe without waiting
        self._ring: deque[int] = deque()
        self.told = 0
        # Receivers that raise no line are counted too, at the number that stands for none.
        self.counters = [0] * (2 * self.harts + 1)
        self.line = [False] * (2 * self.harts + 1)
        self._look = False
        self.valid = 0
        self._last = self.harts
        # Operations accepted one cycle ago, two, ...; the last one is answered.
        self._pipeline: deque[_InFlight | None] = deque([None] * self._latency)
        self.response: _InFlight | None = None
        self.busy = False

    @property
    def record(self) -> _InFlight | None:
        """The operation accepted one cycle ago."""
        return self._pipeline[0]

    @property
    def count(self) -> _InFlight | None:
        """The operation accepted two cycles ago."""
        return self._pipeline[1]

    def set_notify_hart(self, hart: int) -> None:
        """Who is told of absent receivers, from the next cycle on."""
        self._notify_hart = hart
        self._look = True

    def present(self, port: int, operation: Operation, receiver: int, data: int) -> None:
        """Present an operation from this cycle on, until `step` returns that it was accepted."""
        self._operations[port] = (operation, receiver, data)
        self.valid |= 1 << port

    def step(self) -> int:
        """One clock edge for all but the lines. Returns the port whose operation was accepted, or
        -1.
        """
        if self.sweep:
            self.sweep -= 1
            return -1
        if not self.valid and not self.busy:
            return -1
        pipeline = self._pipeline
        pipeline.pop()
        accepted = None
        port = -1
        if self.valid:
            port = round_robin(self.valid, self._last)
            self._last = port
            self.valid &= ~(1 << port)
            accepted = self._accepted(port, *self._operations[port])
        # A number enters the queue when its record is written: after one cycle, or two.
        writing = pipeline[self._latency == 4]
        if writing is not None and writing.listed:
            self._ring.append(writing.receiver)
        pipeline.appendleft(accepted)
        self.response = pipeline[-1]
        self.busy = any(flight is not None for flight in pipeline)
        return port

    def _accepted(self, port: int, operation: Operation, receiver: int, data: int) -> _InFlight:
        """`_accept`, and whoever watches is told."""
        observer = self.observer
        if observer is None:
            return self._accept(port, operation, receiver, data)
        contenders = self.valid.bit_count() + 1
        if operation is Operation.CLAIM:
            if not self._ring:
                observer.claimed_nothing(contenders)
                return self._accept(port, operation, receiver, data)
            receiver = self._ring[0]
        before = self.look(receiver)
        flight = self._accept(port, operation, receiver, data)
        observer.accepted(
            Accepted(port, operation, receiver, data, contenders, before, self.look(receiver))
        )
        return flight

    def look(self, receiver: int) -> Record:
        """A receiver's record."""
        return Record(
            self.pending[receiver],
            self.mask[receiver],
            self.active[receiver],
            self.notify[receiver],
            self._queued[receiver],
            self._listed[receiver],
            self._contribution(receiver),
        )

    def _accept(self, port: int, operation: Operation, receiver: int, data: int) -> _InFlight:
        if operation is Operation.CLAIM:
            if self._ring:
                receiver = self._ring.popleft()
            else:
                operation, data = Operation.SEND, VECTORS  # without effect
        before = self._contribution(receiver)
        queued, listed = self._queued[receiver], self._listed[receiver]
        wanted = self.pending[receiver] & ~self.mask[receiver]
        answer = self._effects[operation](receiver, data)
        if (
            self.notify[receiver]
            and not wanted
            and self.pending[receiver] & ~self.mask[receiver]
            and not self.active[receiver]
        ):
            self._queued[receiver] = self._listed[receiver] = True
        return _InFlight(
            port,
            receiver,
            operation is Operation.SEND,
            answer,
            before,
            self._contribution(receiver),
            self._listed[receiver] and not listed,
            self._queued[receiver] - queued,
        )

    def step_lines(self) -> bool:
        """The same clock edge for the lines, which hart units read before it, and so to be called
        after them. Returns whether a line may have changed.
        """
        look, self._look = self._look, False
        counted = self.response
        if counted is None:
            return look
        self.told += counted.queued
        if counted.before == counted.after:
            return look or counted.queued != 0
        self.counters[counted.before] -= 1
        self.counters[counted.after] += 1
        self.line[counted.before] = self.counters[counted.before] > 0
        self.line[counted.after] = self.counters[counted.after] > 0
        return True

    def supervisor_lines(self) -> list[bool]:
        """The supervisor line of each hart."""
        lines = self.line[self.none + 1 :]
        if self.told and self._notify_hart < self.harts:
            lines[self._notify_hart] = True
        return lines

    def _contribution(self, receiver: int) -> int:
        """The line that the receiver raises."""
        if self.active[receiver] and self.pending[receiver] & ~self.mask[receiver]:
            hart = self.hartid[receiver]
            if self.supervisor[receiver] and hart < self.harts:
                return self.none + 1 + hart
            return hart  # `harts` stands for every hart there is not, and is `none`
        return self.none

    def _send(self, receiver: int, data: int) -> int:
        if data < VECTORS:
            self.pending[receiver] |= 1 << data
        return 0

    def _read_low(self, receiver: int, data: int) -> int:
        return (
            self.active[receiver] << _LOW_ACTIVE.lsb
            | self.mode[receiver] << _LOW_MODE.lsb
            | self.supervisor[receiver] << _LOW_SUPERVISOR.lsb
            | self.notify[receiver] << _LOW_NOTIFY.lsb
            | self.hartid[receiver] << _LOW_HARTID.lsb
        )

    def _write_low(self, receiver: int, data: int) -> int:
        self.active[receiver] = _LOW_ACTIVE.get(data)
        self.mode[receiver] = _LOW_MODE.get(data)
        self.supervisor[receiver] = _LOW_SUPERVISOR.get(data) if self._kinds else 0
        self.notify[receiver] = _LOW_NOTIFY.get(data) if self._notifies else 0
        self.hartid[receiver] = min(_LOW_HARTID.get(data), self.harts)
        return 0

    def _read_high(self, receiver: int, data: int) -> int:
        pending = self.pending[receiver]
        self.pending[receiver] = 0
        return pending

    def _write_high(self, receiver: int, data: int) -> int:
        self.pending[receiver] |= data
        return 0

    def _read_active(self, receiver: int, data: int) -> int:
        return self.active[receiver]

    def _write_active(self, receiver: int, data: int) -> int:
        self.active[receiver] = data & _ACTIVE_ACTIVE
        return 0

    def _reset_slot(self, receiver: int, data: int) -> int:
        self.pending[receiver] = self.mask[receiver] = 0
        self._write_low(receiver, 0)
        self._queued[receiver] = False  # its number stays listed, and is passed over
        return 0

    def _read_mask(self, receiver: int, data: int) -> int:
        return self.mask[receiver]

    def _write_mask(self, receiver: int, data: int) -> int:
        self.mask[receiver] = data
        return 0

    def _claim(self, receiver: int, data: int) -> int:
        answer = _CLAIM_VALID | receiver if self._queued[receiver] else CLAIM_STALE
        self._queued[receiver] = self._listed[receiver] = False
        return answer

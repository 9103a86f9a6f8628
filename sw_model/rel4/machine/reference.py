"""The reference device: the hardware of ``docs/hardware.md`` in plain Python, exact to the cycle.

The blocks are those of the gateware under the same names: a controller, a bus with the table
memory, and one hart unit a hart. `ReferenceDevice` connects them and steps them by one clock cycle.
Two liberties are taken, and neither can be seen from outside: a record's new value is computed
when its operation is accepted and not one cycle later, and stretches of cycles in which only the
reset sweep counts are passed in one go.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from rel4.machine.control_page import ControlPage, Operation
from rel4.machine.device import Device, DeviceConfig, Request, Response, run_sync
from uintr.registers import (
    ACTIVE,
    CAUSE_USER_SOFTWARE,
    CLAIM,
    CONTROL_OFFSET,
    CSRS,
    ENTRIES_PER_PAGE,
    HIGH,
    LOW,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    SEND,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    Feature,
    Flavour,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)

__all__ = [
    "Bus",
    "Controller",
    "HartUnit",
    "Operation",
    "ReferenceDevice",
    "reference_device",
    "run",
]

T = TypeVar("T")

_WORD = (1 << XLEN) - 1
_WORD_BYTES = XLEN // 8

_RESET = {csr.value: register.reset for csr, register in CSRS.items()}
_WRITABLE = {csr.value: register.mask() for csr, register in CSRS.items()}
_SOFTWARE = CSRS[Csr.UIP].field("software").mask
_UIE = CSRS[Csr.USTATUS].field("uie")
_UPIE = CSRS[Csr.USTATUS].field("upie")
_UTVEC_BASE = CSRS[Csr.UTVEC].field("base").mask
_UEPC_PC = CSRS[Csr.UEPC].field("pc").mask
_SUIST_EN = CSRS[Csr.SUIST].field("en").mask
_SUIST_PPN = CSRS[Csr.SUIST].field("ppn")
_SUIST_SIZE = CSRS[Csr.SUIST].field("size")
_SUIRS_EN = CSRS[Csr.SUIRS].field("en").mask
_SUIRS_INDEX = CSRS[Csr.SUIRS].field("index")
_ENTRY_VALID = SENDER_ENTRY.field("valid").mask
_ENTRY_VECTOR = SENDER_ENTRY.field("vector")
_ENTRY_RECEIVER = SENDER_ENTRY.field("receiver")
_LOW_ACTIVE = LOW.field("active")
_LOW_MODE = LOW.field("mode")
_LOW_SUPERVISOR = LOW.field("supervisor")
_LOW_NOTIFY = LOW.field("notify")
_LOW_HARTID = LOW.field("hartid")
_CLAIM_VALID = CLAIM.field("valid").mask
_CLAIM_STALE = 1 << 62  # the receiver's slot was reset since: the bridge asks again
_ACTIVE_ACTIVE = ACTIVE.field("active").mask


_UIPI_OPERATION = {
    UipiFunction.READ: (Operation.READ_HIGH, None),
    UipiFunction.WRITE: (Operation.WRITE_HIGH, None),
    UipiFunction.ACTIVATE: (Operation.WRITE_ACTIVE, _ACTIVE_ACTIVE),
    UipiFunction.DEACTIVATE: (Operation.WRITE_ACTIVE, 0),
}
"""The controller operation of a UIPI instruction and its data (None: rs1)."""

_SLOT_OPERATION: dict[int, tuple[Operation | None, Operation]] = {
    SEND.address: (None, Operation.SEND),
    LOW.address: (Operation.READ_LOW, Operation.WRITE_LOW),
    HIGH.address: (Operation.READ_HIGH, Operation.WRITE_HIGH),
    ACTIVE.address: (Operation.READ_ACTIVE, Operation.WRITE_ACTIVE),
}
"""Operations that read and write a register of a slot, by its offset. Reading SEND posts a vector
that does not exist, which has no effect, and answers 0."""


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


def _check_windows(config: DeviceConfig) -> None:
    """The controller's window is as large as a power of two of slots and aligned to its size."""
    slots = 1 << (config.receivers - 1).bit_length()
    size = SLOT_BYTES * slots
    table_size = config.table_pages * PAGE_BYTES
    for name, value, unit in (
        ("base", config.base, size),
        ("table_base", config.table_base, PAGE_BYTES),
    ):
        if not 0 <= value < 1 << XLEN or value % unit:
            raise ValueError(f"{name} must be a 64-bit multiple of {unit:#x}, not {value:#x}")
    if config.table_base + table_size > 1 << XLEN:
        raise ValueError(
            f"table_base must be at most {(1 << XLEN) - table_size:#x} "
            f"for {config.table_pages} pages, not {config.table_base:#x}"
        )
    own = [(config.base, size), (config.base + CONTROL_OFFSET, PAGE_BYTES)]
    if Feature.MASK in config.features:
        own.append((config.base + MASK_OFFSET, MASK_BYTES * slots))
    end = max(first + length for first, length in own)
    if end > 1 << XLEN:
        raise ValueError(
            f"base must be at most {(1 << XLEN) - (end - config.base):#x} "
            f"for {config.receivers} receivers, not {config.base:#x}"
        )
    for first, length in own:
        if first < config.table_base + table_size and config.table_base < first + length:
            raise ValueError(
                f"table_base must be outside the controller's windows, "
                f"{first:#x} to {first + length - 1:#x} among them, not {config.table_base:#x}"
            )


def _round_robin(waiting: int, last: int) -> int:
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
        self._waiting = 0
        # Receivers that raise no line are counted too, at the number that stands for none.
        self._counters = [0] * (2 * self.harts + 1)
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
        """Present an operation from this cycle on, until `step` answers that it was accepted."""
        self._operations[port] = (operation, receiver, data)
        self.valid |= 1 << port

    def step(self) -> int:
        """One clock edge for all but the lines. Answers the port whose operation was accepted, or
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
            port = _round_robin(self.valid, self._last)
            self._last = port
            self.valid &= ~(1 << port)
            accepted = self._accept(port, *self._operations[port])
        # A number enters the queue when its record is written: after one cycle, or two.
        writing = pipeline[self._latency == 4]
        if writing is not None and writing.listed:
            self._ring.append(writing.receiver)
        pipeline.appendleft(accepted)
        self.response = pipeline[-1]
        self.busy = any(flight is not None for flight in pipeline)
        return port

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
        after them. Answers whether a line may have changed.
        """
        look, self._look = self._look, False
        counted = self.response
        if counted is None:
            return look
        self._waiting += counted.queued
        if counted.before == counted.after:
            return look or counted.queued != 0
        self._counters[counted.before] -= 1
        self._counters[counted.after] += 1
        self.line[counted.before] = self._counters[counted.before] > 0
        self.line[counted.after] = self._counters[counted.after] > 0
        return True

    def supervisor_lines(self) -> list[bool]:
        """The supervisor line of each hart."""
        lines = self.line[self.none + 1 :]
        if self._waiting and self._notify_hart < self.harts:
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
        answer = _CLAIM_VALID | receiver if self._queued[receiver] else _CLAIM_STALE
        self._queued[receiver] = self._listed[receiver] = False
        return answer


class Transfer(NamedTuple):
    """One transfer of eight bytes."""

    write: bool
    address: int
    data: int


class Bus:
    """Round-robin arbiter, decoder, table memory and the bridge to the controller.

    Parameters
    ----------
    config : shape and addresses
    controller : the controller behind the bridge
    control : the control page
    """

    def __init__(
        self, *, config: DeviceConfig, controller: Controller, control: ControlPage
    ) -> None:
        self._controller = controller
        self._control = control
        self._control_base = config.base + CONTROL_OFFSET
        self._mask_base = config.base + MASK_OFFSET
        masks = config.receivers if Feature.MASK in config.features else 0
        self._mask_end = self._mask_base + masks * MASK_BYTES
        self._port = config.harts
        self._base = config.base
        self._end = config.base + config.receivers * SLOT_BYTES
        self._table_base = config.table_base
        self._table_end = config.table_base + config.table_pages * PAGE_BYTES
        self._table: dict[int, int] = {}
        self._transfers = [Transfer(False, 0, 0)] * config.harts
        self.reset()

    def reset(self) -> None:
        """End all transfers. The table memory keeps its words."""
        self.waiting = 0
        self.owner = -1
        self._last = self._port
        self.reply: tuple[int, bool] | None = None
        self.again = False  # the claim under way has to be made again

    def request(self, initiator: int, transfer: Transfer) -> None:
        """Raise `cyc` and `stb` from this cycle on, until `step` answers with the end."""
        self._transfers[initiator] = transfer
        self.waiting |= 1 << initiator

    def step(self) -> tuple[int, int, bool] | None:
        """One clock edge. Answers (initiator, data, error) of the transfer that ends in the cycle
        before it. To be called before `Controller.step`: the bridge presents its operation in the
        cycle in which the arbiter connects.
        """
        if self.owner >= 0:
            if self.again:
                self.again = False
                self._controller.present(self._port, Operation.CLAIM, 0, 0)
                return None
            if self.reply is not None:
                data, error = self.reply
            else:
                answer = self._controller.response
                if answer is None or answer.port != self._port:
                    return None
                data, error = answer.data, False
                if self._claims and data == _CLAIM_STALE:
                    self.again = True
                    return None
            owner = self.owner
            self.waiting &= ~(1 << owner)
            self.owner = -1
            self.reply = None
            return owner, data, error
        if self.waiting:
            self.owner = self._last = _round_robin(self.waiting, self._last)
            self._connect(self._transfers[self.owner])
        return None

    def _connect(self, transfer: Transfer) -> None:
        write, address, data = transfer
        self._claims = False
        if self._table_base <= address < self._table_end:
            self.reply = (0 if write else self._table.get(address, 0), False)
            if write:
                self._table[address] = data
        elif self._base <= address < self._end:
            receiver, offset = divmod(address - self._base, SLOT_BYTES)
            operation = _SLOT_OPERATION[offset][write]
            if operation is None:
                operation, data = Operation.SEND, VECTORS
            self._controller.present(self._port, operation, receiver, data)
        elif self._mask_base <= address < self._mask_end:
            operation = Operation.WRITE_MASK if write else Operation.READ_MASK
            receiver = (address - self._mask_base) // MASK_BYTES
            self._controller.present(self._port, operation, receiver, data)
        elif self._control_base <= address < self._control_base + PAGE_BYTES:
            self._control_transfer(write, address - self._control_base, data)
        else:
            self.reply = (0, True)

    def _control_transfer(self, write: bool, offset: int, data: int) -> None:
        answer = self._control.transfer(write, offset, data)
        if answer is None:
            self.reply = (0, True)
        elif isinstance(answer, int):
            self.reply = (answer, False)
        else:
            operation, receiver = answer
            self._claims = operation is Operation.CLAIM
            self._controller.present(self._port, operation, receiver, data)


class _Waiting(IntEnum):
    """What a hart unit waits for."""

    NOTHING = 0  # idle
    ENTRY = 1  # the bus: the sender-table entry
    POST = 2  # the controller accepts the post
    ANSWER = 3  # the controller answers the operation
    TRANSFER = 4  # the bus: a load or store


_OK = Status.OK
_NOTHING = _Waiting.NOTHING
_POST = _Waiting.POST


class HartUnit:
    """User-interrupt CSRs of one hart and its UIPI walk.

    Parameters
    ----------
    hart : number of this hart; also of its controller port and its bus initiator
    controller, bus, control : what the unit is connected to; the last counts refused posts
    """

    def __init__(
        self, *, hart: int, controller: Controller, bus: Bus, control: ControlPage
    ) -> None:
        self._hart = hart
        self._control = control
        self._controller = controller
        self._bus = bus
        self.reset()

    def reset(self) -> None:
        """Forget the request, reset the CSRs, privilege S."""
        self.privilege = Privilege.S
        self.csrs = dict(_RESET)
        self.waiting = _NOTHING
        self._read = False

    @property
    def interrupt(self) -> bool:
        """The user interrupt in this cycle."""
        csrs = self.csrs
        return (
            self.privilege is Privilege.U
            and bool(csrs[Csr.USTATUS] & _UIE.mask)
            and bool(csrs[Csr.UIE] & csrs[Csr.SIDELEG] & self._pending() & _SOFTWARE)
        )

    def _pending(self) -> int:
        """What uip reads as."""
        if self._controller.line[self._hart]:
            return self.csrs[Csr.UIP] | _SOFTWARE
        return self.csrs[Csr.UIP]

    def accept(self, request: Request) -> Response | None:
        """The request at the edge that accepts it. Answers the response of the next cycle, or None
        if the unit has to wait for something first.
        """
        kind = request.kind
        if kind == RequestKind.UIPI:
            return self._uipi(request.function, request.data)
        if kind == RequestKind.CSR:
            return self._csr(request)
        if kind == RequestKind.TRAP:
            return self._trap(request.data)
        if kind == RequestKind.URET:
            return self._uret()
        write = kind == RequestKind.STORE
        if (
            (kind != RequestKind.LOAD and not write)
            or self.privilege is Privilege.U
            or request.address % _WORD_BYTES
        ):
            return Response(0, Status.ILLEGAL)
        self.waiting = _Waiting.TRANSFER
        self._bus.request(self._hart, Transfer(write, request.address, request.data))
        return None

    def _csr(self, request: Request) -> Response:
        number = request.address
        before = self.csrs.get(number)
        if before is None or (number >> 8) & 3 > self.privilege:
            return Response(0, Status.ILLEGAL)
        function = request.function
        if function == CsrFunction.READ:
            after = before
        elif function == CsrFunction.WRITE:
            after = request.data
        elif function == CsrFunction.SET:
            after = before | request.data
        elif function == CsrFunction.CLEAR:
            after = before & ~request.data
        else:
            return Response(0, Status.ILLEGAL)
        answer = self._pending() if number == Csr.UIP else before
        self.csrs[number] = after & _WRITABLE[number]
        return Response(answer, _OK)

    def _trap(self, pc: int) -> Response:
        if not self.interrupt:
            return Response(0, Status.NOT_PENDING)
        csrs = self.csrs
        csrs[Csr.UEPC] = pc & _UEPC_PC
        csrs[Csr.UCAUSE] = CAUSE_USER_SOFTWARE
        csrs[Csr.UTVAL] = 0
        # interrupt holds, so uie is set: upie := 1, uie := 0
        csrs[Csr.USTATUS] = _UPIE.mask
        return Response(csrs[Csr.UTVEC] & _UTVEC_BASE, _OK)

    def _uret(self) -> Response:
        csrs = self.csrs
        csrs[Csr.USTATUS] = _UPIE.mask | _UIE.put(_UPIE.get(csrs[Csr.USTATUS]))
        return Response(csrs[Csr.UEPC], _OK)

    def _uipi(self, function: int, operand: int) -> Response | None:
        if function == UipiFunction.SEND:
            table = self.csrs[Csr.SUIST]
            if not table & _SUIST_EN:
                return self._reject(Status.DISABLED)
            if operand >= _SUIST_SIZE.get(table) * ENTRIES_PER_PAGE:
                return self._reject(Status.INDEX)
            address = _SUIST_PPN.get(table) * PAGE_BYTES + operand * SENDER_ENTRY_BYTES
            self.waiting = _Waiting.ENTRY
            self._bus.request(self._hart, Transfer(False, address, 0))
            return None
        if function not in _UIPI_OPERATION:
            return Response(0, Status.ILLEGAL)
        status = self.csrs[Csr.SUIRS]
        if not status & _SUIRS_EN:
            return Response(0, Status.DISABLED)
        receiver = _SUIRS_INDEX.get(status)
        if receiver >= self._controller.receivers:
            return Response(0, Status.RECEIVER)
        operation, data = _UIPI_OPERATION[UipiFunction(function)]
        self._read = function == UipiFunction.READ
        self.waiting = _Waiting.ANSWER
        self._controller.present(self._hart, operation, receiver, operand if data is None else data)
        return None

    def bus_ended(self, data: int, error: bool) -> Response | None:
        """The unit's bus transfer ended. Answers the response of the next cycle, if any."""
        walking = self.waiting is _Waiting.ENTRY
        self.waiting = _NOTHING
        if not walking:
            return Response(0, Status.BUS) if error else Response(data, _OK)
        if error:
            return self._reject(Status.BUS)
        if not data & _ENTRY_VALID:
            return self._reject(Status.INVALID)
        vector = _ENTRY_VECTOR.get(data)
        if vector >= VECTORS:
            return self._reject(Status.VECTOR)
        receiver = _ENTRY_RECEIVER.get(data)
        if receiver >= self._controller.receivers:
            return self._reject(Status.RECEIVER)
        self.waiting = _POST
        self._controller.present(self._hart, Operation.SEND, receiver, vector)
        return None

    def _reject(self, cause: Status) -> Response:
        """A post that is refused."""
        self._control.reject(self._hart, cause)
        return Response(0, cause)

    def accepted(self) -> Response | None:
        """The controller accepted the unit's operation. A post is answered at once."""
        if self.waiting is not _POST:
            return None
        self.waiting = _NOTHING
        return Response(0, _OK)

    def answered(self, data: int) -> Response:
        """The controller answers an operation of this unit other than a post."""
        self.waiting = _NOTHING
        return Response(data if self._read else 0, _OK)


class ReferenceDevice:
    """All user-interrupt hardware, stepped in Python. See `rel4.machine.device.Device`.

    Parameters
    ----------
    config : shape of the hardware

    Members
    -------
    cycles : clock cycles stepped since construction

    Raises
    ------
    ValueError : the bus cannot decode the addresses of ``config``.
    """

    def __init__(self, config: DeviceConfig) -> None:
        _check_windows(config)
        self.config = config
        self.cycles = 0
        self._controller = Controller(config=config)
        self._control = ControlPage(config=config, notify=self._controller.set_notify_hart)
        self._bus = Bus(config=config, controller=self._controller, control=self._control)
        self._units = [
            HartUnit(hart=hart, controller=self._controller, bus=self._bus, control=self._control)
            for hart in range(config.harts)
        ]
        self._outputs_after_reset()

    def _outputs_after_reset(self) -> None:
        harts = self.config.harts
        self._requests: list[tuple[int, Request]] = []
        self._outstanding = [False] * harts
        self._responses: list[Response | None] = [None] * harts
        self._responding: list[int] = []
        self._interrupts = [False] * harts
        self._supervisor_lines = [False] * harts
        self._privileges: list[Privilege] = [Privilege.S] * harts  # of the last edge
        self._changed: set[int] = set()  # harts whose privilege differs from it

    @property
    def quiescent(self) -> bool:
        return not self._controller.sweep and not self._active()

    def _active(self) -> bool:
        """Something other than the sweep's counter changes at the next edge."""
        bus, controller = self._bus, self._controller
        return bool(
            self._requests
            or self._responding
            or controller.busy
            or bus.reply is not None
            or bus.again
            or (bus.waiting and bus.owner < 0)
            or (controller.valid and not controller.sweep)
            or self._changed
        )

    async def reset(self) -> None:
        self.cycles += 1
        self._bus.step()  # a store that reaches the table memory at this edge is still done
        self._controller.reset()
        self._bus.reset()
        self._control.reset()
        for unit in self._units:
            unit.reset()
        self._outputs_after_reset()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        self._units[hart].privilege = Privilege(privilege)
        if privilege == self._privileges[hart]:
            self._changed.discard(hart)
        else:
            self._changed.add(hart)

    def submit(self, hart: int, request: Request) -> None:
        if self._outstanding[hart]:
            raise ValueError(f"hart must have no request outstanding, not {request!r} on top")
        if not (0 <= request.address <= _WORD and 0 <= request.data <= _WORD):
            raise ValueError(f"address and data must fit {XLEN} bits, not {request!r}")
        self._outstanding[hart] = True
        self._requests.append((hart, request))

    async def run(self, limit: int) -> int:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        stepped = 0
        while stepped < limit:
            if not self._active():
                sweep = self._controller.sweep
                # All but the sweep's last cycle, which makes the device quiescent or is followed
                # by work that waited for it.
                skip = min(limit - stepped, sweep - 1 if sweep else limit)
                if skip:
                    self._controller.sweep = max(sweep - skip, 0)
                    stepped += skip
                    continue
            stepped += 1
            if self._step():
                break
        self.cycles += stepped
        return stepped

    def response(self, hart: int) -> Response | None:
        return self._responses[hart]

    def interrupt(self, hart: int) -> bool:
        return self._interrupts[hart]

    def supervisor_interrupt(self, hart: int) -> bool:
        return self._supervisor_lines[hart]

    def _step(self) -> bool:
        """One clock edge. Answers whether `run` must stop after it."""
        units = self._units
        controller = self._controller
        for hart in self._responding:
            self._responses[hart] = None
        self._responding.clear()

        # What the blocks' registers and this cycle's combinational paths decide. The controller's
        # response of this cycle is read first, since the edge replaces it.
        answer = controller.response
        ended = self._bus.step()
        port = controller.step()

        # What the hart units make of it, seen by bus and controller in the next cycle only.
        if answer is not None and answer.port < len(units) and not answer.post:
            self._respond(answer.port, units[answer.port].answered(answer.data))
        if 0 <= port < len(units):
            self._respond(port, units[port].accepted())
        if ended is not None:
            hart, data, error = ended
            self._respond(hart, units[hart].bus_ended(data, error))
        look = False
        if self._requests:
            requests, self._requests = self._requests, []
            for hart, request in requests:
                self._respond(hart, units[hart].accept(request))
            look = True
        if self._changed:
            for hart in self._changed:
                self._privileges[hart] = units[hart].privilege
            self._changed.clear()
            look = True

        stop = bool(self._responding)
        if controller.step_lines() or look:
            interrupts = [unit.interrupt for unit in units]
            if interrupts != self._interrupts:
                self._interrupts = interrupts
                stop = True
            lines = controller.supervisor_lines()
            if lines != self._supervisor_lines:
                self._supervisor_lines = lines
                stop = True
        return stop or (not controller.sweep and not self._active())

    def _respond(self, hart: int, response: Response | None) -> None:
        if response is not None:
            self._responses[hart] = response
            self._responding.append(hart)
            self._outstanding[hart] = False


def reference_device(config: DeviceConfig) -> Device:
    """A new reference device of the flavour that ``config`` names."""
    if config.flavour is Flavour.INTEL:
        from rel4.machine.intel_reference import IntelReferenceDevice

        return IntelReferenceDevice(config)
    return ReferenceDevice(config)


def run(config: DeviceConfig, job: Callable[[Device], Coroutine[Any, Any, T]]) -> T:
    """Drive ``job`` on a new reference device to its end; the entry point ``reference``."""
    return run_sync(job(reference_device(config)))

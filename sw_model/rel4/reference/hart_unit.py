"""The reference device's hart unit: user-interrupt CSRs and the UIPI walk."""

from enum import IntEnum

from rel4.machine.device import Request, Response
from rel4.reference.bus import Bus, Transfer
from rel4.reference.control_page import ControlPage
from rel4.reference.controller import Controller
from rel4.reference.operation import Operation
from uintr.registers import (
    ACTIVE,
    CACHE_ENTRIES,
    CAUSE_USER_SOFTWARE,
    CSRS,
    ENTRIES_PER_PAGE,
    PAGE_BYTES,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)

__all__ = ["HartUnit"]

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
_ACTIVE_ACTIVE = ACTIVE.field("active").mask

_UIPI_OPERATION = {
    UipiFunction.READ: (Operation.READ_HIGH, None),
    UipiFunction.WRITE: (Operation.WRITE_HIGH, None),
    UipiFunction.ACTIVATE: (Operation.WRITE_ACTIVE, _ACTIVE_ACTIVE),
    UipiFunction.DEACTIVATE: (Operation.WRITE_ACTIVE, 0),
}
"""The controller operation of a UIPI instruction and its data (None: rs1)."""


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
        self._index = 0  # of the SEND under way
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
        """What uip reads as, where sideleg delegates."""
        if self._controller.line[self._hart]:
            return self.csrs[Csr.UIP] | _SOFTWARE
        return self.csrs[Csr.UIP]

    def accept(self, request: Request) -> Response | None:
        """The request at the edge that accepts it. Returns the response of the next cycle, or None
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
        changes = _WRITABLE[number]
        if number in (Csr.UIE, Csr.UIP):  # what is not delegated is out of sight and stays
            answer &= self.csrs[Csr.SIDELEG]
            changes &= self.csrs[Csr.SIDELEG]
        self.csrs[number] = after & changes | before & ~changes
        if number == Csr.SUIST and function != CsrFunction.READ:
            self._control.forget(range(self._hart, self._hart + 1), "suist")
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
            if not self._control.throttles[self._hart].open:
                return self._reject(Status.THROTTLED)
            kept = self._control.caches[self._hart].find(operand)
            if kept is not None:
                if self._control.observer is not None:
                    self._control.observer.found(self._hart, operand, kept)
                self._post(*kept)
                return None
            self._index = operand
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
        """The unit's bus transfer ended. Returns the response of the next cycle, if any."""
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
        cache = self._control.caches[self._hart]
        if self._control.observer is not None and cache.enabled:
            place = self._index % CACHE_ENTRIES
            self._control.observer.filled(self._hart, place in cache.entries)
        cache.fill(self._index, receiver, vector)
        self._post(receiver, vector)
        return None

    def _post(self, receiver: int, vector: int) -> None:
        """Present the post."""
        self.waiting = _POST
        self._bus.posting.add(self._hart)
        self._controller.present(self._hart, Operation.SEND, receiver, vector)

    def _reject(self, cause: Status) -> Response:
        """A post that is refused."""
        self._control.reject(self._hart, cause)
        return Response(0, cause)

    def accepted(self) -> Response | None:
        """The controller accepted the unit's operation. A post is answered at once."""
        if self.waiting is not _POST:
            return None
        self.waiting = _NOTHING
        self._bus.posting.discard(self._hart)
        self._control.post(self._hart)
        return Response(0, _OK)

    def answered(self, data: int) -> Response:
        """The controller answers an operation of this unit other than a post."""
        self.waiting = _NOTHING
        return Response(data if self._read else 0, _OK)

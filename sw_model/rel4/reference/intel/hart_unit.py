"""One hart unit of the Intel reference: MSRs, SENDUIPI, notification processing, delivery."""

from enum import IntEnum

from rel4.machine.device import Request, Response
from rel4.reference.intel.fabric import Interrupt, InterruptFabric, LockingBus, Transfer
from uintr.intel.registers import (
    CANONICAL_BITS,
    FAULT,
    FIRST_VECTOR,
    INTERNAL_REGISTERS,
    MSRS,
    UITTE,
    UITTE_ADDRESS,
    UITTE_BYTES,
    UPID,
    Fault,
    Instruction,
    Internal,
    Msr,
    StoreFunction,
)
from uintr.registers import XLEN, CsrFunction, Privilege, RequestKind, Status

__all__ = ["IntelHartUnit", "canonical"]

_WORD = (1 << XLEN) - 1
_WORD_BYTES = XLEN // 8
_UINTR = INTERNAL_REGISTERS[Internal.CR4].field("uintr").mask
_UITTSZ = MSRS[Msr.UINTR_MISC].field("uittsz")
_UINV = MSRS[Msr.UINTR_MISC].field("uinv")
_TT_ENABLE = MSRS[Msr.UINTR_TT].field("enable").mask
_TT_ADDRESS = MSRS[Msr.UINTR_TT].field("uittaddr").mask
_TIMER_VECTOR = MSRS[Msr.UINTR_TIMER].field("vector")
_DEADLINE = MSRS[Msr.UINTR_TIMER].field("deadline").mask
_ICR_VECTOR = MSRS[Msr.X2APIC_ICR].field("vector")
_ICR_DESTINATION = MSRS[Msr.X2APIC_ICR].field("destination")
_ENTRY_V = UITTE.field("v").mask
_ENTRY_UV = UITTE.field("uv")
_ENTRY_RESERVED = UITTE.mask("reserved")
_ADDRESS_RESERVED = UITTE_ADDRESS.mask("reserved")
_ON = UPID.field("on").mask
_SN = UPID.field("sn").mask
_NV = UPID.field("nv")
_NDST = UPID.field("ndst")
_UPID_RESERVED = UPID.mask("reserved")
_COUNT = FAULT.field("count")
_CAUSE = FAULT.field("cause")
_LOST = FAULT.field("lost").mask

_STORED = (
    Msr.UINTR_RR, Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_MISC, Msr.UINTR_PD,
    Msr.UINTR_TT, Msr.UINTR_TIMER,
)  # fmt: skip
_CANONICAL = {Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_PD, Msr.UINTR_TT}
_LAST_IRR = Msr.X2APIC_IRR7

_TSC_WRITE = (RequestKind.CSR, CsrFunction.WRITE, Internal.TSC)

_REFUSAL = {Fault.DISABLED: Status.UD, Fault.BUS: Status.BUS}
"""Status of a refused SENDUIPI; all others are general-protection exceptions."""


def canonical(address: int) -> bool:
    """The address's upper bits are all equal."""
    return address >> (CANONICAL_BITS - 1) in (0, (1 << (XLEN - CANONICAL_BITS + 1)) - 1)


class _Phase(IntEnum):
    """What the unit waits for: a transfer of the bus, but for the first and the last."""

    IDLE = 0
    ENTRY = 1  # read of the UITT entry
    ENTRY_ADDRESS = 2  # its second word
    STATUS = 3  # read of the UPID
    PIR = 4  # its second word
    WRITE_PIR = 5
    WRITE_STATUS = 6
    TRANSFER = 7  # load or plain store
    READ = 8  # of a locked store
    WRITE = 9
    INTERRUPT = 10  # the fabric accepts


class IntelHartUnit:
    """All that one hart has of user interrupts, and its pending interrupts.

    Parameters
    ----------
    hart : number of this hart; also of its bus initiator and of its port of the fabric
    bus, fabric : what the unit is connected to
    """

    def __init__(self, *, hart: int, bus: LockingBus, fabric: InterruptFabric) -> None:
        self._hart = hart
        self._bus = bus
        self._fabric = fabric
        self.reset()

    def reset(self) -> None:
        """Forget everything; privilege S."""
        self.privilege = Privilege.S
        self.msrs: dict[int, int] = dict.fromkeys(_STORED, 0)
        self.uif = False
        self.uirrv = 0
        self.cr4 = 0
        self.tsc = 0
        self.fault = 0
        self.irr = 0  # bit 0 is FIRST_VECTOR
        self.phase = _Phase.IDLE
        self.posting = False  # STATUS to WRITE_STATUS are SENDUIPI's, not the processing's
        self._vector = 0
        self._address = 0  # of the transfer, of the UPID, or of the entry
        self._status = 0  # first word read: of the entry, then of the UPID
        self._word = 0  # PIR that was taken; operand, then old word, of a locked store
        self._function = 0

    # --- levels -----------------------------------------------------------------------------------

    @property
    def _notification(self) -> int:
        """The bit of IRR that stands for a notification of the current thread; 0 if none does."""
        vector = _UINV.get(self.msrs[Msr.UINTR_MISC])
        return 1 << (vector - FIRST_VECTOR) if self.cr4 and vector >= FIRST_VECTOR else 0

    @property
    def _begins(self) -> bool:
        """Notification processing begins in this cycle."""
        return (
            self.phase is _Phase.IDLE
            and self.privilege is Privilege.U
            and bool(self.irr & self._notification)
        )

    @property
    def due(self) -> bool:
        """The user-timer event is processed in this cycle."""
        timer = self.msrs[Msr.UINTR_TIMER]
        return (
            timer & _DEADLINE > 0
            and self.tsc >= timer & _DEADLINE
            and self.cr4 > 0
            and self.privilege is Privilege.U
            and self.uif
        )

    @property
    def countdown(self) -> int:
        """Cycles in which the time-stamp counter has yet to count."""
        return max((self.msrs[Msr.UINTR_TIMER] & _DEADLINE) - self.tsc, 0)

    @property
    def active(self) -> bool:
        """Something changes at the next edge, counting, bus and fabric aside."""
        return self._begins or self.due

    @property
    def ready(self) -> bool:
        """A request that is presented in this cycle is accepted."""
        return self.phase is _Phase.IDLE and not self._begins

    @property
    def interrupt(self) -> bool:
        """The user interrupt in this cycle."""
        return (
            self.privilege is Privilege.U
            and self.uif
            and self.cr4 > 0
            and self.msrs[Msr.UINTR_RR] > 0
        )

    @property
    def supervisor_interrupt(self) -> bool:
        """An ordinary interrupt is pending."""
        return self.irr & ~self._notification > 0

    # --- one clock edge ---------------------------------------------------------------------------

    def step(
        self, *, ended: tuple[int, bool] | None, taken: bool, request: Request | None
    ) -> Response | None:
        """One clock edge. Returns the response of the next cycle, if there is one.

        ``ended``: data and error of the unit's transfer that ends in this cycle; ``taken``: the
        fabric accepts the unit's interrupt; ``request``: is accepted (the unit is `ready`).
        """
        due, vector = self.due, _TIMER_VECTOR.get(self.msrs[Msr.UINTR_TIMER])
        counted = self.tsc + 1 if self.countdown else None
        response = None
        if request is not None:
            response = self._accept(request)
        elif self._begins:
            self.irr &= ~self._notification
            self.posting = False
            self._address = self.msrs[Msr.UINTR_PD]
            self._read(self._address, _Phase.STATUS)
        elif taken:
            response = self._end()
        elif ended is not None:
            response = self._bus_ended(*ended)
        if counted is not None and not (
            request is not None and (request.kind, request.function, request.address) == _TSC_WRITE
        ):
            self.tsc = counted
        if due:
            # After all else, so that the bit stays when this cycle's delivery takes the same one.
            self.msrs[Msr.UINTR_RR] |= 1 << vector
            self.msrs[Msr.UINTR_TIMER] = 0
        return response

    def interrupted(self, vector: int) -> None:
        """The fabric brings an interrupt at this edge; to be called after `step`."""
        if vector >= FIRST_VECTOR:
            self.irr |= 1 << (vector - FIRST_VECTOR)

    # --- requests ---------------------------------------------------------------------------------

    def _accept(self, request: Request) -> Response | None:
        kind = request.kind
        if kind == RequestKind.UIPI:
            return self._instruction(request.function, request.data)
        if kind == RequestKind.CSR:
            return self._register(request.function, request.address, request.data)
        if kind == RequestKind.TRAP:
            return self._deliver()
        if kind == RequestKind.URET:
            if not self.cr4:
                return Response(0, Status.UD)
            if not canonical(request.data):
                return Response(0, Status.GP)
            self.uif = True
            return Response(request.data, Status.OK)
        if kind in (RequestKind.LOAD, RequestKind.STORE):
            return self._transfer(request)
        return Response(0, Status.ILLEGAL)

    def _deliver(self) -> Response:
        if not self.interrupt:
            return Response(0, Status.NOT_PENDING)
        self.uirrv = self.msrs[Msr.UINTR_RR].bit_length() - 1
        self.msrs[Msr.UINTR_RR] &= ~(1 << self.uirrv)
        self.uif = False
        return Response(self.msrs[Msr.UINTR_HANDLER], Status.OK)

    def _transfer(self, request: Request) -> Response | None:
        write = request.kind == RequestKind.STORE
        if (
            self.privilege is Privilege.U
            or request.address % _WORD_BYTES
            or (write and request.function > max(StoreFunction))
        ):
            return Response(0, Status.ILLEGAL)
        if write and request.function != StoreFunction.PLAIN:
            self._function, self._address, self._word = (
                request.function, request.address, request.data,
            )  # fmt: skip
            self._read(request.address, _Phase.READ)
        else:
            self.phase = _Phase.TRANSFER
            self._bus.request(self._hart, Transfer(write, request.address, request.data))
        return None

    def _instruction(self, function: int, operand: int) -> Response | None:
        if not self.cr4:
            if function == Instruction.SENDUIPI:
                return self._refuse(Fault.DISABLED)
            return Response(0, Status.UD)
        if function == Instruction.SENDUIPI:
            return self._send(operand)
        if function == Instruction.CLUI:
            self.uif = False
        elif function == Instruction.STUI:
            self.uif = True
        elif function == Instruction.TESTUI:
            return Response(int(self.uif), Status.OK)
        else:
            return Response(0, Status.UD)
        return Response(0, Status.OK)

    def _register(self, function: int, number: int, data: int) -> Response | None:
        if function not in (CsrFunction.READ, CsrFunction.WRITE):
            return Response(0, Status.ILLEGAL)
        write = function == CsrFunction.WRITE
        if number in INTERNAL_REGISTERS:
            return self._internal(write, number, data)
        if self.privilege is Privilege.U or number not in MSRS:
            return Response(0, Status.GP)
        msr = Msr(number)
        if not write:
            if msr in _STORED:
                return Response(self.msrs[msr], Status.OK)
            if msr is Msr.X2APIC_ICR:
                return Response(0, Status.GP)
            return Response(self.irr if msr is _LAST_IRR else 0, Status.OK)
        if (
            (msr not in _STORED and msr is not Msr.X2APIC_ICR)
            or data & MSRS[msr].mask("reserved")
            or (msr in _CANONICAL and not canonical(data))
        ):
            return Response(0, Status.GP)
        if msr is Msr.X2APIC_ICR:
            self._interrupt(_ICR_VECTOR.get(data), _ICR_DESTINATION.get(data))
            return None
        self.msrs[msr] = data
        return Response(0, Status.OK)

    def _internal(self, write: bool, number: int, data: int) -> Response:
        if number == Internal.CR4:
            before = self.cr4
            if write:
                self.cr4 = data & _UINTR
        elif number == Internal.TSC:
            before = self.tsc
            if write:
                self.tsc = data
        elif number == Internal.FAULT:
            before = self.fault
            if write:
                self.fault = 0
        elif write:
            return Response(0, Status.GP)
        elif number == Internal.UIRRV:
            before = self.uirrv
        else:
            before = self._acknowledge()
        return Response(0 if write else before, Status.OK)

    def _acknowledge(self) -> int:
        ordinary = self.irr & ~self._notification
        if not ordinary:
            return 0
        highest = ordinary.bit_length() - 1
        self.irr &= ~(1 << highest)
        return FIRST_VECTOR + highest

    # --- SENDUIPI and notification processing -----------------------------------------------------

    def _send(self, index: int) -> Response | None:
        table, misc = self.msrs[Msr.UINTR_TT], self.msrs[Msr.UINTR_MISC]
        if not table & _TT_ENABLE:
            return self._refuse(Fault.DISABLED)
        if index > _UITTSZ.get(misc):
            return self._refuse(Fault.INDEX)
        address = ((table & _TT_ADDRESS) + index * UITTE_BYTES) & _WORD
        if not canonical(address):
            return self._refuse(Fault.TABLE)
        self.posting = True
        self._address = address
        self._read(address, _Phase.ENTRY)
        return None

    def _refuse(self, cause: Fault) -> Response:
        """A SENDUIPI that ends without effect."""
        count = min(_COUNT.get(self.fault) + 1, _COUNT.mask)
        self.fault = _COUNT.put(count) | _CAUSE.put(cause) | self.fault & _LOST
        self.phase = _Phase.IDLE
        return Response(0, _REFUSAL.get(cause, Status.GP))

    def _end(self, data: int = 0, status: Status = Status.OK) -> Response:
        self.phase = _Phase.IDLE
        return Response(data, status)

    def _read(self, address: int, phase: _Phase, *, locked: bool = False) -> None:
        self.phase = phase
        self._bus.request(self._hart, Transfer(False, address, 0), locked=locked)

    def _write(self, address: int, data: int, phase: _Phase) -> None:
        """Behind the read that the bus is still locked for."""
        self.phase = phase
        self._bus.request(self._hart, Transfer(True, address, data), locked=True)

    def _interrupt(self, vector: int, destination: int) -> None:
        self.phase = _Phase.INTERRUPT
        self._fabric.present(self._hart, Interrupt(vector, destination))

    def _bus_ended(self, data: int, error: bool) -> Response | None:
        phase = self.phase
        if error:
            if phase in (_Phase.TRANSFER, _Phase.READ, _Phase.WRITE):
                return self._end(0, Status.BUS)
            if self.posting:
                return self._refuse(Fault.BUS)
            self.phase = _Phase.IDLE
            self.fault |= _LOST
            return None
        if phase is _Phase.TRANSFER:
            return self._end(data)
        if phase is _Phase.READ:
            self._write(self._address, self._combine(data), _Phase.WRITE)
            self._word = data
            return None
        if phase is _Phase.WRITE:
            return self._end(self._word)
        if phase is _Phase.ENTRY:
            self._status = data
            self._read(self._address + _WORD_BYTES, _Phase.ENTRY_ADDRESS, locked=True)
            return None
        if phase is _Phase.ENTRY_ADDRESS:
            return self._check_entry(data)
        return self._update(phase, data)

    def _combine(self, before: int) -> int:
        """What a locked store writes."""
        if self._function == StoreFunction.SWAP:
            return self._word
        return before & self._word if self._function == StoreFunction.AND else before | self._word

    def _check_entry(self, address: int) -> Response | None:
        if not self._status & _ENTRY_V:
            return self._refuse(Fault.INVALID)
        if self._status & _ENTRY_RESERVED or address & _ADDRESS_RESERVED:
            return self._refuse(Fault.ENTRY)
        if not canonical(address):
            return self._refuse(Fault.ADDRESS)
        self._vector = _ENTRY_UV.get(self._status)
        self._address = address
        self._read(address, _Phase.STATUS)
        return None

    def _update(self, phase: _Phase, data: int) -> Response | None:
        """The locked update of a UPID goes on: read both words, then write them."""
        posting = self.posting
        if phase is _Phase.STATUS:
            if posting and data & _UPID_RESERVED:
                return self._refuse(Fault.DESCRIPTOR)
            self._status = data
            self._read(self._address + _WORD_BYTES, _Phase.PIR, locked=True)
            return None
        if phase is _Phase.PIR:
            self._word = data
            after = data | 1 << self._vector if posting else 0
            self._write(self._address + _WORD_BYTES, after, _Phase.WRITE_PIR)
            return None
        if phase is _Phase.WRITE_PIR:
            if posting and self._status & (_ON | _SN):
                return self._end()
            status = self._status | _ON if posting else self._status & ~_ON
            self._write(self._address, status, _Phase.WRITE_STATUS)
            return None
        if posting:
            self._interrupt(_NV.get(self._status), _NDST.get(self._status))
        else:
            self.phase = _Phase.IDLE
            self.msrs[Msr.UINTR_RR] |= self._word
        return None

"""What a hart does for user interrupts with RISC-V instructions: CSRs, UIPI, trap and uret."""

from collections.abc import Callable
from typing import Any

from uintr.registers import Csr, CsrFunction, RequestKind, Status

from . import ops
from .context import Context
from .core import Core, Steps
from .device import Request
from .events import UipiDone, UserReturn, UserTrap
from .faults import FETCH_PAGE_FAULT, STORE_ACCESS_FAULT, OperationFault

__all__ = ["RiscvInstructions"]

_CSR_FUNCTIONS: dict[type, CsrFunction] = {
    ops.CsrRead: CsrFunction.READ,
    ops.CsrWrite: CsrFunction.WRITE,
    ops.CsrSet: CsrFunction.SET,
    ops.CsrClear: CsrFunction.CLEAR,
}


class RiscvInstructions:
    """The instructions of one hart that reach its hart unit.

    Members
    -------
    performs : operations of this flavour, by type
    returns : the operation that ends an interrupt handler
    suist, suirs : as last written, for the log
    """

    returns: type[ops.Op[Any]] = ops.Uret

    def __init__(self, hart: Core) -> None:
        self._hart = hart
        self.suist = 0
        self.suirs = 0
        self.performs: dict[type, Callable[[Any, Any], Steps]] = {
            ops.CsrRead: self._csr,
            ops.CsrWrite: self._csr,
            ops.CsrSet: self._csr,
            ops.CsrClear: self._csr,
            ops.Uipi: self._uipi,
        }

    def take(self, context: Context) -> Steps:
        """Take the pending user interrupt, if it is still pending."""
        hart = self._hart
        pc = context.top().pc
        response = yield from hart.request(Request(RequestKind.TRAP, data=pc))
        if response.status is not Status.OK:
            return  # the line fell before the trap was taken
        handler = hart.board.code.get(response.data)
        if handler is None:
            raise OperationFault(
                f"utvec points to {response.data:#x}, where no handler was placed",
                FETCH_PAGE_FAULT,
                response.data,
            )
        hart.log(UserTrap(context.name, pc, response.data))
        context.enter(handler())

    def leave(self, op: ops.Op[Any], context: Context) -> Steps:
        """uret: go on where the thread was interrupted."""
        response = yield from self._hart.request(Request(RequestKind.URET))
        context.leave_handler(response.data)
        self._hart.log(UserReturn(context.name, response.data))

    def amo(self, op: Any, address: int) -> Steps:
        """The controller knows plain loads and stores alone."""
        raise OperationFault(f"no atomic access at {address:#x}", STORE_ACCESS_FAULT, address)
        yield  # a generator, as its counterpart of the other flavour is

    def _csr(self, op: Any, frame: object) -> Steps:
        function = _CSR_FUNCTIONS[type(op)]
        operand = 0 if function is CsrFunction.READ else op.value
        response = yield from self._hart.request(
            Request(RequestKind.CSR, function=function, address=op.csr, data=operand)
        )
        if response.status is not Status.OK:
            known = op.csr in Csr.__members__.values()
            name = Csr(op.csr).name.lower() if known else hex(op.csr)
            raise OperationFault(f"illegal access to CSR {name}")
        if function is CsrFunction.WRITE:
            if op.csr == Csr.SUIST:
                self.suist = operand
            elif op.csr == Csr.SUIRS:
                self.suirs = operand
        return response.data

    def _uipi(self, op: ops.Uipi, frame: object) -> Steps:
        response = yield from self._hart.request(
            Request(RequestKind.UIPI, function=op.function, data=op.operand)
        )
        if response.status is Status.ILLEGAL:
            raise OperationFault("illegal UIPI function")
        self._hart.log(
            UipiDone(
                op.function.name,
                op.operand,
                self.suist,
                self.suirs,
                response.data,
                response.status.name,
            )
        )
        return response.data

"""What a hart does for user interrupts with Intel's instructions: MSRs, SENDUIPI, delivery, UIRET.

The hart unit keeps the registers. What microcode does with memory of the thread is here: delivery
pushes four words on the stack that UINTR_STACKADJUST names, and UIRET pops three of them.
"""

from collections.abc import Callable
from typing import Any

from uintr.intel.registers import Instruction, Internal, Msr, StoreFunction
from uintr.registers import CsrFunction, RequestKind, Status

from . import ops
from .context import Context
from .core import Core, Steps
from .device import Request, Response
from .events import Delivered, UipiDone, UserReturn, UserTrap
from .faults import (
    FETCH_PAGE_FAULT,
    GENERAL_PROTECTION,
    ILLEGAL_INSTRUCTION,
    STORE_ACCESS_FAULT,
    OperationFault,
)
from .ops_intel import Clui, Pop, ReadMsr, SendUipi, Stui, Testui, Uiret, WriteMsr

__all__ = ["FRAME_BYTES", "IntelInstructions"]

WORD = 8
FRAME_BYTES = 4 * WORD
"""What delivery pushes: RSP, RFLAGS, RIP and, on top, the vector."""
RFLAGS = 0x202
"""Bit 1 is always set, and interrupts are enabled in user mode."""
ADDRESSES = (1 << 64) - 1
LOCKED: dict[type, StoreFunction] = {
    ops.Swap: StoreFunction.SWAP,
    ops.AmoAnd: StoreFunction.AND,
    ops.AmoOr: StoreFunction.OR,
}


class IntelInstructions:
    """The instructions of one hart that reach its hart unit.

    Members
    -------
    performs : operations of this flavour, by type
    returns : the operation that ends an interrupt handler
    table, descriptor : UINTR_TT and UINTR_PD as last written, for the log
    """

    returns: type[ops.Op[Any]] = Uiret

    def __init__(self, hart: Core) -> None:
        self._hart = hart
        self.table = 0
        self.descriptor = 0
        self._adjust = 0  # UINTR_STACKADJUST: microcode has it at hand
        self.performs: dict[type, Callable[[Any, Any], Steps]] = {
            ReadMsr: self._read_msr,
            WriteMsr: self._write_msr,
            SendUipi: self._send,
            Clui: self._flag,
            Stui: self._flag,
            Testui: self._flag,
            Pop: self._pop,
        }

    # --- delivery and return ----------------------------------------------------------------------

    def take(self, context: Context) -> Steps:
        """Deliver the highest pending vector, if one is still pending. A stack that cannot be
        written is a fault before anything is taken; one that goes meanwhile, at the store."""
        hart = self._hart
        pc = context.top().pc
        load = self._adjust & 1
        top = (self._adjust if load else context.sp - self._adjust) & ADDRESSES & ~15
        places = [(top - WORD * (1 + number)) & ADDRESSES for number in range(4)]
        for place in places:
            hart.translate(place, write=True)
        response = yield from hart.request(Request(RequestKind.TRAP, data=pc))
        if response.status is not Status.OK:
            return  # it went before it was taken
        read = Request(RequestKind.CSR, function=CsrFunction.READ, address=Internal.UIRRV)
        vector = (yield from hart.request(read)).data
        handler = hart.board.code.get(response.data)
        if handler is None:
            raise OperationFault(
                f"UINTR_HANDLER is {response.data:#x}, where no handler was placed",
                FETCH_PAGE_FAULT,
                response.data,
            )
        context.enter(handler())  # which bears what the frame costs, not the path it interrupts
        for place, word in zip(places, (context.sp, RFLAGS, pc, vector), strict=True):
            yield from hart.store_word(place, word, context.top())
        context.sp = (top - FRAME_BYTES) & ADDRESSES
        hart.log(UserTrap(context.name, pc, response.data))
        hart.log(Delivered(context.name, self.descriptor, vector))

    def leave(self, op: ops.Op[Any], context: Context) -> Steps:
        """UIRET: go on where the thread was interrupted. RFLAGS is popped and holds nothing that
        this model needs."""
        hart, frame = self._hart, context.top()
        words = []
        for number in range(3):
            place = (context.sp + WORD * number) & ADDRESSES
            words.append((yield from hart.load_word(place, frame)))
        pc, _, sp = words
        response = yield from hart.request(Request(RequestKind.URET, data=pc))
        context.leave_handler(response.data)
        context.sp = sp
        hart.log(UserReturn(context.name, response.data))

    # --- operations -------------------------------------------------------------------------------

    def amo(self, op: Any, address: int) -> Steps:
        """A LOCK-prefixed instruction on the memory that the hart units share."""
        function = LOCKED.get(type(op))
        if function is None:
            raise OperationFault(f"no such access at {address:#x}", STORE_ACCESS_FAULT, address)
        request = Request(RequestKind.STORE, function=function, address=address, data=op.value)
        return (yield from self._hart.bus(request))

    def _no_user(self, msr: int, what: str) -> None:
        """What microcode keeps has no number that an instruction could name; the kernel stands for
        microcode here, a user does not."""
        if self._hart.in_user_mode and msr >= 1 << 32:
            raise OperationFault(f"general protection (#GP): {what}", GENERAL_PROTECTION)

    def _read_msr(self, op: ReadMsr, frame: object) -> Steps:
        self._no_user(op.msr, f"RDMSR of {op.msr:#x}")
        request = Request(RequestKind.CSR, function=CsrFunction.READ, address=op.msr)
        response = yield from self._hart.request(request)
        self._check(response, f"RDMSR of {op.msr:#x}")
        return response.data

    def _write_msr(self, op: WriteMsr, frame: object) -> Steps:
        self._no_user(op.msr, f"WRMSR of {op.msr:#x}")
        request = Request(
            RequestKind.CSR, function=CsrFunction.WRITE, address=op.msr, data=op.value
        )
        response = yield from self._hart.request(request)
        self._check(response, f"WRMSR of {op.msr:#x}")
        if op.msr == Msr.UINTR_TT:
            self.table = op.value
        elif op.msr == Msr.UINTR_PD:
            self.descriptor = op.value
        elif op.msr == Msr.UINTR_STACKADJUST:
            self._adjust = op.value

    def _send(self, op: SendUipi, frame: object) -> Steps:
        request = Request(RequestKind.UIPI, function=Instruction.SENDUIPI, data=op.index)
        response = yield from self._hart.request(request)
        name, status = Instruction.SENDUIPI.name, response.status.name
        self._hart.log(UipiDone(name, op.index, self.table, self.descriptor, 0, status))
        self._check(response, f"SENDUIPI {op.index}")

    def _flag(self, op: Clui | Stui | Testui, frame: object) -> Steps:
        function = Instruction[type(op).__name__.upper()]
        response = yield from self._hart.request(Request(RequestKind.UIPI, function=function))
        self._check(response, function.name)
        return response.data

    def _pop(self, op: Pop, frame: Any) -> Steps:
        context = self._hart.context
        if context is None:
            raise OperationFault("the kernel's stack is not modelled")
        value = yield from self._hart.load_word(context.sp & ADDRESSES, frame)
        context.sp += WORD
        return value

    @staticmethod
    def _check(response: Response, what: str) -> None:
        match response.status:
            case Status.OK:
                pass
            case Status.UD:
                raise OperationFault(f"invalid opcode (#UD): {what}", ILLEGAL_INSTRUCTION)
            case _:
                raise OperationFault(f"general protection (#GP): {what}", GENERAL_PROTECTION)

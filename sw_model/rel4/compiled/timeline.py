"""What retired, as events of the log: the same ones that a run of the model writes.

Contexts are what the hardware knows: an address space by its ASID or, without translation, what the
hart itself runs. They are called ``asid 3`` and ``hart 0 U``; a trap leads out of one into S or M.
"""

from collections.abc import Callable

from rel4.compiled.runner import Marker, Miss, Retired
from rel4.compiled.symbols import Symbols
from rel4.machine.events import (
    CacheMiss,
    ContextSwitch,
    Event,
    EventLog,
    FunctionEntered,
    Mark,
    SenderEntryWritten,
    Trap,
    TrapReturn,
    UipiDone,
    UserReturn,
    UserTrap,
)
from uintr.registers import (
    INTERRUPT_BIT,
    SENDER_ENTRY,
    UIPI_OPCODE,
    URET_WORD,
    Csr,
    CsrFunction,
    Privilege,
    Status,
    UipiFunction,
)

__all__ = ["Timeline", "context_name"]

_MRET, _SRET = 0x3020_0073, 0x1020_0073
_SYSTEM = 0b1110011
_INTERRUPTS = {1: "ipi", 3: "ipi", 5: "timer", 7: "timer", 9: "external", 11: "external"}
_ECALLS = (8, 9, 11)


def context_name(hart: int, mode: int, satp: int) -> str:
    """What the context of code is called that runs on ``hart`` with this privilege and satp."""
    if mode == 0 and satp >> 60:
        return f"asid {satp >> 44 & 0xFFFF}"
    return f"hart {hart} {Privilege(mode).name}"


class _Hart:
    """What is known of one hart."""

    def __init__(self) -> None:
        self.context = "boot"
        self.user: str | None = None  # the context below the kernel that ran last
        self.returning = False  # mret or sret was the last one
        self.function: str | None = None
        self.csrs = {Csr.SUIST: 0, Csr.SUIRS: 0}


class Timeline:
    """Makes an event log of records as they come.

    Parameters
    ----------
    symbols : names of the program's addresses
    """

    def __init__(self, symbols: Symbols) -> None:
        self.log = EventLog()
        self._symbols = symbols
        self._harts: dict[int, _Hart] = {}
        self._entries: dict[tuple[int, int], int] = {}
        self._handlers: dict[str, int] = {}  # how many each context is in

    def retired(self, record: Retired) -> None:
        """An instruction of interest retired; the records of a hart come in order."""
        hart = self._harts.setdefault(record.hart, _Hart())
        say = self._sayer(record)
        context = context_name(record.hart, record.mode, record.satp)
        if record.intr:
            self._interrupt(record, hart, context, say)
        elif hart.returning:
            say(TrapReturn(context))
            if record.mode == Privilege.U and context != hart.user:
                if hart.user is not None:
                    say(ContextSwitch(hart.user, context))
                hart.user = context
        hart.returning = False
        hart.context = context
        function = self._symbols.function(record.pc)
        if function is not None and function[0] != hart.function:
            hart.function = function[0]
            say(FunctionEntered(function[0], context))
        if record.trap:
            say(Trap(_cause(record.cause), context))
        else:
            self._execute(record, hart, context, say)

    def miss(self, record: Miss) -> None:
        """A cache missed."""
        self.log.append(CacheMiss(record.what), cycle=record.cycle, hart=record.hart)

    def marks(self, marks: tuple[Marker, ...]) -> None:
        """Put the program's marks in their places; once, at the end."""
        for mark in marks:
            name = f"mark {mark.id}: {mark.value:#x}"
            self.log.append(Mark(name), cycle=mark.cycle, hart=mark.hart)
        self.log.events.sort(key=lambda event: event.cycle)

    def _sayer(self, record: Retired) -> Callable[[Event], None]:
        return lambda event: self.log.append(event, cycle=record.cycle, hart=record.hart)

    def _interrupt(
        self, record: Retired, hart: _Hart, context: str, say: Callable[[Event], None]
    ) -> None:
        """The first instruction of a handler."""
        if record.mode == Privilege.U:
            self._handlers[context] = self._handlers.get(context, 0) + 1
            say(UserTrap(context, record.interrupted, record.pc))
        else:
            say(Trap(_cause(record.cause), hart.context))

    def _execute(
        self, record: Retired, hart: _Hart, context: str, say: Callable[[Event], None]
    ) -> None:
        insn = record.insn
        if insn in (_MRET, _SRET):
            hart.returning = True
        elif insn == URET_WORD and self._handlers.get(context):
            self._handlers[context] -= 1
            say(UserReturn(context, record.next_pc))
        elif insn & 0x7F == UIPI_OPCODE:
            self._uipi(record, hart, say)
        elif insn & 0x7F == _SYSTEM and insn >> 12 & 3:
            number = insn >> 20
            if number in hart.csrs:
                old = hart.csrs[Csr(number)]
                operand = insn >> 15 & 31 if insn >> 14 & 1 else record.rs1
                new = {
                    CsrFunction.WRITE: operand,
                    CsrFunction.SET: old | operand,
                    CsrFunction.CLEAR: old & ~operand,
                }
                hart.csrs[Csr(number)] = new[CsrFunction(insn >> 12 & 3)]

    def _uipi(self, record: Retired, hart: _Hart, say: Callable[[Event], None]) -> None:
        insn = record.insn
        # In one of the published encodings the function stands in the immediate.
        immediate = insn >> 12 & 7 == 2 and insn >> 20 & 31
        number = insn >> 20 if immediate else insn >> 25
        if number not in list(UipiFunction):
            return
        function = UipiFunction(number)
        table, receiver = hart.csrs[Csr.SUIST], hart.csrs[Csr.SUIRS]
        if function is UipiFunction.SEND and record.status == Status.OK:
            self._entry(record, table, say)
        say(
            UipiDone(
                function.name,
                record.rs1 if function in (UipiFunction.SEND, UipiFunction.WRITE) else 0,
                table,
                receiver,
                record.value if function is UipiFunction.READ else 0,
                Status(record.status).name,
            )
        )

    def _entry(self, record: Retired, table: int, say: Callable[[Event], None]) -> None:
        """Stores into a sender table are stores like all others; what an entry holds is seen when
        something is sent by it."""
        if self._entries.get((table, record.rs1)) == record.data:
            return
        self._entries[table, record.rs1] = record.data
        vector = SENDER_ENTRY.field("vector").get(record.data)
        receiver = SENDER_ENTRY.field("receiver").get(record.data)
        say(SenderEntryWritten(table, record.rs1, vector, receiver))


def _cause(cause: int) -> str:
    if cause & INTERRUPT_BIT:
        return _INTERRUPTS.get(cause & ~INTERRUPT_BIT, "interrupt")
    return "ecall" if cause in _ECALLS else "fault"

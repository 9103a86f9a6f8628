"""What can become of an instruction in the last stage: the verbs of its states."""

from enum import IntEnum
from typing import Any

from amaranth.hdl import Module, Signal

from rv64.csr import CsrFile
from rv64.encoding import Cause
from rv64.memory_unit import Operation
from uintr.registers import RequestKind

__all__ = ["Outcome", "Source"]


class Source(IntEnum):
    """Where a redirection's target comes from."""

    PC = 0  #: the instruction here, or what is behind it if that is to be fetched anew
    CSR = 1  #: a trap's handler, or where it came from
    ANSWER = 2  #: the HartPort's
    RESUME = 3  #: a debugger's


class Outcome:
    """Statements and transitions for a state of the last stage; each verb is used within one.

    Parameters
    ----------
    m : the module of the stage
    stage : the stage's own ports
    csr : its registers

    Members
    -------
    complete : nothing is left to do
    leaves : it ends here, or is given up, as it was decided in the cycle before
    ends : and retires
    answers : the result is there in this cycle
    source : of a redirection's target
    trap_cause, trap_interrupt : the trap that is taken next
    shows_raw, shows_virtual : what its value is, or 0
    """

    def __init__(self, m: Module, stage: Any, csr: CsrFile) -> None:
        self._m, self._stage, self._csr = m, stage, csr
        self.complete = Signal()
        self.leaves = Signal()
        self.ends = Signal()
        self.answers = Signal()
        self.source = Signal(Source)
        self.trap_cause, self.trap_interrupt = Signal(4), Signal()
        self.shows_raw, self.shows_virtual = Signal(), Signal()

    def go(self, where: Source = Source.PC) -> None:
        """Give it up, and go on elsewhere."""
        self._m.d.comb += self.source.eq(where)
        self._m.d.sync += [self.leaves.eq(1), self._stage.redirect.eq(1)]
        self._m.next = "RUN"

    def end(self, where: Source = Source.PC) -> None:
        """It retires, and what is behind is fetched anew."""
        self.go(where)
        self._m.d.sync += self.ends.eq(1)

    def trap(self, cause: Any, *, virtual: int = 0, word: int = 0, interrupt: int = 0) -> None:
        """Take a trap in its place, with its address, its word or nothing as the value."""
        self._m.d.sync += [
            self.trap_cause.eq(cause),
            self.shows_virtual.eq(virtual),
            self.shows_raw.eq(word),
            self.trap_interrupt.eq(interrupt),
        ]
        self._m.next = "TRAP"

    def illegal(self) -> None:
        """It is no instruction, or not here."""
        self.trap(Cause.ILLEGAL, word=1)

    def ask(self, kind: RequestKind, function: Any = 0, address: Any = 0) -> None:
        """Request something of the HartPort, in this cycle."""
        request = self._stage.port.request
        self._m.d.comb += [
            request.valid.eq(1),
            request.payload.kind.eq(kind),
            request.payload.function.eq(function),
            request.payload.address.eq(address),
        ]

    def result(self) -> None:
        """What came is its result; it is complete in the next cycle."""
        self._m.d.comb += self.answers.eq(1)
        self._m.d.sync += self.complete.eq(1)
        self._m.next = "RUN"

    def access_csr(self) -> None:
        """Read and write the CSR, which is its result."""
        self._m.d.comb += self._csr.access.eq(1)
        self.result()
        with self._m.If(self._csr.flush):
            self._m.d.sync += self.complete.eq(0)
            self.end()

    def memory(self, operation: Operation, then: str = "MEMORY") -> None:
        """Start the memory unit, and wait for it in the state ``then``."""
        self._m.d.comb += [self._stage.start.eq(1), self._stage.operation.eq(operation)]
        self._m.next = then

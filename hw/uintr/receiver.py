"""The receiving side of one hart: user-interrupt CSRs, trap and return."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.interfaces import ANSWER, REQUEST, layout
from uintr.registers import (
    CAUSE_USER_SOFTWARE,
    CSRS,
    XLEN,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
)

__all__ = ["Receiver"]


class Receiver(wiring.Component):
    """User-interrupt CSRs, the user trap and the return from it.

    A CSR, TRAP or URET request is answered in the cycle in which it is presented; what it changes
    is seen from the next cycle on. There is one request at a time, so nothing competes for a
    register.

    ``interrupt`` follows ``line`` and ``privilege`` in the same cycle. The line is or-ed into what
    a read of uip shows, but writes, sets and clears work on the software bit behind it, so the
    line is never latched.

    uie and uip show and take only the bits that sideleg delegates, at any privilege: the others
    read as zero and stay as they are, out of sight, until they are delegated again.

    Members
    -------
    privilege : level of the code that runs
    line : the controller's line of this hart
    start : ``request`` is a CSR, TRAP or URET request, to be done in this cycle
    request : what to do
    answer : how it ended, in the same cycle
    interrupt : a user software interrupt can be taken
    suist, suirs : sender table and receiver of the current thread
    suist_written : suist is written, set or cleared in this cycle, with whatever value
    words : the CSRs as they are stored; of uie and uip the bits that are not delegated too
    """

    def __init__(self) -> None:
        self.words = {
            csr: Signal(XLEN, name=register.name, init=register.reset)
            for csr, register in CSRS.items()
        }
        super().__init__(
            {
                "privilege": In(2),
                "line": In(1),
                "start": In(1),
                "request": In(REQUEST),
                "answer": Out(ANSWER),
                "interrupt": Out(1),
                "suist": Out(layout(CSRS[Csr.SUIST])),
                "suirs": Out(layout(CSRS[Csr.SUIRS])),
                "suist_written": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Registers, the interrupt, then one step for each kind of request."""
        m = Module()

        words = self.words
        views = {csr: data.View(layout(CSRS[csr]), word) for csr, word in words.items()}
        ustatus, uie, uip = views[Csr.USTATUS], views[Csr.UIE], views[Csr.UIP]

        shown_uip = Signal(layout(CSRS[Csr.UIP]))
        m.d.comb += [
            shown_uip.eq(words[Csr.UIP]),
            shown_uip.software.eq(uip.software | self.line),
            self.interrupt.eq(
                (self.privilege == Privilege.U)
                & ustatus.uie
                & uie.software
                & views[Csr.SIDELEG].software
                & shown_uip.software
            ),
            self.suist.eq(words[Csr.SUIST]),
            self.suirs.eq(words[Csr.SUIRS]),
        ]

        with m.Switch(self.request.kind):
            with m.Case(RequestKind.CSR):
                delegated = words[Csr.SIDELEG]
                shown = {
                    Csr.UIE: words[Csr.UIE] & delegated,
                    Csr.UIP: shown_uip.as_value() & delegated,
                }
                self._access(m, words, shown, dict.fromkeys(shown, ~delegated))

            with m.Case(RequestKind.TRAP):
                with m.If(self.interrupt):
                    m.d.comb += self._end(Status.OK, Cat(Const(0, 2), views[Csr.UTVEC].base))
                with m.Else():
                    m.d.comb += self._end(Status.NOT_PENDING)
                with m.If(self.start & self.interrupt):
                    m.d.sync += [
                        views[Csr.UEPC].pc.eq(self.request.data[1:]),
                        words[Csr.UCAUSE].eq(CAUSE_USER_SOFTWARE),
                        words[Csr.UTVAL].eq(0),
                        ustatus.upie.eq(ustatus.uie),
                        ustatus.uie.eq(0),
                    ]

            with m.Case(RequestKind.URET):
                m.d.comb += self._end(Status.OK, words[Csr.UEPC])
                with m.If(self.start):
                    m.d.sync += [ustatus.uie.eq(ustatus.upie), ustatus.upie.eq(1)]

        return m

    def _end(self, status: Status, answer: Any = 0) -> list[Any]:
        return [self.answer.status.eq(status), self.answer.data.eq(answer)]

    def _access(
        self, m: Module, words: dict[Csr, Any], shown: dict[Csr, Any], kept: dict[Csr, Any]
    ) -> None:
        """A CSR request. ``shown`` holds what is read where that is not the stored word, ``kept``
        the bits that stay as they are whatever is written.
        """
        number_bits = 12
        number = self.request.address[:number_bits]
        allowed = Signal()
        before = Signal(XLEN)
        stored = Signal(XLEN)
        with m.If(~self.request.address[number_bits:].any()), m.Switch(number):
            for csr, word in words.items():
                with m.Case(csr):
                    m.d.comb += [
                        allowed.eq(self.privilege >= csr.privilege),
                        before.eq(shown.get(csr, word)),
                        stored.eq(word),
                    ]

        after = Signal(XLEN)
        good = Signal()
        m.d.comb += good.eq(allowed)
        with m.Switch(self.request.function):
            with m.Case(CsrFunction.READ):
                m.d.comb += after.eq(stored)
            with m.Case(CsrFunction.WRITE):
                m.d.comb += after.eq(self.request.data)
            with m.Case(CsrFunction.SET):
                m.d.comb += after.eq(stored | self.request.data)
            with m.Case(CsrFunction.CLEAR):
                m.d.comb += after.eq(stored & ~self.request.data)
            with m.Default():
                m.d.comb += good.eq(0)

        m.d.comb += self.suist_written.eq(
            self.start
            & good
            & (self.request.kind == RequestKind.CSR)
            & (number == Csr.SUIST)
            & (self.request.function != CsrFunction.READ)
        )
        m.d.comb += self._end(
            Mux(good, Status.OK, Status.ILLEGAL),
            Mux(good, before, 0),
        )
        with m.If(self.start & good), m.Switch(number):
            for csr, word in words.items():
                with m.Case(csr):
                    writable = Const(CSRS[csr].mask(), XLEN)
                    if csr in kept:
                        changes = writable & ~kept[csr]
                        m.d.sync += word.eq((after & changes) | (word & ~changes))
                    else:
                        m.d.sync += word.eq(after & writable)

"""The receiving side of one hart: user-interrupt CSRs, trap and return."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import select
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
    asked, read : which of them the request is about, if it may be, and its word as it is stored;
        for a specification to see
    """

    def __init__(self) -> None:
        self.words = {
            csr: Signal(XLEN, name=register.name, init=register.reset)
            for csr, register in CSRS.items()
        }
        self.asked = {csr: Signal(name=f"asks_{register.name}") for csr, register in CSRS.items()}
        self.read = Signal(XLEN)
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

        self._ask(m)
        asked, read = self.asked, self.read
        m.d.comb += [
            read.eq(select(Cat(asked.values()), (words[csr] for csr in asked))),
            self.answer.data.eq(read),
        ]

        with m.Switch(self.request.kind):
            with m.Case(RequestKind.CSR):
                delegated = words[Csr.SIDELEG]
                shown = {
                    Csr.UIE: words[Csr.UIE] & delegated,
                    Csr.UIP: shown_uip.as_value() & delegated,
                }
                self._access(m, shown, dict.fromkeys(shown, ~delegated))

            with m.Case(RequestKind.TRAP):
                m.d.comb += [
                    self.answer.status.eq(Mux(self.interrupt, Status.OK, Status.NOT_PENDING)),
                    self.answer.data.eq(Cat(Const(0, 2), read[2:])),
                ]
                with m.If(self.start & self.interrupt):
                    m.d.sync += [
                        views[Csr.UEPC].pc.eq(self.request.data[1:]),
                        words[Csr.UCAUSE].eq(CAUSE_USER_SOFTWARE),
                        words[Csr.UTVAL].eq(0),
                        ustatus.upie.eq(ustatus.uie),
                        ustatus.uie.eq(0),
                    ]

            with m.Case(RequestKind.URET), m.If(self.start):
                m.d.sync += [ustatus.uie.eq(ustatus.upie), ustatus.upie.eq(1)]

        return m

    def _ask(self, m: Module) -> None:
        """Which register is answered, if any: so that one multiplexer does for all requests."""
        request, asked = self.request, self.asked
        number_bits = 12
        known = (
            (request.kind == RequestKind.CSR)
            & (request.function <= max(CsrFunction))
            & ~request.address[number_bits:].any()
        )
        for csr, signal in asked.items():
            m.d.comb += signal.eq(
                known
                & (self.privilege >= csr.privilege)
                & (request.address[:number_bits] == csr)
            )  # fmt: skip
        with m.If(request.kind == RequestKind.TRAP):
            m.d.comb += asked[Csr.UTVEC].eq(self.interrupt)
        with m.If(request.kind == RequestKind.URET):
            m.d.comb += asked[Csr.UEPC].eq(1)

    def _access(self, m: Module, shown: dict[Csr, Any], kept: dict[Csr, Any]) -> None:
        """A CSR request: the word that was read changes, if it is written. ``shown`` holds what is
        answered where that is not the stored word, ``kept`` the bits that stay as they are whatever
        is written.
        """
        asked, read = self.asked, self.read
        for csr, word in shown.items():
            with m.If(asked[csr]):
                m.d.comb += [
                    self.answer.data[bit].eq(word[bit])
                    for bit in range(XLEN)
                    if CSRS[csr].mask() >> bit & 1
                ]
        with m.If(~Cat(asked.values()).any()):
            m.d.comb += self.answer.status.eq(Status.ILLEGAL)
        writes = Signal()
        after = Signal(XLEN)
        m.d.comb += [
            writes.eq(self.start & (self.request.function != CsrFunction.READ)),
            self.suist_written.eq(writes & asked[Csr.SUIST]),
        ]
        with m.Switch(self.request.function):
            with m.Case(CsrFunction.SET):
                m.d.comb += after.eq(read | self.request.data)
            with m.Case(CsrFunction.CLEAR):
                m.d.comb += after.eq(read & ~self.request.data)
            with m.Default():
                m.d.comb += after.eq(self.request.data)
        for csr, word in self.words.items():
            changed = after
            if csr in kept:
                changed = (word & kept[csr]) | (after & ~kept[csr])
            with m.If(writes & asked[csr]):
                m.d.sync += word.eq(changed & CSRS[csr].mask())

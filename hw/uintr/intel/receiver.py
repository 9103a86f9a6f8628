"""The registers of one hart: MSRs, UIRR and UIF; delivery and return."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.addresses import canonical
from uintr.intel.faults import FaultRegister
from uintr.intel.pending import VECTOR_COUNT
from uintr.intel.registers import FAULT, INTERNAL_REGISTERS, MSRS, Fault, Instruction, Internal, Msr
from uintr.intel.timer import UserTimer
from uintr.interfaces import ANSWER, REQUEST, layout
from uintr.registers import XLEN, CsrFunction, Privilege, Register, RequestKind, Status

__all__ = ["Receiver"]

_STORED = (Msr.UINTR_RR, Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_MISC, Msr.UINTR_PD,
           Msr.UINTR_TT)  # fmt: skip
"""MSRs that are plain words here; the timer has its own block."""
_CANONICAL = (Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_PD, Msr.UINTR_TT)
_IRRS = tuple(msr for msr in Msr if msr.name.startswith("X2APIC_IRR"))


class Receiver(wiring.Component):
    """All registers of the flavour, and the requests that need nothing else.

    A CSR, TRAP or URET request, and CLUI, STUI and TESTUI, are answered in the cycle in which they
    are presented; what they change is seen from the next cycle on. UIRR gains bits, at the end of
    the cycle, by ``merge`` and by the user timer, after everything else: a bit that a delivery
    takes in the same cycle stays.

    Members
    -------
    privilege : level of the code that runs
    start : ``request`` is one of the above, to be done in this cycle
    request : what to do
    answer : how it ended, in the same cycle
    sends : the request is a good write of X2APIC_ICR, which ends when the fabric has accepted it
    interrupt : a user interrupt can be delivered
    merge, merged : notification processing ends in this cycle, with these requests
    refused, cause, lost : to the fault register
    irr, highest : of the pending interrupts
    acknowledges : the request takes the highest ordinary interrupt, if it starts
    enabled : CR4.UINTR
    tt, misc, pd : UINTR_TT, UINTR_MISC, UINTR_PD
    restless : the TSC counts, or the user-timer event is processed
    words, uif, uirrv, event : registers, and what the user timer sets in UIRR at the end of this
        cycle; for a specification to see
    """

    def __init__(self) -> None:
        self.words = {msr: Signal(XLEN, name=msr.name.lower()) for msr in _STORED}
        self.uif = Signal()
        self.uirrv = Signal(6)
        self.event = Signal(XLEN)
        super().__init__(
            {
                "privilege": In(2),
                "start": In(1),
                "request": In(REQUEST),
                "answer": Out(ANSWER),
                "sends": Out(1),
                "interrupt": Out(1),
                "merge": In(1),
                "merged": In(XLEN),
                "refused": In(1),
                "cause": In(Fault),
                "lost": In(1),
                "irr": In(VECTOR_COUNT),
                "highest": In(8),
                "acknowledges": Out(1),
                "enabled": Out(1),
                "tt": Out(layout(MSRS[Msr.UINTR_TT])),
                "misc": Out(layout(MSRS[Msr.UINTR_MISC])),
                "pd": Out(layout(MSRS[Msr.UINTR_PD])),
                "restless": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Levels, then one step for each kind of request, then what UIRR becomes."""
        m = Module()
        m.submodules.timer = timer = UserTimer()
        m.submodules.faults = faults = FaultRegister()
        words = self.words
        uirr = words[Msr.UINTR_RR]
        user = Signal()
        m.d.comb += [
            user.eq(self.privilege == Privilege.U),
            self.tt.eq(words[Msr.UINTR_TT]),
            self.misc.eq(words[Msr.UINTR_MISC]),
            self.pd.eq(words[Msr.UINTR_PD]),
            self.interrupt.eq(user & self.uif & self.enabled & uirr.any()),
            self.restless.eq(timer.counting | timer.due),
            timer.allowed.eq(user & self.enabled & self.uif),
            timer.word.eq(self.request.data),
            faults.refused.eq(self.refused),
            faults.cause.eq(self.cause),
            faults.lost.eq(self.lost),
        ]

        kept = Signal(XLEN)  # UIRR after the request
        m.d.comb += kept.eq(uirr)
        with m.Switch(self.request.kind):
            with m.Case(RequestKind.CSR):
                self._access(m, timer, faults, kept, user)
            with m.Case(RequestKind.TRAP):
                self._deliver(m, kept)
            with m.Case(RequestKind.URET):
                with m.If(~self.enabled):
                    m.d.comb += self._end(Status.UD)
                with m.Elif(~canonical(self.request.data)):
                    m.d.comb += self._end(Status.GP)
                with m.Else():
                    m.d.comb += self._end(Status.OK, self.request.data)
                    with m.If(self.start):
                        m.d.sync += self.uif.eq(1)
            with m.Case(RequestKind.UIPI):
                self._flag(m)
        m.d.comb += self.event.eq(timer.event)
        m.d.sync += uirr.eq(kept | Mux(self.merge, self.merged, 0) | self.event)
        return m

    def _end(self, status: Any, answer: Any = 0) -> list[Any]:
        return [self.answer.status.eq(status), self.answer.data.eq(answer)]

    def _deliver(self, m: Module, kept: Any) -> None:
        """The highest vector of UIRR."""
        uirr = self.words[Msr.UINTR_RR]
        vector = Signal(6)
        for place in range(XLEN):
            with m.If(uirr[place]):  # the last, and so the highest, wins
                m.d.comb += vector.eq(place)
        with m.If(self.interrupt):
            m.d.comb += self._end(Status.OK, self.words[Msr.UINTR_HANDLER])
        with m.Else():
            m.d.comb += self._end(Status.NOT_PENDING)
        with m.If(self.start & self.interrupt):
            m.d.comb += kept.eq(uirr & ~(1 << vector))
            m.d.sync += [self.uirrv.eq(vector), self.uif.eq(0)]

    def _flag(self, m: Module) -> None:
        """CLUI, STUI, TESTUI, and what is no instruction at all."""
        known = self.request.function.matches(
            Instruction.CLUI, Instruction.STUI, Instruction.TESTUI
        )
        with m.If(~self.enabled | ~known):
            m.d.comb += self._end(Status.UD)
        with m.Elif(self.request.function == Instruction.TESTUI):
            m.d.comb += self._end(Status.OK, self.uif)
        with m.Else():
            m.d.comb += self._end(Status.OK)
            with m.If(self.start):
                m.d.sync += self.uif.eq(self.request.function == Instruction.STUI)

    def _access(self, m: Module, timer: Any, faults: Any, kept: Any, user: Any) -> None:
        """RDMSR, WRMSR, internal registers."""
        number, word = self.request.address, self.request.data
        write = Signal()
        allowed = Signal()
        before = Signal(XLEN)
        changes = Signal()  # the write takes place at the end of this cycle
        m.d.comb += [
            write.eq(self.request.function == CsrFunction.WRITE),
            changes.eq(self.start & write & allowed),
        ]
        shown: dict[int, Any] = {
            **{msr.value: stored for msr, stored in self.words.items()},
            Msr.UINTR_TIMER: timer.timer,
            **dict.fromkeys(_IRRS, 0),
            _IRRS[-1]: self.irr,
            Internal.UIRRV: self.uirrv,
            Internal.CR4: self.enabled << INTERNAL_REGISTERS[Internal.CR4].field("uintr").lsb,
            Internal.ACKNOWLEDGE: self.highest,
            Internal.TSC: timer.tsc,
            Internal.FAULT: faults.word.as_value() & FAULT.mask("ro"),
        }
        well_formed = {
            msr: ~(word & register.mask("reserved")).any()
            & (canonical(word) if msr in _CANONICAL else 1)
            for msr, register in MSRS.items()
        }
        registers: dict[int, Register] = {
            each.address: each for each in (*MSRS.values(), *INTERNAL_REGISTERS.values())
        }
        internal = Signal()
        known = Signal()
        with m.Switch(number):
            for each in (*Msr, *Internal):
                with m.Case(each):
                    writable = registers[each].mask() != 0
                    writable |= each is Internal.FAULT
                    if isinstance(each, Internal):
                        m.d.comb += internal.eq(1)
                        good: Any = 1
                    else:
                        good = well_formed[each]
                    m.d.comb += [
                        known.eq(Mux(write, good if writable else 0, each in shown)),
                        before.eq(shown.get(each, 0)),
                    ]
        m.d.comb += allowed.eq(known & (internal | ~user))

        with m.If(~self.request.function.matches(CsrFunction.READ, CsrFunction.WRITE)):
            m.d.comb += self._end(Status.ILLEGAL)
        with m.Elif(~allowed):
            m.d.comb += self._end(Status.GP)
        with m.Else():
            m.d.comb += [
                *self._end(Status.OK, Mux(write, 0, before)),
                self.acknowledges.eq((number == Internal.ACKNOWLEDGE) & ~write),
                self.sends.eq((number == Msr.X2APIC_ICR) & write),
            ]

        with m.If(changes), m.Switch(number):
            with m.Case(Msr.UINTR_RR):
                m.d.comb += kept.eq(word)
            for msr in _STORED:
                if msr is not Msr.UINTR_RR:
                    with m.Case(msr):
                        m.d.sync += self.words[msr].eq(word)
            with m.Case(Msr.UINTR_TIMER):
                m.d.comb += timer.write_timer.eq(1)
            with m.Case(Internal.TSC):
                m.d.comb += timer.write_tsc.eq(1)
            with m.Case(Internal.FAULT):
                m.d.comb += faults.clear.eq(1)
            with m.Case(Internal.CR4):
                cr4 = data.View(layout(INTERNAL_REGISTERS[Internal.CR4]), word)
                m.d.sync += self.enabled.eq(cr4.uintr)

"""The last stage: where instructions end, and everything that has an effect begins."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rv64.access import work
from rv64.csr import CsrFile
from rv64.encoding import Cause, Kind
from rv64.first_step import first_step
from rv64.guess import Guess
from rv64.memory_unit import Operation
from rv64.outcome import Outcome, Source
from rv64.port_states import port_states
from rv64.store_buffer import STORE
from rv64.tlb import SPACE
from rv64.walker import WalkPort
from uintr.interfaces import HartPort
from uintr.registers import (
    XLEN,
    CsrFunction,
    RequestKind,
    Status,
)

__all__ = ["Commit"]


class Commit(wiring.Component):
    """Ends one instruction after the other.

    Only here stores go out, devices are touched, registers and CSRs change, traps are taken and the
    HartPort is asked; and everything ahead is done by then. So nothing that is not to be executed
    reaches the port, and each of its answers is used once.

    An instruction that is complete leaves after one cycle. A store to main memory does if the store
    buffer has room. Anything else makes the pipeline ``hold``; what it brings is then in
    ``last.value``, and in the next cycle it is complete. A redirection voids all that is behind.

    In an instruction's first cycle here, before anything else: a halt, an interrupt of a higher
    privilege. The trap is taken in its place.

    A user interrupt is taken in the place of an instruction that was ``interrupted`` when it left
    the third stage: what comes behind it is the handler, as far as that could be guessed. So the
    port is asked while the handler is fetched. It goes elsewhere if the port answers something
    else, and back to the instruction if there is no interrupt any more.

    Members
    -------
    finished : from the fourth stage
    last : the instruction here
    hold : nothing behind may move
    redirect, target : everything behind is void, and goes on there
    write : ``last.rd`` gets ``last.value``
    store : stream to the store buffer
    drained : it is empty
    start, operation, done, value, failed : the memory unit
    walk, space : asks for a translation, in the address space of accesses
    flush_tlb : forget all translations
    invalidate, invalidated : of the instruction cache
    port : the HartPort
    halt_request, halt_step, halted, waiting : see `Soc`
    retire, entered : an instruction outcome.ends in this cycle; a trap or user interrupt is entered
    mode : the privilege in which the instruction here came
    cause : with ``entered``: mcause's or ucause's value
    status : how the port answered last
    csr, guess : the registers; who is interrupted
    """

    def __init__(self, *, ways: int) -> None:
        self.csr = CsrFile()
        self.guess = Guess()
        self.resume_pc = Signal(XLEN)
        super().__init__(
            {
                "finished": In(work(ways)),
                "last": Out(work(ways)),
                "hold": Out(1),
                "redirect": Out(1),
                "target": Out(XLEN),
                "write": Out(1),
                "store": Out(stream.Signature(STORE)),
                "drained": In(1),
                "start": Out(1),
                "operation": Out(Operation),
                "done": In(1),
                "value": In(XLEN),
                "failed": In(1),
                "walk": Out(WalkPort()),
                "space": In(SPACE),
                "flush_tlb": Out(1),
                "invalidate": Out(1),
                "invalidated": In(1),
                "port": Out(HartPort()),
                "halt_request": In(1),
                "halt_step": In(1),
                "halted": Out(1),
                "waiting": Out(1),
                "retire": Out(1),
                "mode": Out(2),
                "entered": Out(1),
                "cause": Out(XLEN),
                "status": Out(Status),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """What is always connected, then one state for each thing that is waited for."""
        m = Module()
        m.submodules.csr = csr = self.csr
        m.submodules.guess = guess = self.guess
        last, kind, raw = self.last, self.last.kind, self.last.raw
        request, response = self.port.request, self.port.response

        outcome = Outcome(m, self, csr)
        complete, leaves = outcome.complete, outcome.leaves
        stores = Signal()  # nothing but to put a store into the buffer
        halts = Signal()
        budget = Signal()  # one step is allowed, while halting is requested
        stops = Signal()  # first cycle here, and a halt or an interrupt comes first
        stays = Signal()
        legal = Signal()

        m.d.comb += [
            self.store.valid.eq(stores),
            self.retire.eq(outcome.ends | complete | (stores & self.store.ready)),
            stays.eq(last.valid & ~leaves & ~complete & ~(stores & self.store.ready)),
            # Until a guessed handler has come as far as the fourth stage, there is nothing to hold.
            self.hold.eq(stays & (self.finished.valid | ~last.interrupted)),
            self.write.eq(self.retire),
            self.store.payload.address.eq(last.address[3:]),
            self.store.payload.mask.eq(last.mask),
            self.store.payload.data.eq(last.word),
            self.port.privilege.eq(csr.privilege),
            self.walk.address.eq(last.virtual),
            self.walk.space.eq(self.space),
            csr.number.eq(raw[20:]),
            csr.function.eq(raw[12:14]),
            csr.writes.eq((raw[12:14] == CsrFunction.WRITE) | raw[15:20].any()),
            csr.operand.eq(last.value),
            csr.trap_cause.eq(outcome.trap_cause),
            csr.trap_interrupt.eq(outcome.trap_interrupt),
            csr.trap_pc.eq(last.pc),
            csr.trap_value.eq(
                last.virtual & outcome.shows_virtual.replicate(XLEN)
                | raw & outcome.shows_raw.replicate(32)
            ),
            csr.returns.eq(kind.matches(Kind.MRET, Kind.SRET)),
            request.payload.data.eq(Mux(last.interrupted, last.pc, last.value)),
            self.cause.eq(outcome.trap_cause),
            self.cause[-1].eq(outcome.trap_interrupt),
        ]
        # A halt or an interrupt: known a cycle before.
        will_halt = self.halt_request & ~(budget & ~self.retire & ~self.entered)
        will_stop = will_halt | csr.interrupt
        m.d.sync += [halts.eq(will_halt), legal.eq(csr.legal), stops.eq(0)]
        m.d.sync += csr.retire.eq(self.retire)  # a cycle late, which nobody can see
        m.d.sync += [leaves.eq(0), outcome.ends.eq(0), self.redirect.eq(0), self.entered.eq(0)]
        with m.If(~stays):
            whole = self.finished.valid & ~self.finished.interrupted & ~will_stop
            m.d.sync += [
                last.eq(self.finished),
                stops.eq(self.finished.valid & will_stop),
                complete.eq(whole & self.finished.complete),
                stores.eq(whole & self.finished.stores),
                self.mode.eq(csr.privilege),
            ]
        with m.If(self.redirect):
            m.d.sync += [last.valid.eq(0), stops.eq(0), complete.eq(0), stores.eq(0)]
        with m.If(self.retire | self.entered):
            m.d.sync += budget.eq(0)

        user_interrupt = self.port.interrupt & csr.user_delegated

        m.d.comb += [
            guess.line.eq(user_interrupt),
            guess.settled.eq(self.redirect | self.entered),
            guess.retire.eq(self.retire),
            guess.value.eq(last.value),
        ]

        with m.FSM():
            with m.State("RUN"), m.If(last.valid & ~leaves):
                with m.If(stops):
                    with m.If(halts):
                        m.d.sync += self.resume_pc.eq(last.pc)
                        m.next = "HALT"
                    with m.Elif(csr.interrupt):
                        outcome.trap(csr.interrupt_cause, interrupt=1)
                    with m.Else():  # it is gone
                        outcome.go()
                with m.Elif(last.interrupted):
                    with m.If(user_interrupt):
                        outcome.ask(RequestKind.TRAP)
                        with m.If(request.ready):
                            m.next = "USER"
                    with m.Else():
                        outcome.go()
                with m.Elif(complete | stores):
                    pass
                with m.Elif(last.fault.valid):
                    outcome.trap(last.fault.cause, virtual=1)
                with m.Elif(last.walk):
                    m.next = "WALK"
                with m.Else():
                    first_step(m, self, outcome, csr)

            # A trap of machine or supervisor.
            with m.State("TRAP"):
                m.d.comb += csr.trap.eq(1)
                m.d.sync += self.entered.eq(1)
                outcome.go(Source.CSR)

            # A user interrupt. What the port says is pending no more was none.
            with m.State("USER"), m.If(response.valid):
                with m.If(response.payload.status == Status.OK):
                    outcome.go(Source.ANSWER)
                    m.d.sync += [
                        self.entered.eq(1),
                        outcome.trap_cause.eq(0),
                        outcome.trap_interrupt.eq(1),
                        self.redirect.eq(response.payload.data != guess.handler),
                    ]
                with m.Else():
                    m.d.comb += guess.denies.eq(1)
                    outcome.go()

            with m.State("MEMORY"), m.If(self.done):
                with m.If(self.failed):
                    outcome.trap(
                        Mux(kind == Kind.LOAD, Cause.LOAD_ACCESS, Cause.STORE_ACCESS), virtual=1
                    )
                with m.Else():
                    outcome.result()

            with m.State("WALK"):
                m.d.comb += self.walk.wanted.eq(1)
                with m.If(self.walk.done):
                    with m.If(self.walk.fault):
                        is_load = (kind == Kind.LOAD) | ((kind == Kind.ATOMIC) & (raw[27:] == 2))
                        page = Mux(is_load, Cause.LOAD_PAGE, Cause.STORE_PAGE)
                        access = Mux(is_load, Cause.LOAD_ACCESS, Cause.STORE_ACCESS)
                        outcome.trap(Mux(self.walk.access, access, page), virtual=1)
                    with m.Else():
                        outcome.go()

            with m.State("FENCE_I"), m.If(self.done):
                m.next = "INVALIDATE"
            with m.State("INVALIDATE"):
                m.d.comb += self.invalidate.eq(1)
                with m.If(self.invalidated):
                    outcome.end()

            with m.State("SFENCE"), m.If(self.done):
                m.d.comb += self.flush_tlb.eq(1)
                outcome.end()

            with m.State("OWN_CSR"):
                with m.If(legal):
                    outcome.access_csr()
                with m.Else():
                    outcome.illegal()

            port_states(m, self, outcome, csr=csr, guess=guess, legal=legal)

            with m.State("WAIT"):
                m.d.comb += self.waiting.eq(1)
                with m.If(csr.wakes | user_interrupt | self.halt_request):
                    m.d.sync += complete.eq(1)
                    m.next = "RUN"

            # A debugger looks, and may change registers and `resume_pc`.
            with m.State("HALT"):
                m.d.comb += self.halted.eq(self.drained)
                with m.If(self.halted & (~self.halt_request | self.halt_step)):
                    m.d.sync += budget.eq(self.halt_step)
                    outcome.go(Source.RESUME)

        # What a register gets, and where to go on: each has one place where it is chosen.
        from_csr = csr.value & (kind == Kind.CSR).replicate(XLEN)
        from_port = response.payload.data & response.valid.replicate(XLEN)
        from_memory = self.value & self.done.replicate(XLEN)
        with m.If(outcome.answers):
            m.d.sync += last.value.eq(from_csr | from_port | from_memory)
        anew = kind.matches(Kind.CSR, Kind.FENCE_I, Kind.SFENCE) & ~last.interrupted & ~stops
        step = Mux(anew, Mux(raw[:2] == 3, 4, 2), 0)
        with m.Switch(outcome.source):
            with m.Case(Source.PC):
                m.d.sync += self.target.eq(last.pc + step)
            with m.Case(Source.CSR):
                m.d.sync += self.target.eq(csr.goes_to)
            with m.Case(Source.ANSWER):
                m.d.sync += self.target.eq(response.payload.data)
            with m.Case(Source.RESUME):
                m.d.sync += self.target.eq(self.resume_pc)

        # Translations hold what PMP allowed.
        with m.If(csr.access & csr.writes & (raw[25:] == 0x3A0 >> 5)):
            m.d.comb += self.flush_tlb.eq(1)
        return m

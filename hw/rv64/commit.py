"""The last stage: where instructions end, and everything that has an effect begins."""

from enum import IntEnum
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rv64.access import work
from rv64.csr import CsrFile
from rv64.encoding import Cause, Kind
from rv64.guess import Guess
from rv64.memory_unit import Operation
from rv64.store_buffer import STORE
from rv64.tlb import SPACE
from rv64.walker import WalkPort
from uintr.interfaces import HartPort
from uintr.registers import (
    UIPI_FUNCT3,
    XLEN,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
)

__all__ = ["Commit"]

_FUNCTION_MOST = 0x7F


class _Source(IntEnum):
    """Where a redirection's target comes from."""

    PC = 0  #: the instruction here, or what is behind it if that is to be fetched anew
    CSR = 1  #: a trap's handler, or where it came from
    ANSWER = 2  #: the HartPort's
    RESUME = 3  #: a debugger's


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
    retire, entered : an instruction ends in this cycle; a trap or user interrupt is entered
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

        complete = Signal()  # nothing is left to do
        stores = Signal()  # nothing but to put a store into the buffer
        leaves = Signal()  # it ends here, or is given up, as it was decided in the cycle before
        ends = Signal()  # and retires
        halts = Signal()
        budget = Signal()  # one step is allowed, while halting is requested
        trap_cause, trap_interrupt = Signal(4), Signal()
        shows_raw, shows_virtual = Signal(), Signal()  # what the trap's value is, or 0
        source = Signal(_Source)
        answers = Signal()
        stops = Signal()  # first cycle here, and a halt or an interrupt comes first
        stays = Signal()
        legal = Signal()

        m.d.comb += [
            self.store.valid.eq(stores),
            self.retire.eq(ends | complete | (stores & self.store.ready)),
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
            csr.trap_cause.eq(trap_cause),
            csr.trap_interrupt.eq(trap_interrupt),
            csr.trap_pc.eq(last.pc),
            csr.trap_value.eq(
                last.virtual & shows_virtual.replicate(XLEN) | raw & shows_raw.replicate(32)
            ),
            csr.returns.eq(kind.matches(Kind.MRET, Kind.SRET)),
            request.payload.data.eq(Mux(last.interrupted, last.pc, last.value)),
            self.cause.eq(trap_cause),
            self.cause[-1].eq(trap_interrupt),
        ]
        # A halt or an interrupt: known a cycle before.
        will_halt = self.halt_request & ~(budget & ~self.retire & ~self.entered)
        will_stop = will_halt | csr.interrupt
        m.d.sync += [halts.eq(will_halt), legal.eq(csr.legal), stops.eq(0)]
        m.d.sync += csr.retire.eq(self.retire)  # a cycle late, which nobody can see
        m.d.sync += [leaves.eq(0), ends.eq(0), self.redirect.eq(0), self.entered.eq(0)]
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

        def go(where: _Source = _Source.PC) -> None:
            m.d.comb += source.eq(where)
            m.d.sync += [leaves.eq(1), self.redirect.eq(1)]
            m.next = "RUN"

        def end(where: _Source = _Source.PC) -> None:
            go(where)
            m.d.sync += ends.eq(1)

        def trap(cause: Any, *, virtual: int = 0, word: int = 0, interrupt: int = 0) -> None:
            m.d.sync += [
                trap_cause.eq(cause),
                shows_virtual.eq(virtual),
                shows_raw.eq(word),
                trap_interrupt.eq(interrupt),
            ]
            m.next = "TRAP"

        def illegal() -> None:
            trap(Cause.ILLEGAL, word=1)

        def ask(kind: RequestKind, function: Any = 0, address: Any = 0) -> None:
            m.d.comb += [
                request.valid.eq(1),
                request.payload.kind.eq(kind),
                request.payload.function.eq(function),
                request.payload.address.eq(address),
            ]

        def result() -> None:
            m.d.comb += answers.eq(1)
            m.d.sync += complete.eq(1)
            m.next = "RUN"

        def access_csr() -> None:
            m.d.comb += csr.access.eq(1)
            result()
            with m.If(csr.flush):
                m.d.sync += complete.eq(0)
                end()

        def memory(operation: Operation, then: str = "MEMORY") -> None:
            m.d.comb += [self.start.eq(1), self.operation.eq(operation)]
            m.next = then

        supervisor = csr.privilege != Privilege.U
        only_machine = csr.privilege == Privilege.M
        user_interrupt = self.port.interrupt & csr.user_delegated

        m.d.comb += [
            guess.line.eq(user_interrupt),
            guess.settled.eq(self.redirect | self.entered),
            guess.retire.eq(self.retire),
            guess.value.eq(last.value),
        ]

        # UIPI: R-type in either funct3, or the function in an immediate of twelve bits.
        in_immediate = (raw[12:15] != UIPI_FUNCT3) & raw[20:25].any()
        function = Mux(in_immediate, Mux(raw[27:].any(), _FUNCTION_MOST, raw[20:27]), raw[25:])

        with m.FSM():
            with m.State("RUN"), m.If(last.valid & ~leaves):
                with m.If(stops):
                    with m.If(halts):
                        m.d.sync += self.resume_pc.eq(last.pc)
                        m.next = "HALT"
                    with m.Elif(csr.interrupt):
                        trap(csr.interrupt_cause, interrupt=1)
                    with m.Else():  # it is gone
                        go()
                with m.Elif(last.interrupted):
                    with m.If(user_interrupt):
                        ask(RequestKind.TRAP)
                        with m.If(request.ready):
                            m.next = "USER"
                    with m.Else():
                        go()
                with m.Elif(complete | stores):
                    pass
                with m.Elif(last.fault.valid):
                    trap(last.fault.cause, virtual=1)
                with m.Elif(last.walk):
                    m.next = "WALK"
                with m.Else(), m.Switch(kind):
                    with m.Case(Kind.LOAD):
                        with m.If(last.device):
                            memory(Operation.LOAD)
                        with m.Else():
                            memory(Operation.FILL)
                    with m.Case(Kind.STORE):
                        memory(Operation.STORE)
                    with m.Case(Kind.ATOMIC):
                        memory(Operation.ATOMIC)
                    with m.Case(Kind.FENCE):
                        memory(Operation.DRAIN)
                    with m.Case(Kind.FENCE_I):
                        memory(Operation.DRAIN, "FENCE_I")
                    with m.Case(Kind.SFENCE):
                        with m.If(supervisor & (only_machine | ~csr.tvm)):
                            memory(Operation.DRAIN, "SFENCE")
                        with m.Else():
                            illegal()

                    with m.Case(Kind.CSR):
                        m.next = "OWN_CSR"
                        with m.If(csr.behind):
                            m.next = "CSR"
                    with m.Case(Kind.UIPI):
                        m.next = "UIPI"
                        with m.If(~self.drained):
                            memory(Operation.DRAIN, "DRAIN")

                    with m.Case(Kind.ECALL):
                        trap(Const(Cause.ECALL_U, 4) + csr.privilege)
                    with m.Case(Kind.EBREAK):
                        trap(Cause.BREAKPOINT, virtual=1)
                    with m.Case(Kind.MRET):
                        with m.If(only_machine):
                            m.d.comb += csr.mret.eq(1)
                            end(_Source.CSR)
                        with m.Else():
                            illegal()
                    with m.Case(Kind.SRET):
                        with m.If(supervisor & (only_machine | ~csr.tsr)):
                            m.d.comb += csr.sret.eq(1)
                            end(_Source.CSR)
                        with m.Else():
                            illegal()
                    with m.Case(Kind.URET):
                        m.next = "URET"
                    with m.Case(Kind.WFI):
                        with m.If(supervisor & (only_machine | ~csr.tw)):
                            m.next = "WAIT"
                        with m.Else():
                            illegal()
                    with m.Default():
                        illegal()

            # A trap of machine or supervisor.
            with m.State("TRAP"):
                m.d.comb += csr.trap.eq(1)
                m.d.sync += self.entered.eq(1)
                go(_Source.CSR)

            # A user interrupt. What the port says is pending no more was none.
            with m.State("USER"), m.If(response.valid):
                with m.If(response.payload.status == Status.OK):
                    go(_Source.ANSWER)
                    m.d.sync += [
                        self.entered.eq(1),
                        trap_cause.eq(0),
                        trap_interrupt.eq(1),
                        self.redirect.eq(response.payload.data != guess.handler),
                    ]
                with m.Else():
                    m.d.comb += guess.denies.eq(1)
                    go()

            with m.State("MEMORY"), m.If(self.done):
                with m.If(self.failed):
                    trap(Mux(kind == Kind.LOAD, Cause.LOAD_ACCESS, Cause.STORE_ACCESS), virtual=1)
                with m.Else():
                    result()

            with m.State("WALK"):
                m.d.comb += self.walk.wanted.eq(1)
                with m.If(self.walk.done):
                    with m.If(self.walk.fault):
                        is_load = (kind == Kind.LOAD) | ((kind == Kind.ATOMIC) & (raw[27:] == 2))
                        page = Mux(is_load, Cause.LOAD_PAGE, Cause.STORE_PAGE)
                        access = Mux(is_load, Cause.LOAD_ACCESS, Cause.STORE_ACCESS)
                        trap(Mux(self.walk.access, access, page), virtual=1)
                    with m.Else():
                        go()

            with m.State("FENCE_I"), m.If(self.done):
                m.next = "INVALIDATE"
            with m.State("INVALIDATE"):
                m.d.comb += self.invalidate.eq(1)
                with m.If(self.invalidated):
                    end()

            with m.State("SFENCE"), m.If(self.done):
                m.d.comb += self.flush_tlb.eq(1)
                end()

            with m.State("OWN_CSR"):
                with m.If(legal):
                    access_csr()
                with m.Else():
                    illegal()

            # At the port: part of a CSR or all of it.
            with m.State("CSR"):
                with m.If(legal):
                    ask(
                        RequestKind.CSR,
                        function=Mux(csr.writes, raw[12:14], CsrFunction.READ),
                        address=csr.port_number,
                    )
                with m.Else():
                    illegal()
                with m.If(legal & request.ready):
                    writes = raw[12:14] == CsrFunction.WRITE
                    m.d.comb += guess.write.eq((csr.port_number == Csr.UTVEC) & writes)
                    m.next = "CSR_ANSWER"
            with m.State("CSR_ANSWER"), m.If(response.valid):
                m.d.sync += self.status.eq(response.payload.status)
                with m.If(response.payload.status == Status.OK):
                    access_csr()
                with m.Else():
                    illegal()

            with m.State("DRAIN"), m.If(self.done):
                m.next = "UIPI"
            with m.State("UIPI"):
                ask(RequestKind.UIPI, function=function)
                with m.If(request.ready):
                    m.next = "ANSWER"
            with m.State("ANSWER"), m.If(response.valid):
                m.d.sync += self.status.eq(response.payload.status)
                with m.If(response.payload.status == Status.ILLEGAL):
                    illegal()
                with m.Else():
                    result()

            with m.State("URET"):
                ask(RequestKind.URET)
                with m.If(request.ready):
                    m.next = "URET_ANSWER"
            with m.State("URET_ANSWER"), m.If(response.valid):
                m.d.sync += self.status.eq(response.payload.status)
                m.d.comb += csr.uret.eq(1)
                end(_Source.ANSWER)

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
                    go(_Source.RESUME)

        # What a register gets, and where to go on: each has one place where it is chosen.
        from_csr = csr.value & (kind == Kind.CSR).replicate(XLEN)
        from_port = response.payload.data & response.valid.replicate(XLEN)
        from_memory = self.value & self.done.replicate(XLEN)
        with m.If(answers):
            m.d.sync += last.value.eq(from_csr | from_port | from_memory)
        anew = kind.matches(Kind.CSR, Kind.FENCE_I, Kind.SFENCE) & ~last.interrupted & ~stops
        step = Mux(anew, Mux(raw[:2] == 3, 4, 2), 0)
        with m.Switch(source):
            with m.Case(_Source.PC):
                m.d.sync += self.target.eq(last.pc + step)
            with m.Case(_Source.CSR):
                m.d.sync += self.target.eq(csr.goes_to)
            with m.Case(_Source.ANSWER):
                m.d.sync += self.target.eq(response.payload.data)
            with m.Case(_Source.RESUME):
                m.d.sync += self.target.eq(self.resume_pc)

        # Translations hold what PMP allowed.
        with m.If(csr.access & csr.writes & (raw[25:] == 0x3A0 >> 5)):
            m.d.comb += self.flush_tlb.eq(1)
        return m

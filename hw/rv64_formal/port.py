"""Properties of the last stage at the HartPort, whatever the stages ahead bring and whatever
memory, walker and port answer.

* a request is made only for the instruction in the last stage, which nothing older can void, and
  never for one with a fault; but for TRAP, only for UIPI, URET, and CSRs that the port has;
* it stays as it is until it is accepted, and no other one follows before its answer;
* from then to its answer the instruction neither ends nor is replaced;
* UIPI and URET end after exactly one request and its answer, a CSR access after at most one;
* a user interrupt is entered in the place of an instruction that was interrupted, after the port
  agreed, and goes where the port said; what was interrupted does not retire;
* an exception is entered, and an instruction retires, only where there is an instruction, and never
  both at once; what is redirected away is void in the next cycle.
"""

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Cover, Module, Signal, Value

from rv64.commit import Commit
from rv64.encoding import Kind
from uintr.registers import RequestKind, Status
from uintr_formal.specification import Specification

__all__ = ["PortSpec"]


class PortSpec(Specification):
    """Checks `Commit`."""

    def specify(self, m: Module) -> None:
        """Free inputs with the contract of who drives them, then a shadow of the port."""
        m.submodules.dut = dut = Commit(ways=1)
        request, response = dut.port.request, dut.port.response
        csr = dut.csr
        for signal in (
            *(
                dut.finished,
                dut.guess.passes,
                dut.drained,
                dut.done,
                dut.value,
                dut.failed,
                dut.space,
            ),
            *(dut.walk.done, dut.walk.fault, dut.walk.access, dut.invalidated),
            *(dut.halt_request, dut.halt_step, dut.store.ready, request.ready),
            *(response.valid, response.payload.data, response.payload.status, dut.port.interrupt),
            *(dut.port.supervisor_interrupt, csr.mtime, csr.msip, csr.mtip, csr.ssip),
        ):
            bits = Value.cast(signal)
            m.d.comb += bits.eq(AnySeq(len(bits)))

        # The fourth stage completes what needs no more than a lookup, and nothing with a fault.
        finished, accesses = dut.finished, (Kind.LOAD, Kind.STORE, Kind.ATOMIC)
        number = Value.cast(finished.kind)
        m.d.comb += [
            Assume(~finished.complete | ((number <= Kind.LOAD.value) & ~finished.fault.valid)),
            Assume(
                ~finished.stores
                | ((finished.kind == Kind.STORE) & ~finished.fault.valid & ~finished.walk)
            ),
            Assume(
                ~finished.walk
                | (number.matches(*(each.value for each in accesses)) & ~finished.fault.valid)
            ),
        ]

        waiting = Signal()  # a request is accepted and not answered
        kind = Signal(RequestKind)
        accepted = request.valid & request.ready
        with m.If(accepted):
            m.d.sync += [waiting.eq(1), kind.eq(request.payload.kind)]
        with m.Elif(response.valid):
            m.d.sync += waiting.eq(0)
        m.d.comb += [
            Assume(~response.valid | waiting),
            Assume(~request.ready | ~waiting),
            # The port refuses no return.
            Assume(
                ~(response.valid & (kind == RequestKind.URET))
                | (response.payload.status == Status.OK)
            ),
        ]

        last = dut.last
        pc, raw, had = Signal(64), Signal(32), Signal()
        held = Signal()
        m.d.sync += [pc.eq(last.pc), raw.eq(last.raw), had.eq(last.valid), held.eq(dut.hold)]
        with m.If(held):
            m.d.comb += Assert(last.valid & (last.pc == pc) & (last.raw == raw))

        # Requests.
        is_trap = request.payload.kind == RequestKind.TRAP
        with m.If(request.valid):
            m.d.comb += [
                Assert(last.valid),
                Assert(~waiting),
                Assert(is_trap | ~last.fault.valid),
                Assert(
                    is_trap
                    | ((request.payload.kind == RequestKind.UIPI) & (last.kind == Kind.UIPI))
                    | ((request.payload.kind == RequestKind.URET) & (last.kind == Kind.URET))
                    | (
                        (request.payload.kind == RequestKind.CSR)
                        & (last.kind == Kind.CSR)
                        & csr.legal
                        & csr.behind
                    )
                ),
            ]
        stalled = Signal()
        payload = request.payload
        fields = (payload.kind, payload.function, payload.address, payload.data)
        before = [Signal.like(Value.cast(each)) for each in fields]
        m.d.sync += stalled.eq(request.valid & ~request.ready)
        m.d.sync += [old.eq(new) for old, new in zip(before, fields, strict=True)]
        with m.If(stalled & request.valid & (payload.kind == before[0])):
            m.d.comb += [
                Assert(old == new) for old, new in zip(before[1:], fields[1:], strict=True)
            ]
        with m.If(waiting):
            m.d.comb += Assert(last.valid)
            with m.If(~response.valid):
                m.d.comb += [Assert(~dut.retire), Assert(~dut.redirect)]

        # How many requests the instruction here has made, and whether the last one was answered.
        made = Signal(3)
        counts = accepted & ~is_trap
        with m.If(~dut.hold):
            m.d.sync += made.eq(0)
        with m.Elif(counts):
            m.d.sync += made.eq(made + ~made.all())
        with m.If(dut.retire):
            m.d.comb += [
                Assert(last.valid & ~dut.entered),
                Assert(~waiting | response.valid),
            ]
            with m.Switch(last.kind):
                with m.Case(Kind.UIPI, Kind.URET):
                    m.d.comb += Assert((made == 1) & ~accepted)
                with m.Case(Kind.CSR):
                    m.d.comb += Assert(made <= 1)
                with m.Default():
                    m.d.comb += Assert(made == 0)
        # A user interrupt is entered after its answer. What is behind it stays if that was guessed,
        # and has been fetched since the guess became what it is.
        agreed, answer, changed, guess = Signal(), Signal(64), Signal(), Signal(64)
        with m.If(response.valid & (kind == RequestKind.TRAP)):
            m.d.sync += [
                agreed.eq(response.payload.status == Status.OK),
                answer.eq(response.payload.data),
            ]
        with m.Else():
            m.d.sync += agreed.eq(0)
        m.d.sync += guess.eq(dut.guess.handler)
        with m.If(dut.redirect):
            m.d.sync += changed.eq(0)
        with m.Elif(guess != dut.guess.handler):
            m.d.sync += changed.eq(1)
        by_port = dut.entered & (dut.cause == 1 << 63)
        m.d.comb += Assert(agreed == by_port)
        with m.If(by_port):
            m.d.comb += Assert(last.interrupted)
            with m.If(dut.redirect):
                m.d.comb += Assert(dut.target == answer)
            with m.Else():
                m.d.comb += Assert(
                    (dut.guess.handler == answer) & ~changed & (guess == dut.guess.handler)
                )
        with m.If(dut.entered):
            m.d.comb += Assert(last.valid & ~dut.hold & (by_port | dut.redirect))
        with m.If(dut.retire):
            m.d.comb += Assert(~last.interrupted)
        redirected = Signal()
        m.d.sync += redirected.eq(dut.redirect)
        with m.If(redirected):
            m.d.comb += Assert(~last.valid)

        for each in (Kind.UIPI, Kind.URET, Kind.CSR):
            m.d.comb += Cover(dut.retire & (last.kind == each) & (made == 1))
        m.d.comb += [
            Cover(by_port & dut.redirect),
            Cover(by_port & ~dut.redirect),
            Cover(response.valid & (kind == RequestKind.TRAP) & dut.redirect),
        ]

"""Properties of what a whole hart retires, whatever code it runs.

Decode, execute, access and commit are the hart's own, with CSRs, PMP and all that forwards, holds
and voids. Fetch brings any instructions in the order in which it is asked for them; caches,
lookaside buffers, walker, memory unit, store buffer, ALU, multiplier and divider answer anything at
any time; at the HartPort is whatever keeps its contract. CSRs and privilege begin as they may stand
after any program. So what holds here holds with the right ones.

* *pc chain*: an instruction stands where the one before it said that it goes on, in a trap's
  handler, or where the port said: nothing is left out, nothing comes twice, no wrong path retires;
* *register file*: any register, once written, is read as it was written last, whichever stage it
  comes from;
* *privilege*: it changes only with a trap, an interrupt or a return; traps never lower it; a user
  interrupt is taken in user mode and stays there;
* *interrupts*: the first instruction of a handler says so, and no other does; `uret` goes on where
  the port said.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cover,
    Module,
    Mux,
    Signal,
    Value,
)
from amaranth.lib import wiring

import rv64.access
import rv64.commit
import rv64.execute
import rv64.hart
from rv64.expand import forms
from rv64.fetch import Fetch
from rv64_formal.instruction import AnyResult
from uintr.registers import Privilege, RequestKind, Status
from uintr_formal.bug import replaced
from uintr_formal.specification import Specification

__all__ = ["HartSpec", "any_surroundings"]

_RESET = 0x8000_0000
_URET, _SRET, _MRET = 0x0020_0073, 0x1020_0073, 0x3020_0073
_USER_INTERRUPT = 1 << 63
_POSSIBLE = {"mie": 0xAAA, "software_pending": 0xAAA, "mideleg": 0x333}
"""The bits that registers have, where the hart relies on it."""


def _anything(right: Any) -> Any:
    """A class of the same ports that answers anything."""

    def elaborate(self: Any, platform: Any) -> Module:
        m = Module()
        for _, member, port in self.signature.flatten(self):
            if member.flow == wiring.Out:
                bits = Value.cast(port)
                m.d.comb += bits.eq(AnySeq(len(bits)))
        return m

    return type(f"Any{right.__name__}", (right,), {"elaborate": elaborate})


class _AnyFetch(Fetch):
    """Any instructions, in order."""

    def elaborate(self, platform: Any) -> Module:
        """The contract of `Fetch`: from a redirection's target on, one behind the other."""
        m = Module()
        pc = Signal(64, init=_RESET)
        ready = Signal()  # not in the cycle behind a redirection
        fetched = self.fetched
        raw = AnySeq(32)
        short = raw[:2] != 3
        m.d.comb += [
            fetched.valid.eq(ready & AnySeq(1)),
            fetched.pc.eq(pc),
            fetched.raw.eq(Mux(short, raw[:16], raw)),
            fetched.next.eq(pc + Mux(short, 2, 4)),
            fetched.fault.eq(AnySeq(5)),
            fetched.fault_above.eq(AnySeq(1)),
            self.invalidated.eq(AnySeq(1)),
        ]
        for number, (found, _) in enumerate(forms(raw[:16])):
            m.d.comb += fetched.form[number].eq(found & short)
        m.d.sync += ready.eq(~self.redirect)
        with m.If(self.redirect):
            m.d.sync += pc.eq(self.target)
        with m.Elif(fetched.valid & self.ready):
            m.d.sync += pc.eq(fetched.next)
        return m


def _begun_anyhow(right: Any) -> Any:
    """Registers of machine and supervisor that hold anything from the second cycle on."""

    def elaborate(self: Any, platform: Any) -> Module:
        kept: list[Any] = []

        def keeping(kind: Any) -> Any:
            def make(*arguments: Any) -> Any:
                kept.append(kind(*arguments))
                return kept[-1]

            return make

        # Of the module that it is from, be it a broken one.
        names = right.elaborate.__globals__
        kinds = {name: names[name] for name in ("CsrState", "StatusFields")}
        names.update({name: keeping(kind) for name, kind in kinds.items()})
        try:
            m: Module = right.elaborate(self, platform)
        finally:
            names.update(kinds)
        begins = Signal(init=1)
        m.d.sync += begins.eq(0)
        with m.If(begins):
            for register in (each for owner in kept for each in vars(owner).values()):
                value = AnySeq(len(register)) & _POSSIBLE.get(register.name, (1 << 64) - 1)
                # A privilege of 2 is none.
                m.d.sync += register.eq(Mux(value == 2, 0, value) if len(register) == 2 else value)
        return m

    return type(f"Begun{right.__name__}", (right,), {"elaborate": elaborate})


@contextmanager
def any_surroundings() -> Iterator[None]:
    """What the specification puts in the place of the hart's blocks."""
    others: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
        (rv64.hart, "Fetch", lambda right: _AnyFetch),
        (rv64.commit, "CsrFile", _begun_anyhow),
        *(
            (rv64.hart, name, _anything)
            for name in ("Walker", "MemoryUnit", "StoreBuffer", "BusUnit")
        ),
        *((rv64.access, name, _anything) for name in ("CacheArray", "Tlb")),
        *((rv64.execute, name, lambda right: AnyResult) for name in ("Multiplier", "Divider")),
        (rv64.execute, "AluUnit", _anything),
    )
    with ExitStack() as stack:
        for owner, name, make in others:
            stack.enter_context(replaced(owner, name, make)())
        yield


class HartSpec(Specification):
    """Checks `Hart.rvfi`; made and elaborated within `any_surroundings`.

    Parameters
    ----------
    registers : the register file's property, or all others
    """

    def __init__(self, *, registers: bool) -> None:
        self._registers = registers
        super().__init__()
        self._dut = rv64.hart.Hart(cache_bytes=4096, reset_vector=_RESET)

    def specify(self, m: Module) -> None:
        """Free inputs, the port's contract, then one property after another."""
        m.submodules.dut = dut = self._dut
        request, response = dut.port.request, dut.port.response
        for signal in (
            *(dut.hart_id, dut.ram_pages, dut.mtime, dut.msip, dut.mtip, dut.ssip),
            *(dut.halt_request, dut.halt_step, request.ready, dut.port.interrupt),
            *(
                response.valid,
                response.payload.data,
                response.payload.status,
                dut.port.supervisor_interrupt,
            ),
        ):
            bits = Value.cast(signal)
            m.d.comb += bits.eq(AnySeq(len(bits)))

        # The port: one answer for a request; no return is refused, and only a trap out of user mode
        # is granted.
        waiting, kind = Signal(), Signal(RequestKind)
        with m.If(request.valid & request.ready):
            m.d.sync += [waiting.eq(1), kind.eq(request.payload.kind)]
        with m.Elif(response.valid):
            m.d.sync += waiting.eq(0)
        is_return = kind == RequestKind.URET
        m.d.comb += [
            Assume(~response.valid | waiting),
            Assume(~request.ready | ~waiting),
            Assume(~(response.valid & is_return) | (response.payload.status == Status.OK)),
            Assume(
                ~(response.valid & (kind == RequestKind.TRAP) & dut.port.privilege.any())
                | (response.payload.status != Status.OK)
            ),
        ]
        answered, returned = Signal(64), Signal(64)
        with m.If(response.valid & (kind == RequestKind.TRAP)):
            m.d.sync += answered.eq(response.payload.data)
        with m.If(response.valid & is_return):
            m.d.sync += returned.eq(response.payload.data)

        if self._registers:
            self._register_file(m)
        else:
            self._flow(m, answered, returned)

    def _register_file(self, m: Module) -> None:
        """One register, whichever."""
        rvfi = self._dut.rvfi
        which, value, written = AnyConst(5), Signal(64), Signal()
        with m.If(rvfi.valid & (rvfi.rd_addr == which)):
            m.d.sync += [value.eq(rvfi.rd_wdata), written.eq(1)]
        reads = Signal(2)
        for bit, number, read in (
            (0, rvfi.rs1_addr, rvfi.rs1_rdata),
            (1, rvfi.rs2_addr, rvfi.rs2_rdata),
        ):
            m.d.comb += [
                reads[bit].eq(rvfi.valid & (number == which) & which.any() & written),
                Assert(~reads[bit] | (read == value)),
            ]

        m.d.comb += Cover(reads.all())

    def _flow(self, m: Module, answered: Signal, returned: Signal) -> None:
        """The pc chain and the order; then privilege, and who is the first in a handler."""
        rvfi = self._dut.rvfi
        by_user = rvfi.enters & (rvfi.enters_cause == _USER_INTERRUPT)

        expected, count = Signal(64, init=_RESET), Signal(64)
        with m.If(rvfi.valid):
            m.d.sync += [expected.eq(rvfi.pc_wdata), count.eq(count + 1)]
            m.d.comb += [Assert(rvfi.pc_rdata == expected), Assert(rvfi.order == count)]
        with m.Elif(by_user):
            m.d.sync += expected.eq(answered)
        with m.Elif(rvfi.enters):
            m.d.sync += expected.eq(rvfi.pc_wdata)
        with m.If(rvfi.valid & ~rvfi.trap & (rvfi.insn == _URET)):
            m.d.comb += Assert(rvfi.pc_wdata == returned)

        mode, changes, first = Signal(2), Signal(init=1), Signal()
        entered, now = Signal(), self._dut.port.privilege
        with m.If(rvfi.enters):
            m.d.comb += [Assert(~rvfi.valid), Assert(by_user == (now == Privilege.U))]
            m.d.sync += [first.eq(1), entered.eq(by_user), changes.eq(~by_user)]
        with m.If(rvfi.valid):
            returns = (rvfi.insn == _MRET) | (rvfi.insn == _SRET) | (rvfi.insn == _URET)
            m.d.sync += [mode.eq(rvfi.mode), first.eq(0), entered.eq(0)]
            m.d.sync += changes.eq(rvfi.trap | returns)
            m.d.comb += [
                Assert(rvfi.intr == first),
                Assert(changes | (rvfi.mode == mode)),
                Assert(~rvfi.trap | ((now >= rvfi.mode) & now.any())),
                Assert(~entered | (rvfi.mode == Privilege.U)),
                Assert(~rvfi.trap | (rvfi.rd_addr == 0)),
            ]

        m.d.comb += [
            Cover(rvfi.valid & rvfi.trap & (count == 2)),
            Cover(rvfi.valid & rvfi.intr & (rvfi.mode == Privilege.M)),
            Cover(rvfi.valid & rvfi.intr & entered),
            Cover(rvfi.valid & ~rvfi.trap & (rvfi.insn == _URET)),
        ]

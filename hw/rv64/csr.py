"""Control and status registers of machine and supervisor, traps, and which interrupt comes."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rv64.csr_map import EPC, TVAL, TVEC, CsrAccess, csr_map
from rv64.csr_state import INTERRUPT_ORDER, MSI, MTI, SEI, SSI, STI, CsrState, StatusFields
from rv64.pmp import Pmp
from uintr.registers import XLEN, Csr, Privilege

__all__ = ["CsrFile"]

_M, _S = Privilege.M, Privilege.S

_QUIET = {0x140, 0x141, 0x142, 0x143, 0x340, 0x341, 0x342, 0x343, 0xB00, 0xB02, *Csr} - {Csr.UTVEC}
"""Registers whose writes concern no instruction that was fetched already. A handler may have been,
on a guess that utvec's write changes."""


class CsrFile(wiring.Component):
    """What machine and supervisor software sees of a hart, apart from user interrupts.

    An access in cycle t answers in t, and what it writes is there in t + 1. ``behind`` says that
    the register, or some of its bits, are at the HartPort: the same access has to be made there, of
    ``port_number``, and its answer or-ed to this one.

    A trap in cycle t answers its handler's address in t, and no access may follow in t + 1.
    Interrupts are told a cycle after they are pending and enabled; what changes that in a cycle is
    followed by no instruction in the next one. A user interrupt at its port
    comes after all those of higher privileges.

    Members
    -------
    number, function, writes, operand : the access: 1 write, 2 set, 3 clear; whether it writes
    access : it takes place in this cycle; it was seen to be legal before
    legal, value, flush : it may be made; the value before; what is behind it is fetched anew
    behind, port_number : see above
    hart_id : what mhartid reads
    trap, trap_interrupt, trap_cause, trap_pc, trap_value : take a trap
    returns, mret, sret, uret : MRET or SRET stands there; return; ``uret`` to user mode, with the
        address coming from the port
    goes_to : where to, for a trap or for MRET and SRET
    retire : an instruction is done
    mtime, msip, mtip, external, ssip : from the timers; the supervisor line; sets SSIP
    privilege, effective, sum, mxr, tvm, tw, tsr : state that others heed
    satp : address space
    user_delegated : mideleg hands user interrupts down
    interrupt, interrupt_cause : one is to be taken
    wakes : some interrupt is pending and enabled, whatever the status says
    pmp : the protection, for the walker to ask
    """

    def __init__(self) -> None:
        self.pmp = Pmp()
        super().__init__(
            {
                "number": In(12),
                "function": In(2),
                "writes": In(1),
                "operand": In(XLEN),
                "access": In(1),
                "legal": Out(1),
                "value": Out(XLEN),
                "flush": Out(1),
                "behind": Out(1),
                "port_number": Out(12),
                "hart_id": In(8),
                "trap": In(1),
                "trap_interrupt": In(1),
                "trap_cause": In(4),
                "trap_pc": In(XLEN),
                "trap_value": In(XLEN),
                "returns": In(1),
                "mret": In(1),
                "sret": In(1),
                "uret": In(1),
                "goes_to": Out(XLEN),
                "retire": In(1),
                "mtime": In(XLEN),
                "msip": In(1),
                "mtip": In(1),
                "external": In(1),
                "ssip": In(1),
                "privilege": Out(2, init=_M),
                "effective": Out(2),
                "sum": Out(1),
                "mxr": Out(1),
                "tvm": Out(1),
                "tw": Out(1),
                "tsr": Out(1),
                "satp": Out(XLEN),
                "user_delegated": Out(1),
                "interrupt": Out(1),
                "interrupt_cause": Out(4),
                "wakes": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Registers, interrupts, traps and returns, and then the access to each register."""
        m = Module()
        m.submodules.pmp = pmp = self.pmp
        privilege = self.privilege

        status, state, access = StatusFields(privilege), CsrState(), CsrAccess()
        m.d.comb += [
            self.sum.eq(status.sum),
            self.mxr.eq(status.mxr),
            self.tvm.eq(status.tvm),
            self.tw.eq(status.tw),
            self.tsr.eq(status.tsr),
            self.effective.eq(Mux(status.mprv, status.mpp, privilege)),
        ]
        mideleg = state.mideleg
        m.d.comb += [self.satp.eq(state.satp()), self.user_delegated.eq(mideleg[0])]

        with m.If(~state.mcountinhibit[0]):
            m.d.sync += state.mcycle.eq(state.mcycle + 1)
        with m.If(self.retire):
            m.d.sync += state.inhibited.eq(0)
            with m.If(~state.mcountinhibit[2] & ~state.inhibited):
                m.d.sync += state.minstret.eq(state.minstret + 1)

        # Interrupts, registered. User ones are the port's.
        expired = Signal()
        pending = Signal(12)
        m.d.sync += expired.eq(self.mtime >= state.stimecmp)
        with m.If(self.ssip):
            m.d.sync += state.software[SSI].eq(1)
        m.d.comb += [
            pending.eq(state.software),
            pending[STI].eq(Mux(state.stce, expired, state.software[STI])),
            pending[SEI].eq(state.software[SEI] | self.external),
            pending[MSI].eq(self.msip),
            pending[MTI].eq(self.mtip),
        ]
        to_s = Signal()
        number = self.number
        stored, shown, after = access.stored, access.shown, access.after
        found, allowed, write = access.found, access.allowed, access.write

        ready = pending & state.mie
        to_machine, to_supervisor, chosen = Signal(12), Signal(12), Signal(12)
        m.d.comb += [
            to_machine.eq(Mux((privilege != _M) | status.mie, ready & ~mideleg, 0)),
            to_supervisor.eq(
                Mux((privilege == 0) | ((privilege == _S) & status.sie), ready & mideleg, 0)
            ),
            chosen.eq(Mux(to_machine.any(), to_machine, to_supervisor)),
        ]
        m.d.sync += [
            self.wakes.eq(ready.any()),
            self.interrupt.eq(to_machine.any() | to_supervisor.any()),
        ]
        for each in reversed(INTERRUPT_ORDER):
            with m.If(chosen[each]):
                m.d.sync += self.interrupt_cause.eq(each)

        # Whole words stand in one small memory, at a place that their number gives them. A trap
        # writes two of them: the value a cycle after the pc, when nobody can look yet.
        m.submodules.words = store = memory.Memory(shape=unsigned(XLEN), depth=16, init=[])
        words, keep = store.read_port(domain="comb"), store.write_port()
        ways = store.read_port(domain="comb")  # where traps and returns go
        valued = Signal()
        valued_machine = Signal()
        of_number = Cat(number[:3], number[9])
        is_epc, is_tvec = number[:3] == EPC & 7, number[:3] == TVEC & 7
        m.d.sync += [valued.eq(self.trap), valued_machine.eq(~to_s)]
        with m.If(self.trap):
            m.d.comb += [
                keep.addr.eq(Cat(C(EPC & 7, 3), ~to_s)),
                keep.data.eq(self.trap_pc),
                keep.en.eq(1),
            ]
        with m.Elif(valued):
            m.d.comb += [
                keep.addr.eq(Cat(C(TVAL & 7, 3), valued_machine)),
                keep.data.eq(self.trap_value),
                keep.en.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                keep.addr.eq(of_number),
                keep.data.eq(Cat(after[0] & ~is_epc, after[1] & ~is_tvec, after[2:])),
                keep.en.eq(write & access.of_words),
            ]
        m.d.comb += [
            words.addr.eq(of_number),
            ways.addr.eq(
                Mux(
                    self.trap,
                    Cat(C(TVEC & 7, 3), ~to_s),
                    Cat(C(EPC & 7, 3), number[9]),
                )
            ),
        ]

        # Traps and returns.
        cause = self.trap_cause
        delegated = Mux(
            self.trap_interrupt, mideleg.bit_select(cause, 1), state.medeleg.bit_select(cause, 1)
        )
        vector = ways.data
        m.d.comb += [
            to_s.eq((privilege != _M) & delegated),
            # No bit 0 is set in an address to return to.
            self.goes_to.eq(
                Cat(
                    vector[:2] & (self.returns & ~self.trap).replicate(2),
                    vector[2:] + Mux(vector[0] & self.trap_interrupt, cause, 0),
                )
            ),
        ]
        with m.If(self.trap):
            with m.If(to_s):
                m.d.sync += [
                    state.scause.eq(Cat(cause, self.trap_interrupt)),
                    *status.to_supervisor(),
                ]
            with m.Else():
                m.d.sync += [
                    state.mcause.eq(Cat(cause, self.trap_interrupt)),
                    *status.to_machine(),
                ]
        with m.Elif(self.mret):
            m.d.sync += status.mret()
            with m.If(status.mpp != _M):
                m.d.sync += status.mprv.eq(0)
        with m.Elif(self.sret):
            m.d.sync += status.sret()
        with m.Elif(self.uret):
            m.d.sync += privilege.eq(0)
            with m.If(privilege == _M):
                m.d.sync += status.mprv.eq(0)

        # Accesses. What is or-ed, set and cleared is what is stored, never a line from outside.
        with m.Switch(self.function):
            with m.Case(1):
                m.d.comb += after.eq(self.operand)
            with m.Case(2):
                m.d.comb += after.eq(stored | self.operand)
            with m.Case(3):
                m.d.comb += after.eq(stored & ~self.operand)
        m.d.comb += [
            allowed.eq(1),
            self.legal.eq(
                found & allowed & (number[8:10] <= privilege) & ~(self.writes & number[10:].all())
            ),
            write.eq(self.access & self.writes),
            self.value.eq(shown),
            shown.eq(stored),
            self.flush.eq(self.writes & ~number.matches(*_QUIET)),
        ]

        csr_map(
            m,
            self,
            access,
            status=status,
            state=state,
            pending=pending,
            word=words.data,
            pmp=pmp,
        )
        m.d.comb += [
            pmp.number.eq(number),
            pmp.data.eq(after),
            pmp.write_configuration.eq(write & (number == 0x3A0)),
            pmp.write_address.eq(write & (number[3:] == 0x3B0 >> 3)),
        ]
        return m

"""Control and status registers of machine and supervisor, traps, and which interrupt comes."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rv64.pmp import Pmp
from uintr.registers import XLEN, Csr, Privilege

__all__ = ["CsrFile"]

_M, _S = Privilege.M, Privilege.S

# Interrupt numbers, the first of those pending and enabled first.
_ORDER = (11, 3, 7, 9, 1, 5)
_MEI, _MSI, _MTI, _SEI, _SSI, _STI = _ORDER
_SUPERVISOR = 1 << _SEI | 1 << _SSI | 1 << _STI
_USER = 0x111
"""Bits of the N extension in the interrupt registers; they live behind the HartPort."""
_EXCEPTIONS = 0xB3FF
_MISA = 2 << 62 | sum(1 << ord(letter) - ord("A") for letter in "ACIMNSU")

_BEHIND = {
    0x300: Csr.USTATUS,
    0x100: Csr.USTATUS,
    0x304: Csr.UIE,
    0x104: Csr.UIE,
    0x344: Csr.UIP,
    0x144: Csr.UIP,
}
"""Registers of which some bits are the N extension's, and where those are."""

_SCRATCH, _EPC, _TVAL, _TVEC = 0x40, 0x41, 0x43, 0x05
_WORDS = (_SCRATCH, _EPC, _TVAL, _TVEC)
"""Registers, of machine and supervisor both, that are whole words: numbers less 0x300 or 0x100."""

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

        # mstatus, field by field.
        sie, mie_, spie, mpie = Signal(), Signal(), Signal(), Signal()
        spp, mpp, mprv = Signal(), Signal(2), Signal()
        sum_, mxr, tvm, tw, tsr = (Signal(name=n) for n in ("sum", "mxr", "tvm", "tw", "tsr"))
        m.d.comb += [
            self.sum.eq(sum_),
            self.mxr.eq(mxr),
            self.tvm.eq(tvm),
            self.tw.eq(tw),
            self.tsr.eq(tsr),
            self.effective.eq(Mux(mprv, mpp, privilege)),
        ]
        z = C(0, 1)
        sstatus = Cat(z, sie, z, z, z, spie, C(0, 2), spp, C(0, 9), sum_, mxr)
        sstatus = Cat(sstatus, C(0, 12), C(2, 2))
        mstatus = Cat(z, sie, z, mie_, z, spie, z, mpie, spp, C(0, 2), mpp, C(0, 4), mprv, sum_)
        mstatus = Cat(mstatus, mxr, tvm, tw, tsr, C(0, 9), C(2, 2), C(2, 2))

        def plain(name: str, width: int = XLEN) -> Any:
            return Signal(width, name=name)

        mcause, scause = plain("mcause", 5), plain("scause", 5)  # bit 4: interrupt
        medeleg, mideleg = plain("medeleg", 16), plain("mideleg", 12)
        mie, software = plain("mie", 12), plain("software_pending", 12)
        mcounteren, scounteren = plain("mcounteren", 3), plain("scounteren", 3)
        mcountinhibit = plain("mcountinhibit", 3)
        mfiom, sfiom, stce = plain("mfiom", 1), plain("sfiom", 1), plain("stce", 1)
        stimecmp = Signal(XLEN, init=-1 & (1 << XLEN) - 1)
        mode, asid, root = plain("satp_mode", 1), plain("satp_asid", 16), plain("satp_ppn", 44)
        mcycle, minstret = plain("mcycle"), plain("minstret")
        inhibited = Signal()  # minstret was written: this instruction does not count
        satp = Cat(root, asid, C(0, 3), mode)
        m.d.comb += [self.satp.eq(satp), self.user_delegated.eq(mideleg[0])]

        with m.If(~mcountinhibit[0]):
            m.d.sync += mcycle.eq(mcycle + 1)
        with m.If(self.retire):
            m.d.sync += inhibited.eq(0)
            with m.If(~mcountinhibit[2] & ~inhibited):
                m.d.sync += minstret.eq(minstret + 1)

        # Interrupts, registered. User ones are the port's.
        expired = Signal()
        pending = Signal(12)
        m.d.sync += expired.eq(self.mtime >= stimecmp)
        with m.If(self.ssip):
            m.d.sync += software[_SSI].eq(1)
        m.d.comb += [
            pending.eq(software),
            pending[_STI].eq(Mux(stce, expired, software[_STI])),
            pending[_SEI].eq(software[_SEI] | self.external),
            pending[_MSI].eq(self.msip),
            pending[_MTI].eq(self.mtip),
        ]
        to_s = Signal()
        number = self.number
        stored, shown, after = Signal(XLEN), Signal(XLEN), Signal(XLEN)
        found, allowed, write = Signal(), Signal(), Signal()

        ready = pending & mie
        to_machine, to_supervisor, chosen = Signal(12), Signal(12), Signal(12)
        m.d.comb += [
            to_machine.eq(Mux((privilege != _M) | mie_, ready & ~mideleg, 0)),
            to_supervisor.eq(Mux((privilege == 0) | ((privilege == _S) & sie), ready & mideleg, 0)),
            chosen.eq(Mux(to_machine.any(), to_machine, to_supervisor)),
        ]
        m.d.sync += [
            self.wakes.eq(ready.any()),
            self.interrupt.eq(to_machine.any() | to_supervisor.any()),
        ]
        for each in reversed(_ORDER):
            with m.If(chosen[each]):
                m.d.sync += self.interrupt_cause.eq(each)

        # Whole words stand in one small memory, at a place that their number gives them. A trap
        # writes two of them: the value a cycle after the pc, when nobody can look yet.
        m.submodules.words = store = memory.Memory(shape=unsigned(XLEN), depth=16, init=[])
        words, keep = store.read_port(domain="comb"), store.write_port()
        ways = store.read_port(domain="comb")  # where traps and returns go
        valued = Signal()
        valued_machine = Signal()
        of_words = Signal()
        of_number = Cat(number[:3], number[9])
        is_epc, is_tvec = number[:3] == _EPC & 7, number[:3] == _TVEC & 7
        m.d.sync += [valued.eq(self.trap), valued_machine.eq(~to_s)]
        with m.If(self.trap):
            m.d.comb += [
                keep.addr.eq(Cat(C(_EPC & 7, 3), ~to_s)),
                keep.data.eq(self.trap_pc),
                keep.en.eq(1),
            ]
        with m.Elif(valued):
            m.d.comb += [
                keep.addr.eq(Cat(C(_TVAL & 7, 3), valued_machine)),
                keep.data.eq(self.trap_value),
                keep.en.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                keep.addr.eq(of_number),
                keep.data.eq(Cat(after[0] & ~is_epc, after[1] & ~is_tvec, after[2:])),
                keep.en.eq(write & of_words),
            ]
        m.d.comb += [
            words.addr.eq(of_number),
            ways.addr.eq(
                Mux(
                    self.trap,
                    Cat(C(_TVEC & 7, 3), ~to_s),
                    Cat(C(_EPC & 7, 3), number[9]),
                )
            ),
        ]

        # Traps and returns.
        cause = self.trap_cause
        delegated = Mux(
            self.trap_interrupt, mideleg.bit_select(cause, 1), medeleg.bit_select(cause, 1)
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
                    scause.eq(Cat(cause, self.trap_interrupt)),
                    spie.eq(sie),
                    sie.eq(0),
                    spp.eq(privilege[0]),
                    privilege.eq(_S),
                ]
            with m.Else():
                m.d.sync += [
                    mcause.eq(Cat(cause, self.trap_interrupt)),
                    mpie.eq(mie_),
                    mie_.eq(0),
                    mpp.eq(privilege),
                    privilege.eq(_M),
                ]
        with m.Elif(self.mret):
            m.d.sync += [mie_.eq(mpie), mpie.eq(1), privilege.eq(mpp), mpp.eq(0)]
            with m.If(mpp != _M):
                m.d.sync += mprv.eq(0)
        with m.Elif(self.sret):
            m.d.sync += [sie.eq(spie), spie.eq(1), privilege.eq(spp), spp.eq(0), mprv.eq(0)]
        with m.Elif(self.uret):
            m.d.sync += privilege.eq(0)
            with m.If(privilege == _M):
                m.d.sync += mprv.eq(0)

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

        def register(address: int, value: Any, *targets: Any, shows: Any = None) -> None:
            """One register: its value, and statements that store ``after``."""
            with m.Case(address):
                m.d.comb += [found.eq(1), stored.eq(value)]
                if shows is not None:
                    m.d.comb += shown.eq(shows)
                if targets:
                    with m.If(write):
                        m.d.sync += list(targets)

        def status(machine: bool) -> list[Any]:
            fields = [sie.eq(after[1]), spie.eq(after[5]), spp.eq(after[8])]
            fields += [sum_.eq(after[18]), mxr.eq(after[19])]
            if machine:
                fields += [mie_.eq(after[3]), mpie.eq(after[7]), mprv.eq(after[17])]
                fields += [tvm.eq(after[20]), tw.eq(after[21]), tsr.eq(after[22])]
                # WARL: there is no privilege 2.
                fields += [mpp.eq(Mux(after[11:13] == 2, 0, after[11:13]))]
            return fields

        def bits(target: Any, mask: Any) -> Any:
            return target.eq((target & ~mask) | (after & mask))

        def cause_(value: Any) -> Any:
            return Cat(value[:4], C(0, 59), value[4])

        own = 1 << _SSI | 1 << _MSI | 1 << _STI | 1 << _MTI | 1 << _SEI | 1 << _MEI
        writable = 1 << _SSI | 1 << _SEI | Mux(stce, 0, 1 << _STI)
        supervisor = mideleg & _SUPERVISOR
        user_counters = Mux(privilege == 0, scounteren, 7) & Mux(privilege == _M, 7, mcounteren)
        with m.Switch(number):
            with m.Case(*(base + each for base in (0x100, 0x300) for each in _WORDS)):
                m.d.comb += [found.eq(1), stored.eq(words.data), of_words.eq(1)]
            register(0x300, mstatus, *status(True))
            register(0x301, C(_MISA, XLEN))
            register(0x302, medeleg, medeleg.eq(after & _EXCEPTIONS))
            register(0x303, mideleg, mideleg.eq(after & (_SUPERVISOR | _USER)))
            register(0x304, mie, mie.eq(after & own))
            register(0x306, mcounteren, mcounteren.eq(after))
            register(0x30A, Cat(mfiom, C(0, 62), stce), mfiom.eq(after[0]), stce.eq(after[63]))
            register(0x320, mcountinhibit, mcountinhibit.eq(after & 5))
            register(0x342, cause_(mcause), mcause.eq(Cat(after[:4], after[63])))
            register(0x344, software, bits(software, writable), shows=pending)
            register(0x3A0, pmp.configuration)
            for odd in (0xF11, 0xF12, 0xF13, 0xF15, 0x3A2):
                register(odd, C(0, 1))
            register(0xF14, self.hart_id)
            register(0xB00, mcycle, mcycle.eq(after))
            register(0xB02, minstret, minstret.eq(after), inhibited.eq(1))
            register(0xC00, mcycle)
            register(0xC01, self.mtime)
            register(0xC02, minstret)

            register(0x100, sstatus, *status(False))
            register(0x104, mie & supervisor, bits(mie, supervisor))
            register(0x106, scounteren, scounteren.eq(after))
            register(0x10A, sfiom, sfiom.eq(after[0]))
            register(0x142, cause_(scause), scause.eq(Cat(after[:4], after[63])))
            register(
                0x144,
                software & supervisor,
                bits(software, supervisor & 1 << _SSI),
                shows=pending & supervisor,
            )
            register(0x14D, stimecmp, stimecmp.eq(after))
            with m.Case(0x180):
                m.d.comb += [found.eq(1), stored.eq(satp)]
                # Another mode than none and Sv39 changes nothing at all.
                with m.If(write & ~after[60:63].any()):
                    m.d.sync += [root.eq(after), asid.eq(after[44:]), mode.eq(after[63])]

            with m.Case("001110110---"):  # pmpaddr0 to 7
                m.d.comb += [found.eq(1), stored.eq(pmp.address)]
            with m.Case("001110111---"):
                m.d.comb += found.eq(1)
            with m.Case("101100------"):
                m.d.comb += found.eq(number[:5] > 2)  # mhpmcounter3 to 31
                with m.If(number[5]):
                    m.d.comb += found.eq(0)
            with m.Case("0011001-----"):
                m.d.comb += found.eq(number[:5] > 2)  # mhpmevent3 to 31
            for port in Csr:
                with m.Case(port):
                    m.d.comb += [found.eq(1), self.behind.eq(1), self.port_number.eq(port)]
        with m.Switch(number):
            for each, port in _BEHIND.items():
                with m.Case(each):
                    m.d.comb += [
                        self.behind.eq(mideleg[0] if each in (0x104, 0x144) else 1),
                        self.port_number.eq(port),
                    ]
            with m.Case(0x180):
                m.d.comb += allowed.eq(~((privilege == _S) & tvm))
            with m.Case(0x14D):
                m.d.comb += allowed.eq((privilege == _M) | (mcounteren[1] & stce))
            for counter in range(3):
                with m.Case(0xC00 + counter):
                    m.d.comb += allowed.eq(user_counters[counter])

        m.d.comb += [
            pmp.number.eq(number),
            pmp.data.eq(after),
            pmp.write_configuration.eq(write & (number == 0x3A0)),
            pmp.write_address.eq(write & (number[3:] == 0x3B0 >> 3)),
        ]
        return m

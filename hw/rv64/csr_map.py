"""Which register has which number, and what a write of it changes."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal

from rv64.csr_state import MEI, MSI, MTI, SEI, SSI, STI, CsrState, StatusFields
from rv64.pmp import Pmp
from uintr.registers import XLEN, Csr, Privilege

__all__ = ["EPC", "TVAL", "TVEC", "CsrAccess", "csr_map"]

_SUPERVISOR = 1 << SEI | 1 << SSI | 1 << STI
_OWN = _SUPERVISOR | 1 << MSI | 1 << MTI | 1 << MEI
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

_SCRATCH, EPC, TVAL, TVEC = 0x40, 0x41, 0x43, 0x05
_WORDS = (_SCRATCH, EPC, TVAL, TVEC)
"""Registers, of machine and supervisor both, that are whole words: numbers less 0x300 or 0x100."""


class CsrAccess:
    """An access to a register, from `CsrFile` to the map and back.

    Members
    -------
    stored, shown : what is kept; what is read, which has lines from outside as well
    after : what a write leaves
    found, allowed : there is such a register; this privilege's counters and timers let it be used
    write : ``after`` is written in this cycle
    of_words : it is one of the whole words
    """

    def __init__(self) -> None:
        self.stored, self.shown, self.after = Signal(XLEN), Signal(XLEN), Signal(XLEN)
        self.found, self.allowed, self.write = Signal(), Signal(), Signal()
        self.of_words = Signal()


def _cause(value: Any) -> Any:
    return Cat(value[:4], C(0, 59), value[4])


def csr_map(
    m: Module,
    file: Any,
    access: CsrAccess,
    *,
    status: StatusFields,
    state: CsrState,
    pending: Any,
    word: Any,
    pmp: Pmp,
) -> None:
    """Every register, machine's first. ``file`` is the `CsrFile`, ``word`` the whole word that its
    memory shows."""
    number, privilege, after, write = file.number, file.privilege, access.after, access.write
    found, stored = access.found, access.stored

    def register(address: int, value: Any, *targets: Any, shows: Any = None) -> None:
        """One register: its value, and statements that store ``after``."""
        with m.Case(address):
            m.d.comb += [found.eq(1), stored.eq(value)]
            if shows is not None:
                m.d.comb += access.shown.eq(shows)
            if targets:
                with m.If(write):
                    m.d.sync += list(targets)

    def bits(target: Any, mask: Any) -> Any:
        return target.eq((target & ~mask) | (after & mask))

    writable = 1 << SSI | 1 << SEI | Mux(state.stce, 0, 1 << STI)
    supervisor = state.mideleg & _SUPERVISOR
    user_counters = Mux(privilege == 0, state.scounteren, 7) & Mux(
        privilege == Privilege.M, 7, state.mcounteren
    )
    with m.Switch(number):
        with m.Case(*(base + each for base in (0x100, 0x300) for each in _WORDS)):
            m.d.comb += [found.eq(1), stored.eq(word), access.of_words.eq(1)]
        register(0x300, status.machine(), *status.written(after, machine=True))
        register(0x301, C(_MISA, XLEN))
        register(0x302, state.medeleg, state.medeleg.eq(after & _EXCEPTIONS))
        register(0x303, state.mideleg, state.mideleg.eq(after & (_SUPERVISOR | _USER)))
        register(0x304, state.mie, state.mie.eq(after & _OWN))
        register(0x306, state.mcounteren, state.mcounteren.eq(after))
        register(
            0x30A,
            Cat(state.mfiom, C(0, 62), state.stce),
            state.mfiom.eq(after[0]),
            state.stce.eq(after[63]),
        )
        register(0x320, state.mcountinhibit, state.mcountinhibit.eq(after & 5))
        register(0x342, _cause(state.mcause), state.mcause.eq(Cat(after[:4], after[63])))
        register(0x344, state.software, bits(state.software, writable), shows=pending)
        register(0x3A0, pmp.configuration)
        for odd in (0xF11, 0xF12, 0xF13, 0xF15, 0x3A2):
            register(odd, C(0, 1))
        register(0xF14, file.hart_id)
        register(0xB00, state.mcycle, state.mcycle.eq(after))
        register(0xB02, state.minstret, state.minstret.eq(after), state.inhibited.eq(1))
        register(0xC00, state.mcycle)
        register(0xC01, file.mtime)
        register(0xC02, state.minstret)

        register(0x100, status.supervisor(), *status.written(after, machine=False))
        register(0x104, state.mie & supervisor, bits(state.mie, supervisor))
        register(0x106, state.scounteren, state.scounteren.eq(after))
        register(0x10A, state.sfiom, state.sfiom.eq(after[0]))
        register(0x142, _cause(state.scause), state.scause.eq(Cat(after[:4], after[63])))
        register(
            0x144,
            state.software & supervisor,
            bits(state.software, supervisor & 1 << SSI),
            shows=pending & supervisor,
        )
        register(0x14D, state.stimecmp, state.stimecmp.eq(after))
        with m.Case(0x180):
            m.d.comb += [found.eq(1), stored.eq(state.satp())]
            # Another state.mode than none and Sv39 changes nothing at all.
            with m.If(write & ~after[60:63].any()):
                m.d.sync += [
                    state.root.eq(after),
                    state.asid.eq(after[44:]),
                    state.mode.eq(after[63]),
                ]

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
                m.d.comb += [found.eq(1), file.behind.eq(1), file.port_number.eq(port)]
    with m.Switch(number):
        for each, port in _BEHIND.items():
            with m.Case(each):
                m.d.comb += [
                    file.behind.eq(state.mideleg[0] if each in (0x104, 0x144) else 1),
                    file.port_number.eq(port),
                ]
        with m.Case(0x180):
            m.d.comb += access.allowed.eq(~((privilege == Privilege.S) & status.tvm))
        with m.Case(0x14D):
            m.d.comb += access.allowed.eq(
                (privilege == Privilege.M) | (state.mcounteren[1] & state.stce)
            )
        for counter in range(3):
            with m.Case(0xC00 + counter):
                m.d.comb += access.allowed.eq(user_counters[counter])

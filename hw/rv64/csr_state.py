"""What the registers of machine and supervisor keep, field by field."""

from typing import Any

from amaranth.hdl import C, Cat, Mux, Signal

from uintr.registers import XLEN, Privilege

__all__ = ["CsrState", "INTERRUPT_ORDER", "MEI", "MSI", "MTI", "SEI", "SSI", "STI", "StatusFields"]

# Interrupt numbers, the first of those pending and enabled first.
INTERRUPT_ORDER = (11, 3, 7, 9, 1, 5)
MEI, MSI, MTI, SEI, SSI, STI = INTERRUPT_ORDER


class StatusFields:
    """mstatus, of which sstatus shows a part, and what traps and returns do to it.

    Parameters
    ----------
    privilege : in which the hart is
    """

    def __init__(self, privilege: Signal) -> None:
        self._privilege = privilege

        def field(name: str, width: int = 1) -> Signal:
            return Signal(width, name=f"mstatus_{name}")

        self.sie, self.mie, self.spie, self.mpie = map(field, ("sie", "mie", "spie", "mpie"))
        self.spp, self.mpp, self.mprv = field("spp"), field("mpp", 2), field("mprv")
        self.sum, self.mxr = field("sum"), field("mxr")
        self.tvm, self.tw, self.tsr = field("tvm"), field("tw"), field("tsr")

    def supervisor(self) -> Any:
        """What sstatus reads."""
        z = C(0, 1)
        low = Cat(z, self.sie, z, z, z, self.spie, C(0, 2), self.spp, C(0, 9), self.sum, self.mxr)
        return Cat(low, C(0, 12), C(2, 2))

    def machine(self) -> Any:
        """What mstatus reads."""
        z = C(0, 1)
        low = Cat(z, self.sie, z, self.mie, z, self.spie, z, self.mpie, self.spp, C(0, 2), self.mpp)
        high = Cat(self.mxr, self.tvm, self.tw, self.tsr, C(0, 9), C(2, 2), C(2, 2))
        return Cat(Cat(low, C(0, 4), self.mprv, self.sum), high)

    def written(self, value: Any, *, machine: bool) -> list[Any]:
        """Statements of a write to mstatus or sstatus."""
        fields = [self.sie.eq(value[1]), self.spie.eq(value[5]), self.spp.eq(value[8])]
        fields += [self.sum.eq(value[18]), self.mxr.eq(value[19])]
        if machine:
            fields += [self.mie.eq(value[3]), self.mpie.eq(value[7]), self.mprv.eq(value[17])]
            fields += [self.tvm.eq(value[20]), self.tw.eq(value[21]), self.tsr.eq(value[22])]
            # WARL: there is no privilege 2.
            fields += [self.mpp.eq(Mux(value[11:13] == 2, 0, value[11:13]))]
        return fields

    def to_supervisor(self) -> list[Any]:
        """Statements of a trap into S."""
        return [
            self.spie.eq(self.sie),
            self.sie.eq(0),
            self.spp.eq(self._privilege[0]),
            self._privilege.eq(Privilege.S),
        ]

    def to_machine(self) -> list[Any]:
        """Statements of a trap into M."""
        return [
            self.mpie.eq(self.mie),
            self.mie.eq(0),
            self.mpp.eq(self._privilege),
            self._privilege.eq(Privilege.M),
        ]

    def mret(self) -> list[Any]:
        """Statements of MRET; beside them, mprv falls if it leads out of M."""
        return [
            self.mie.eq(self.mpie),
            self.mpie.eq(1),
            self._privilege.eq(self.mpp),
            self.mpp.eq(0),
        ]

    def sret(self) -> list[Any]:
        """Statements of SRET."""
        return [
            self.sie.eq(self.spie),
            self.spie.eq(1),
            self._privilege.eq(self.spp),
            self.spp.eq(0),
            self.mprv.eq(0),
        ]


class CsrState:
    """The other registers that are not whole words in the memory of `CsrFile`, by their names.

    ``mcause`` and ``scause`` have the bit that marks an interrupt as their fourth. ``software`` is
    what software has set in mip. ``inhibited``: minstret was written, so this instruction does not
    count.
    """

    def __init__(self) -> None:
        def plain(name: str, width: int = XLEN) -> Signal:
            return Signal(width, name=name)

        self.mcause, self.scause = plain("mcause", 5), plain("scause", 5)
        self.medeleg, self.mideleg = plain("medeleg", 16), plain("mideleg", 12)
        self.mie, self.software = plain("mie", 12), plain("software_pending", 12)
        self.mcounteren, self.scounteren = plain("mcounteren", 3), plain("scounteren", 3)
        self.mcountinhibit = plain("mcountinhibit", 3)
        self.mfiom, self.sfiom, self.stce = plain("mfiom", 1), plain("sfiom", 1), plain("stce", 1)
        self.stimecmp = Signal(XLEN, init=-1 & (1 << XLEN) - 1)
        self.mode, self.asid = plain("satp_mode", 1), plain("satp_asid", 16)
        self.root = plain("satp_ppn", 44)
        self.mcycle, self.minstret = plain("mcycle"), plain("minstret")
        self.inhibited = Signal()

    def satp(self) -> Any:
        """What satp reads."""
        return Cat(self.root, self.asid, C(0, 3), self.mode)

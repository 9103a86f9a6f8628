"""User interrupts of the Intel flavour for several harts."""

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.checks import check_range
from uintr.intel.bus import LockingArbiter
from uintr.intel.fabric import InterruptFabric
from uintr.intel.hart_unit import HartUnit
from uintr.interfaces import HartPort, Wishbone
from uintr.registers import (
    DEFAULT_HARTS,
    DEFAULT_TABLE_BASE,
    DEFAULT_TABLE_PAGES,
    MAX_HARTS,
)
from uintr.shape import table_window
from uintr.table_ram import TableRam
from uintr.wishbone import BusDecoder

__all__ = ["IntelSystem"]


class IntelSystem(wiring.Component):
    """The top of simulation and board alike, with the ports of `uintr.system.System`.

    SENDUIPI reaches the user interrupt of a hart in user mode 23 cycles after it was accepted,
    when nobody else is under way. Every cycle in between is laid down in the page on this flavour.

    Parameters
    ----------
    harts : hart units, 1 to 64
    table_base : address of the memory for tables and descriptors, a multiple of 4096
    table_pages : its size in 4 KiB pages, 1 to 4095

    Members
    -------
    hart : array of `HartPort`
    bus : a supervisor's way to the memory from outside
    bus_lock : its lock; it may be left at 0
    quiescent : every hart unit is idle, no transfer and no interrupt is under way; without new
        input no register changes any more

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        *,
        harts: int = DEFAULT_HARTS,
        table_base: int = DEFAULT_TABLE_BASE,
        table_pages: int = DEFAULT_TABLE_PAGES,
    ) -> None:
        check_range("harts", harts, 1, MAX_HARTS)
        self._window = table_window(table_base=table_base, table_pages=table_pages)
        self._harts = harts
        self._table_pages = table_pages
        super().__init__(
            {
                "hart": In(HartPort()).array(harts),
                "bus": In(Wishbone()),
                "bus_lock": In(1),
                "quiescent": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Initiator h belongs to hart unit h, the last one to the bus from outside."""
        m = Module()
        m.submodules.table_ram = table_ram = TableRam(pages=self._table_pages)
        m.submodules.arbiter = arbiter = LockingArbiter(count=self._harts + 1)
        m.submodules.decoder = decoder = BusDecoder(windows=(self._window,))
        m.submodules.fabric = fabric = InterruptFabric(harts=self._harts)

        units = []
        for number in range(self._harts):
            unit = HartUnit()
            m.submodules[f"hart_unit_{number}"] = unit
            units.append(unit)
            connect(m, flipped(self.hart[number]), unit.hart)
            connect(m, unit.bus, arbiter.initiators[number])
            connect(m, unit.interrupt, fabric.ports[number])
            m.d.comb += [
                unit.arrive.eq(fabric.arrive[number]),
                unit.vector.eq(fabric.vector),
            ]

        connect(m, flipped(self.bus), arbiter.initiators[self._harts])
        connect(m, arbiter.bus, decoder.bus)
        connect(m, decoder.targets[0], table_ram.bus)
        m.d.comb += [
            arbiter.lock.eq(Cat((unit.lock for unit in units), self.bus_lock)),
            self.quiescent.eq(
                Cat(unit.idle for unit in units).all()
                & ~fabric.busy
                & ~Cat(each.cyc & each.stb for each in arbiter.initiators).any()
            ),
        ]
        return m

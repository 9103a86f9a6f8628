"""A hart unit's way to main memory."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.interfaces import WORD_ADDRESS_BITS, BusPort
from uintr.interfaces import Wishbone

__all__ = ["TableReader"]


class TableReader(wiring.Component):
    """Reads of a hart unit, which speaks Wishbone, as transfers of the harts' bus.

    Sender tables are in main memory: an address elsewhere, or beyond it, is answered with ``err``.
    The answer comes in the cycle in which the bus gives it.

    Parameters
    ----------
    first : word address of the beginning of main memory

    Members
    -------
    reads : from the hart unit; it never writes
    bus : to the bus
    """

    def __init__(self, *, first: int) -> None:
        self._first = first
        super().__init__({"reads": In(Wishbone()), "bus": Out(BusPort())})

    def elaborate(self, platform: Any) -> Module:
        """Ask once, and pass the answer."""
        m = Module()
        reads, bus = self.reads, self.bus
        asked, refused = Signal(), Signal()
        elsewhere = reads.adr[WORD_ADDRESS_BITS:].any() | (reads.adr < self._first)
        wanted = reads.cyc & reads.stb & ~asked & ~refused
        m.d.comb += [
            bus.valid.eq(wanted & ~elsewhere),
            bus.address.eq(reads.adr),
            bus.mask.eq(~0),
            reads.dat_r.eq(bus.read_data),
            reads.ack.eq(bus.beat),
            reads.err.eq(bus.error | refused),
        ]
        m.d.sync += refused.eq(wanted & elsewhere)
        with m.If(bus.grant):
            m.d.sync += asked.eq(1)
        with m.Elif(bus.last | bus.error):
            m.d.sync += asked.eq(0)
        return m

"""The memory that holds the sender tables."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from uintr.checks import check_range
from uintr.interfaces import WORD_BYTES, Wishbone
from uintr.registers import MAX_TABLE_PAGES, MAX_WAIT_STATES, PAGE_BYTES, XLEN

__all__ = ["TableRam"]


class TableRam(wiring.Component):
    """Block RAM on the bus.

    ``ack`` is a register, high in the cycle after ``stb`` was first seen, or ``wait_states`` cycles
    later. A read answers what was there before the edge at the end of that first cycle, a write is
    done at it. Reset leaves the contents; at power-on they are zeros, that is, entries that are not
    valid.

    Parameters
    ----------
    pages : size in pages of 4 KiB
    wait_states : cycles that a transfer takes longer, to stand for a slower memory

    Members
    -------
    bus : addresses from 0 up to the size; higher ones must not be presented
    waited : cycles that the transfer under way has waited, for a specification to see

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(self, *, pages: int, wait_states: int = 0) -> None:
        check_range("pages", pages, 1, MAX_TABLE_PAGES)
        check_range("wait_states", wait_states, 0, MAX_WAIT_STATES)
        self._wait_states = wait_states
        self.waited = Signal(range(wait_states + 1))
        self._words = pages * PAGE_BYTES // WORD_BYTES
        super().__init__({"bus": In(Wishbone())})

    def elaborate(self, platform: Any) -> Module:
        """One port in use at a time."""
        m = Module()
        m.submodules.words = words = memory.Memory(shape=unsigned(XLEN), depth=self._words, init=[])
        write = words.write_port(granularity=8)
        read = words.read_port()

        begin = Signal()
        asked = self.bus.cyc & self.bus.stb & ~self.bus.ack
        if self._wait_states:
            waited = self.waited
            last = waited == self._wait_states
            m.d.comb += begin.eq(asked & ~waited.any())
            m.d.sync += [
                self.bus.ack.eq(asked & last),
                waited.eq(Mux(asked & ~last, waited + 1, 0)),
            ]
        else:
            m.d.comb += begin.eq(asked)
            m.d.sync += self.bus.ack.eq(asked)
        m.d.comb += [
            read.addr.eq(self.bus.adr),
            read.en.eq(begin & ~self.bus.we),
            self.bus.dat_r.eq(read.data),
            write.addr.eq(self.bus.adr),
            write.data.eq(self.bus.dat_w),
            write.en.eq(Mux(begin & self.bus.we, self.bus.sel, 0)),
        ]

        return m

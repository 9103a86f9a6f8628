"""Timers and software interrupts of all harts: CLINT and the supervisor's SSWI."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.memory_map import CLINT_BYTES, MSIP_OFFSET, MTIME_OFFSET, MTIMECMP_OFFSET, SSWI_BYTES
from uintr.interfaces import WORD_BYTES, Wishbone
from uintr.registers import XLEN

__all__ = ["Clint", "Sswi"]

_HALF = XLEN // 2


def _answers(m: Module, bus: Any) -> Any:
    """End each transfer in the cycle after ``stb`` was first seen; True in that first cycle."""
    first = Signal()
    m.d.comb += first.eq(bus.cyc & bus.stb & ~bus.ack)
    m.d.sync += bus.ack.eq(first)
    return first


def _merged(old: Any, bus: Any) -> Any:
    """``old`` with the bytes that the transfer selects."""
    return Cat(
        Mux(bit, bus.dat_w[8 * place : 8 * place + 8], old[8 * place : 8 * place + 8])
        for place, bit in enumerate(bus.sel)
    )


class Clint(wiring.Component):
    """``mtime`` counts cycles. A hart's timer line is high while mtime is at or above mtimecmp.

    Addresses in the window that hold nothing read as zero.

    Parameters
    ----------
    harts : number of them

    Members
    -------
    bus : word addresses from the beginning of the window
    mtime : the time
    msip, mtip : one bit a hart
    """

    def __init__(self, *, harts: int) -> None:
        self._harts = harts
        super().__init__(
            {"bus": In(Wishbone()), "mtime": Out(XLEN), "msip": Out(harts), "mtip": Out(harts)}
        )

    def elaborate(self, platform: Any) -> Module:
        """One word after the other."""
        m = Module()
        bus = self.bus
        first = _answers(m, bus)
        writes = first & bus.we
        place = bus.adr[: (CLINT_BYTES // WORD_BYTES - 1).bit_length()]

        m.d.sync += self.mtime.eq(self.mtime + 1)
        with m.If(writes & (place == MTIME_OFFSET // WORD_BYTES)):
            m.d.sync += self.mtime.eq(_merged(self.mtime, bus))
        compares = [
            Signal(XLEN, name=f"mtimecmp_{hart}", init=(1 << XLEN) - 1)
            for hart in range(self._harts)
        ]
        for hart, compare in enumerate(compares):
            m.d.sync += self.mtip[hart].eq(self.mtime >= compare)
            with m.If(writes & (place == MTIMECMP_OFFSET // WORD_BYTES + hart)):
                m.d.sync += compare.eq(_merged(compare, bus))
            word, half = divmod(hart, 2)
            with m.If(writes & (place == MSIP_OFFSET // WORD_BYTES + word) & bus.sel[4 * half]):
                m.d.sync += self.msip[hart].eq(bus.dat_w[_HALF * half])

        with m.If(first):
            m.d.sync += bus.dat_r.eq(0)
            with m.If(place == MTIME_OFFSET // WORD_BYTES):
                m.d.sync += bus.dat_r.eq(self.mtime)
            for hart, compare in enumerate(compares):
                with m.If(place == MTIMECMP_OFFSET // WORD_BYTES + hart):
                    m.d.sync += bus.dat_r.eq(compare)
            for word in range((self._harts + 1) // 2):
                pair = self.msip[2 * word : 2 * word + 2]
                with m.If(place == MSIP_OFFSET // WORD_BYTES + word):
                    m.d.sync += [bus.dat_r[0].eq(pair[0]), bus.dat_r[_HALF].eq(pair[1:])]
        return m


class Sswi(wiring.Component):
    """A write of 1 to a hart's word sets its supervisor software interrupt; it reads as zero.

    Parameters
    ----------
    harts : number of them

    Members
    -------
    bus : word addresses from the beginning of the window
    ssip : one bit a hart, for one cycle
    """

    def __init__(self, *, harts: int) -> None:
        self._harts = harts
        super().__init__({"bus": In(Wishbone()), "ssip": Out(harts)})

    def elaborate(self, platform: Any) -> Module:
        """Decode, and pulse."""
        m = Module()
        bus = self.bus
        writes = _answers(m, bus) & bus.we
        place = bus.adr[: (SSWI_BYTES // WORD_BYTES - 1).bit_length()]
        for hart in range(self._harts):
            word, half = divmod(hart, 2)
            m.d.comb += self.ssip[hart].eq(
                writes & (place == word) & bus.sel[4 * half] & bus.dat_w[_HALF * half]
            )
        return m

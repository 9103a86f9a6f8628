"""Registers of 64 bits for an initiator of 32: each access in two halves, low half first."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.interfaces import ADDRESS_BITS, WORD_BYTES, Wishbone
from uintr.pass_through import pass_through
from uintr.registers import XLEN

__all__ = ["HalfWords", "OnHalfWords"]

_HALF_BITS = XLEN // 2
_LOW = (1 << WORD_BYTES // 2) - 1
_HIGH = _LOW << WORD_BYTES // 2


class HalfWords(wiring.Component):
    """Makes one transfer of a whole word out of two transfers of half a word.

    A write of the low half is kept, and the write of the same word's high half writes both. A read
    of the low half reads the word, and the read of the same word's high half answers what that word
    held then, so that a register which a read clears loses nothing. A high half that does not
    follow the low half of the same word, in the same direction, is answered with ``err`` and has no
    effect; so initiators that get between each other are told. Every other transfer, a whole word
    above all, goes through as it is, in the same cycle.

    What ends here (low half of a write, high half of a read, an error) ends in the cycle after
    ``stb`` was first seen.

    Members
    -------
    bus : from an initiator of any width up to 64 bits
    target : to registers of 64 bits
    holds, kept, kept_address, kept_we : a low half is kept; it, and the word and direction that it
        is of; for a specification to see
    """

    def __init__(self) -> None:
        self.holds = Signal()
        self.kept = Signal(_HALF_BITS)
        self.kept_address = Signal(ADDRESS_BITS)
        self.kept_we = Signal()
        super().__init__({"bus": In(Wishbone()), "target": Out(Wishbone())})

    def elaborate(self, platform: Any) -> Module:
        """Keep a half, or pass the transfer on."""
        m = Module()
        bus, target = self.bus, self.target
        asked = Signal()
        low = Signal()
        high = Signal()
        kept = self.kept
        kept_address = self.kept_address
        kept_we = self.kept_we
        holds = self.holds
        matches = Signal()
        here = Signal()
        done = Signal()
        m.d.comb += [
            asked.eq(bus.cyc & bus.stb),
            low.eq(bus.sel == _LOW),
            high.eq(bus.sel == _HIGH),
            matches.eq(holds & (kept_address == bus.adr) & (kept_we == bus.we)),
            # Halves that need no transfer behind this block.
            here.eq((low & bus.we) | (high & ~(matches & bus.we))),
            target.cyc.eq(bus.cyc & ~here),
            target.stb.eq(bus.stb & ~here),
            target.we.eq(bus.we),
            target.adr.eq(bus.adr),
            target.sel.eq(bus.sel),
            target.dat_w.eq(bus.dat_w),
            bus.dat_r.eq(target.dat_r),
            bus.ack.eq(target.ack),
            bus.err.eq(target.err),
        ]
        with m.If(low | (high & matches)):
            m.d.comb += target.sel.eq(~0)
        with m.If(high):
            m.d.comb += [
                target.dat_w.eq(Cat(kept, bus.dat_w[_HALF_BITS:])),
                bus.dat_r.eq(Cat(kept, kept)),
            ]
        with m.If(here):
            refused = high & ~matches
            m.d.comb += [bus.ack.eq(done & ~refused), bus.err.eq(done & refused)]
        m.d.sync += done.eq(asked & here & ~done)

        with m.If(asked & low & (done | target.ack)):
            m.d.sync += [
                kept.eq(target.dat_r[_HALF_BITS:]),
                kept_address.eq(bus.adr),
                kept_we.eq(bus.we),
                holds.eq(1),
            ]
            with m.If(bus.we):
                m.d.sync += kept.eq(bus.dat_w[:_HALF_BITS])
        with m.Elif(asked & (bus.ack | bus.err)):
            m.d.sync += holds.eq(0)
        return m


class OnHalfWords(wiring.Component):
    """A block whose ``bus`` also takes halves of words. All its ports are the same.

    Parameters
    ----------
    block : a component with a member ``bus``, a `Wishbone` towards it
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        super().__init__(dict(block.signature.members))

    def elaborate(self, platform: Any) -> Module:
        """Halves in front, block behind."""
        m = Module()
        m.submodules.half_words = halves = HalfWords()
        m.submodules.block = block = self._block
        connect(m, flipped(self.bus), halves.bus)
        connect(m, halves.target, block.bus)
        pass_through(m, self, block, omit={"bus"})
        return m

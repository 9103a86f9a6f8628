"""Properties of registers reached in halves, whatever the initiator does by the rules.

* a transfer of anything but a half goes through as it is, with its end;
* a low half that is read becomes the read of its word, and what the word held then is what the high
  half answers that follows it; a high half that is written becomes the write of its word, with the
  low half that was written before;
* a high half that follows no low half of the same word and direction ends with ``err`` and makes no
  transfer; so a word is never written or read in part;
* every transfer ends once, and only while it is asked for.
"""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal

from uintr.half_words import HalfWords
from uintr_formal.free import ago, free
from uintr_formal.specification import Specification

__all__ = ["HalfWordsSpec"]

_LOW, _HIGH = 0x0F, 0xF0


class HalfWordsSpec(Specification):
    """No parameters."""

    def specify(self, m: Module) -> None:
        """The low half that came last, if a high half may follow it."""
        m.submodules.dut = dut = HalfWords()
        bus, target = dut.bus, dut.target
        free(
            m,
            bus.cyc,
            bus.stb,
            bus.we,
            bus.adr,
            bus.sel,
            bus.dat_w,
            target.ack,
            target.err,
            target.dat_r,
        )
        asked = bus.cyc & bus.stb
        ends = bus.ack | bus.err
        request = Cat(asked, bus.we, bus.adr, bus.sel, bus.dat_w)
        waiting, past = ago(m, asked & ~ends, "waiting"), ago(m, request, "request")
        passed = ago(m, target.cyc & target.stb & ~(target.ack | target.err), "passed")
        m.d.comb += [
            Assume(~waiting | (request == past)),
            Assume(~(target.ack | target.err) | (target.cyc & target.stb & passed)),
            Assume(~(target.ack & target.err)),
        ]
        low, high = bus.sel == _LOW, bus.sel == _HIGH

        kept = Signal()
        half, place, writes = Signal(32), Signal(len(bus.adr)), Signal()
        with m.If(ends):
            m.d.sync += kept.eq(0)
            with m.If(bus.ack & low):
                m.d.sync += [
                    kept.eq(1),
                    half.eq(Mux(bus.we, bus.dat_w[:32], target.dat_r[32:])),
                    place.eq(bus.adr),
                    writes.eq(bus.we),
                ]
        follows = kept & (place == bus.adr) & (writes == bus.we)
        through = ~low & ~high
        makes = asked & Mux(bus.we, through | (high & follows), through | low)
        m.d.comb += [
            Assert((target.cyc & target.stb) == makes),
            Assert(~makes | ((target.we == bus.we) & (target.adr == bus.adr))),
            Assert(~makes | (target.sel == Mux(through, bus.sel, 0xFF))),
            Assert(~(makes & through) | (target.dat_w == bus.dat_w)),
            Assert(~(makes & high) | (target.dat_w == Cat(half, bus.dat_w[32:]))),
            Assert(~makes | ((bus.ack == target.ack) & (bus.err == target.err))),
            Assert(~(bus.ack & ~bus.we & makes) | (bus.dat_r == target.dat_r)),
            Assert(~(bus.ack & ~bus.we & high) | (bus.dat_r[32:] == half)),
            Assert(~(ends & ~makes) | (bus.err == (high & ~follows))),
            Assert(~ends | (asked & waiting)),
            Assert(~(bus.ack & bus.err)),
            Cover(bus.ack & high & bus.we & (half != 0)),
            Cover(bus.ack & high & ~bus.we & (half != 0)),
            Cover(bus.err & high),
        ]
        # For the induction: what the block keeps is this.
        m.d.comb += [
            Assert(dut.holds == kept),
            Assert(
                ~kept | (Cat(dut.kept, dut.kept_address, dut.kept_we) == Cat(half, place, writes))
            ),
        ]

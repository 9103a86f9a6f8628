"""Properties of the bus, when initiators and targets keep the rules.

* the transfer that the targets see is held, unchanged, until its end;
* an end reaches exactly the initiator whose transfer it is, which is asking;
* the owner of a transfer under way is one initiator, and stays it until the end.
"""

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Cat, ClockDomain, Cover, Elaboratable, Module, Signal

from uintr.wishbone import BusArbiter

__all__ = ["BusSpec"]

_HELD = ("cyc", "stb", "we", "adr", "sel", "dat_w")


class BusSpec(Elaboratable):
    """Parameters
    ----------
    count : number of initiators
    """

    def __init__(self, *, count: int) -> None:
        self.domain = ClockDomain("sync", reset_less=True)
        self._count = count

    def elaborate(self, platform: Any) -> Module:
        """Initiators that hold what they present, targets that answer when asked."""
        m = Module()
        m.domains.sync = self.domain
        m.submodules.dut = dut = BusArbiter(count=self._count)
        bus = dut.bus
        ends = bus.ack | bus.err
        m.d.comb += [
            bus.ack.eq(AnySeq(1)),
            bus.err.eq(AnySeq(1)),
            bus.dat_r.eq(AnySeq(64)),
            Assume(~ends | dut.busy),  # registered, so never in the first cycle
            Assume(~(bus.ack & bus.err)),
        ]
        for number, each in enumerate(dut.initiators):
            for name in _HELD:
                signal = getattr(each, name)
                m.d.comb += signal.eq(AnySeq(len(signal)))
            now = Cat(getattr(each, name) for name in _HELD)
            past = Signal(len(now), name=f"past_{number}")
            held = Signal(name=f"held_{number}")
            m.d.sync += [past.eq(now), held.eq(each.stb & ~each.ack & ~each.err)]
            m.d.comb += Assume(each.cyc == each.stb)
            with m.If(held):
                m.d.comb += Assume(now == past)

        asking = Cat(each.stb for each in dut.initiators)
        ended = Cat(each.ack | each.err for each in dut.initiators)
        m.d.comb += [
            Assert((ended & (ended - 1)) == 0),
            Assert(ended.any() == ends),
            Assert((ended & ~asking) == 0),
            Assert(bus.stb == asking.any()),
            Assert((dut.owner & (dut.owner - 1)) == 0),
        ]
        with m.If(dut.busy):
            m.d.comb += Assert((dut.owner & asking).any())
        seen = Cat(getattr(bus, name) for name in _HELD)
        before = Signal(len(seen))
        under_way = Signal()
        m.d.sync += [before.eq(seen), under_way.eq(bus.stb & ~ends)]
        with m.If(under_way):
            m.d.comb += [Assert(seen == before), Assert(dut.busy)]
        m.d.comb += [Cover(ended[each]) for each in range(self._count)]
        return m

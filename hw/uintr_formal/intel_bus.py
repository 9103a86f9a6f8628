"""Properties of the bus with a lock, when initiators and targets keep the rules.

* the transfer that the targets see is held, unchanged, until its end, and is one initiator's;
* *lock*: from an end with ``ack`` and the lock high on, until the same initiator lowers the lock or
  its transfer ends without it, nobody else's transfer is seen or ended;
* *fair*: without a lock, an end frees the bus, and so does an owner that neither asks nor locks;
* ``cyc`` or ``stb`` alone asks for nothing.

The number of initiators is a parameter, and which of them holds the lock is symbolic.
"""

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Signal

from uintr.intel.bus import LockingArbiter
from uintr_formal.arbiter import ordered
from uintr_formal.specification import Specification

__all__ = ["LockingBusSpec"]

_HELD = ("cyc", "stb", "we", "adr", "sel", "dat_w")


class LockingBusSpec(Specification):
    """Parameters
    ----------
    count : number of initiators
    """

    def __init__(self, *, count: int) -> None:
        super().__init__()
        self._count = count

    def specify(self, m: Module) -> None:
        """Initiators that hold what they present, targets that answer when asked."""
        m.submodules.dut = dut = LockingArbiter(count=self._count)
        bus = dut.bus
        ends = bus.ack | bus.err
        m.d.comb += [
            dut.lock.eq(AnySeq(self._count)),
            bus.ack.eq(AnySeq(1)),
            bus.err.eq(AnySeq(1)),
            bus.dat_r.eq(AnySeq(64)),
            # Registered, so never in the first cycle.
            Assume(~ends | (dut.busy & bus.cyc & bus.stb)),
            Assume(~(bus.ack & bus.err)),
        ]
        for number, each in enumerate(dut.initiators):
            for name in _HELD:
                signal = getattr(each, name)
                m.d.comb += signal.eq(AnySeq(len(signal)))
            now = Cat(getattr(each, name) for name in _HELD)
            past = Signal(len(now), name=f"past_{number}")
            held = Signal(name=f"held_{number}")
            m.d.sync += [past.eq(now), held.eq(each.cyc & each.stb & ~each.ack & ~each.err)]
            with m.If(held):
                m.d.comb += Assume(now == past)

        asking = Cat(each.cyc & each.stb for each in dut.initiators)
        ended = Cat(each.ack | each.err for each in dut.initiators)
        m.d.comb += [
            Assert((ended & (ended - 1)) == 0),
            Assert(ended.any() == ends),
            Assert((ended & ~asking) == 0),
            Assert(~dut.busy | ((dut.owner & (dut.owner - 1)) == 0)),
            Assert(~dut.busy | dut.owner.any()),
            *ordered(dut.round_robin),
        ]
        seen = Cat(getattr(bus, name) for name in _HELD)
        before = Signal(len(seen))
        under_way = Signal()
        m.d.sync += [before.eq(seen), under_way.eq(bus.cyc & bus.stb & ~ends)]
        with m.If(under_way):
            m.d.comb += [Assert(seen == before), Assert(dut.busy)]

        # Somebody who locks, whoever it is.
        who = AnyConst(range(self._count))
        m.d.comb += Assume(who < self._count)
        mine = Signal(self._count)
        locking = Signal()
        asks = Signal()
        acknowledged = Signal()
        failed = Signal()
        m.d.comb += [
            mine.eq(1 << who),
            locking.eq((dut.lock & mine).any()),
            asks.eq((asking & mine).any()),
            acknowledged.eq(bus.ack & (ended & mine).any()),
            failed.eq(bus.err & (ended & mine).any()),
        ]
        holds = Signal()  # the last transfer ended with the lock, which was not given up since
        with m.If(acknowledged):
            m.d.sync += holds.eq(locking)
        with m.Elif(failed | (~asks & ~locking)):
            m.d.sync += holds.eq(0)
        with m.If(holds):
            m.d.comb += [
                Assert(dut.busy & (dut.owner == mine)),
                Assert((ended & ~mine) == 0),
                Assert((bus.cyc & bus.stb) == asks),
            ]
        freed = Signal()
        left = dut.busy & ~(dut.owner & (asking | dut.lock)).any()
        m.d.sync += freed.eq(bus.err | (bus.ack & ~(dut.lock & ended).any()) | left)
        with m.If(freed):
            m.d.comb += Assert(~dut.busy)
        m.d.comb += [Cover(ended[each]) for each in range(self._count)]
        m.d.comb += [
            Cover(holds & acknowledged & bus.we),
            Cover(holds & ~asks & (asking & ~mine).any()),
        ]

"""Properties that memory order rests on: bus, reservation, store buffer, and snooped caches.

* *bus*: one transfer at a time, granted to one who asks; nobody else's comes between the parts of a
  locked one; every write to memory is told to all other harts in its cycle, and nothing else is;
* *reservation*: SC writes only if the word was read by LR before, with no SC since, and no other
  hart has written into it from that read on to the cycle of the write, whichever word it is;
* *queue*: stores come out as they went in, none lost, none twice;
* *snoop*: a line that somebody has written into is not found any more from the third cycle on,
  until it is filled anew; whichever line it is.
"""

from amaranth.asserts import AnyConst
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Cover,
    Module,
    Signal,
    Value,
)

from rv64.cache import CacheArray
from rv64.encoding import Atomic
from rv64.fabric import Fabric
from rv64.memory_map import PHYSICAL_BITS
from rv64.memory_unit import MemoryUnit, Operation
from rv64.store_buffer import StoreBuffer
from uintr_formal.free import free
from uintr_formal.specification import Specification

__all__ = ["FabricSpec", "QueueSpec", "ReservationSpec", "SnoopSpec"]


class FabricSpec(Specification):
    """Two harts, and one more who reads."""

    def specify(self, m: Module) -> None:
        """Whoever wants something holds it; then the shadow of a transfer."""
        m.submodules.dut = dut = Fabric(harts=2, others=1, ram_base=0x8000_0000)
        free(m, dut.memory_words, dut.latency, dut.jitter, dut.seed, dut.tohost_address)
        free(m, dut.memory.read_data, dut.devices.ack, dut.devices.err, dut.devices.dat_r)
        m.d.comb += [
            Assume(~(dut.devices.ack | dut.devices.err) | dut.devices.stb),
            Assume(~(dut.devices.ack & dut.devices.err)),
        ]
        names = ("valid", "write", "device", "line", "lock", "address", "data")
        for number, each in enumerate(dut.initiators):
            free(m, *(getattr(each, name) for name in (*names, "mask")))
            wanted = Signal()
            m.d.sync += wanted.eq(each.valid & ~each.grant)
            with m.If(wanted):
                for name in names:
                    before = Signal.like(getattr(each, name))
                    m.d.sync += before.eq(getattr(each, name))
                    m.d.comb += Assume(getattr(each, name) == before)
            # Who locks reads first. (A locked write would let others come.)
            m.d.comb += Assume(~each.lock | (~each.write & ~each.device))
            if number == 2:
                m.d.comb += Assume(~each.write & ~each.lock)
        initiators = list(dut.initiators)

        grants = Cat(each.grant for each in initiators)
        m.d.comb += Assert((grants & (grants - 1))[:3] == 0)
        busy, mine = Signal(), Signal(3)
        locked, who = Signal(), Signal(3)
        for number, each in enumerate(initiators):
            ends = each.last | each.error
            m.d.comb += [
                Assert(~each.grant | (each.valid & ~busy)),
                Assert(~(each.beat | ends) | (busy & mine[number]) | (each.grant & ends)),
                Assert(~(each.grant & locked) | who[number]),
            ]
            with m.If(each.grant):
                m.d.sync += [
                    busy.eq(each.device | ~each.write),
                    mine.eq(1 << number),
                    locked.eq(each.lock),
                    who.eq(1 << number),
                ]
            with m.Elif(ends):
                m.d.sync += busy.eq(0)
                with m.If(each.error):
                    m.d.sync += locked.eq(0)
            if number < 2:
                other = dut.snoop[1 - number]
                writes = each.grant & each.write & ~each.device & each.mask.any()
                m.d.comb += Assert(other.valid == writes)
                with m.If(writes):
                    m.d.comb += Assert(other.address == each.address)
        m.d.comb += [Cover(initiators[0].last & busy), Cover(dut.snoop[0].valid)]


class ReservationSpec(Specification):
    """The memory unit, on whatever bus."""

    def specify(self, m: Module) -> None:
        """Any word, and what has happened to it since LR read it."""
        m.submodules.dut = dut = MemoryUnit()
        bus = dut.bus
        free(m, dut.start, dut.operation, dut.address, dut.funct3, dut.funct5, dut.word, dut.mask)
        free(m, dut.operand, dut.drained, bus.grant, bus.beat, bus.last, bus.error, bus.read_data)
        free(m, dut.snoop.valid, dut.snoop.address)
        # The last stage holds what it asks for, until the end.
        inputs = (dut.start, dut.operation, dut.address, dut.funct3, dut.funct5, dut.mask)
        held = Signal()
        m.d.sync += held.eq(dut.start & ~dut.done)
        for each in inputs:
            before = Signal.like(Value.cast(each))
            m.d.sync += before.eq(Value.cast(each))
            with m.If(held):
                m.d.comb += Assume(Value.cast(each) == before)
        m.d.comb += [
            Assume(Value.cast(dut.operation) <= Operation.DRAIN.value),
            Assume(~bus.grant | bus.valid),
            # One of several may write in a cycle, and that is told to the others.
            Assume(~(bus.grant & dut.snoop.valid)),
        ]

        watched = AnyConst(PHYSICAL_BITS - 3)
        ours = dut.address[3:] == watched
        atomic = dut.operation == Operation.ATOMIC
        sc, lr = atomic & (dut.funct5 == Atomic.SC), atomic & (dut.funct5 == Atomic.LR)
        good = Signal()  # LR has read the word, and nobody has written into it since
        written = dut.snoop.valid & (dut.snoop.address == watched)
        with m.If(bus.grant & ~bus.write & lr):
            m.d.sync += good.eq(ours)
        with m.Elif((bus.grant & bus.write & sc) | written):
            m.d.sync += good.eq(0)
        writes = bus.grant & bus.write & bus.mask.any()
        with m.If(writes & sc & ours):
            m.d.comb += Assert(good)
        m.d.comb += Cover(writes & sc & ours)


class QueueSpec(Specification):
    """The store buffer."""

    def specify(self, m: Module) -> None:
        """Any one store, by its number."""
        m.submodules.dut = dut = StoreBuffer()
        free(m, dut.input.valid, dut.input.payload, dut.output.ready)
        number = AnyConst(6)
        put, taken = Signal(6), Signal(6)
        kept = Signal.like(Value.cast(dut.input.payload))
        puts = dut.input.valid & dut.input.ready
        takes = dut.output.valid & dut.output.ready
        m.d.sync += [put.eq(put + puts), taken.eq(taken + takes)]
        with m.If(puts & (put == number)):
            m.d.sync += kept.eq(Value.cast(dut.input.payload))
        with m.If(takes & (taken == number)):
            m.d.comb += Assert(Value.cast(dut.output.payload) == kept)
        m.d.comb += [
            Assert(dut.output.valid == (put != taken)),
            Assert(dut.empty == (put == taken)),
            Cover((put - taken)[:6] == 8),
        ]


class SnoopSpec(Specification):
    """Tags of a cache of two ways, with four lines each."""

    def specify(self, m: Module) -> None:
        """Any line, and whether it may be found."""
        m.submodules.dut = dut = CacheArray(ways=2, snooped=True)
        free(m, dut.read, dut.index, dut.frame, dut.tag_ways, dut.tag_line, dut.tag_frame)
        free(m, dut.tag_valid, dut.snoop, dut.snoop_address)
        m.d.comb += [dut.sweep.eq(0), dut.write_ways.eq(0)]
        line, frame = AnyConst(len(dut.tag_line)), AnyConst(len(dut.frame))
        offset = len(dut.index) - len(dut.tag_line)
        written = (
            dut.snoop
            & (dut.snoop_address[offset : len(dut.index)] == line)
            & (dut.snoop_address[len(dut.index) :] == frame)
        )
        fills = (
            dut.tag_ways.any() & dut.tag_valid & (dut.tag_line == line) & (dut.tag_frame == frame)
        )
        snooped = Signal()
        m.d.sync += snooped.eq(dut.snoop)
        # The bus is the filler's while a line arrives: nobody writes then, or just before.
        m.d.comb += Assume(~dut.tag_ways.any() | (~dut.snoop & ~snooped))
        # Who looks up always does: or the answer stays and is as old as it is.
        m.d.comb += Assume(dut.read)

        may = Signal()  # it was filled, and not written into since
        late = Signal()  # written into one cycle ago: the lookup of this cycle still finds it
        looked = Signal()
        m.d.sync += late.eq(written)
        with m.If(fills & ~dut.sweeping):
            m.d.sync += may.eq(1)
        with m.Elif(late):
            m.d.sync += may.eq(0)
        m.d.sync += looked.eq((dut.index[offset:] == line) & ~may)
        # A lookup beside the sweep may still find what is just being swept away.
        swept = Signal()
        m.d.sync += swept.eq(~dut.sweeping)
        with m.If(looked & (dut.frame == frame) & swept):
            m.d.comb += Assert(~dut.hit)
        m.d.comb += Cover(dut.hit & (dut.frame == frame))

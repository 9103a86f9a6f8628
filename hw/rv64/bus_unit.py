"""One hart's way to the bus."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rv64.interfaces import BusPort
from rv64.store_buffer import STORE

__all__ = ["BusUnit"]


class BusUnit(wiring.Component):
    """Chooses whose transfer comes next: stores, then the memory unit, the walker, instructions.

    Whoever reads comes behind all stores that wait, so nobody has to look into the store buffer.

    Members
    -------
    stores : from the store buffer
    memory, walker, fetch : who reads, and the memory unit's writes; presented together, chosen here
    bus : to the bus
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "stores": In(stream.Signature(STORE)),
                "memory": In(BusPort()),
                "walker": In(BusPort()),
                "fetch": In(BusPort()),
                "bus": Out(BusPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Choose while nothing is under way; a transfer that has begun keeps its owner."""
        m = Module()
        bus = self.bus
        sources = (self.memory, self.walker, self.fetch)
        busy = Signal()
        locked = Signal()  # the memory unit comes again before anybody else
        owner = Signal(len(sources))
        chosen = Signal(len(sources))

        with m.If(self.stores.valid & ~busy & ~locked):
            m.d.comb += [
                bus.valid.eq(1),
                bus.write.eq(1),
                bus.address.eq(self.stores.payload.address),
                bus.mask.eq(self.stores.payload.mask),
                bus.data.eq(self.stores.payload.data),
                self.stores.ready.eq(bus.grant),
            ]
        for place, source in enumerate(sources):
            with m.Elif(source.valid & ~busy & (~locked if place else 1)):
                m.d.comb += [
                    chosen[place].eq(1),
                    bus.valid.eq(1),
                    bus.write.eq(source.write),
                    bus.device.eq(source.device),
                    bus.line.eq(source.line),
                    bus.lock.eq(source.lock),
                    bus.address.eq(source.address),
                    bus.mask.eq(source.mask),
                    bus.data.eq(source.data),
                    source.grant.eq(bus.grant),
                ]

        with m.If(bus.grant & chosen.any()):
            m.d.sync += [
                owner.eq(chosen),
                locked.eq(bus.lock),
                busy.eq(bus.device | ~bus.write),
            ]
        with m.Elif(busy & (bus.last | bus.error)):
            m.d.sync += busy.eq(0)
        for place, source in enumerate(sources):
            m.d.comb += [
                source.beat.eq(bus.beat & owner[place]),
                source.last.eq(bus.last & owner[place]),
                source.error.eq(bus.error & owner[place]),
                source.read_data.eq(bus.read_data),
            ]
        return m

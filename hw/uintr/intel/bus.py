"""The arbiter of the system bus, with a lock for read-modify-writes."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import RoundRobin, select
from uintr.checks import check_range
from uintr.interfaces import Wishbone

__all__ = ["LockingArbiter"]


class LockingArbiter(wiring.Component):
    """Connects one of several initiators to the bus, in turn; whoever holds its lock stays.

    A free bus is connected in the very cycle in which someone wants it: to the first, going round,
    behind the initiator served last. It is free again in the cycle after ``ack`` or ``err``, unless
    the initiator's lock is high with ``ack``. Then the initiator stays connected until a transfer
    of its ends with the lock low or with ``err``, or it has the lock low between transfers.

    Parameters
    ----------
    count : number of initiators

    Members
    -------
    initiators : array of ``count``
    lock : one bit an initiator; means something from the end of its transfer to the next one
    bus : to the targets
    busy, owner : the bus is not free, and who has it; for a specification to see

    Raises
    ------
    ValueError : ``count`` is below 1.
    """

    def __init__(self, *, count: int) -> None:
        check_range("count", count, 1, 1 << 16)
        self._count = count
        self.busy = Signal()
        self.owner = Signal(count)
        self.round_robin = RoundRobin(count=count)
        super().__init__(
            {
                "initiators": In(Wishbone()).array(count),
                "lock": In(count),
                "bus": Out(Wishbone()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Arbitrate, forward, answer."""
        m = Module()
        m.submodules.round_robin = round_robin = self.round_robin

        # Who is connected: who has the bus, or else this cycle's winner.
        busy, owner = self.busy, self.owner
        wanted = Signal(self._count)
        connected = Signal(self._count)
        locked = Signal()
        m.d.comb += [
            wanted.eq(Cat(each.cyc & each.stb for each in self.initiators)),
            round_robin.requests.eq(wanted),
            round_robin.advance.eq(~busy),
            connected.eq(Mux(busy, owner, round_robin.grant)),
            locked.eq((connected & self.lock).any()),
        ]
        with m.If(self.bus.err | (self.bus.ack & ~locked)):
            m.d.sync += busy.eq(0)
        with m.Elif(~busy & wanted.any()):
            m.d.sync += [busy.eq(1), owner.eq(round_robin.grant)]
        with m.Elif(busy & ~(self.bus.cyc & self.bus.stb) & ~locked):
            m.d.sync += busy.eq(0)

        # Forward the connected initiator, and the end of the transfer to it alone.
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            m.d.comb += getattr(self.bus, name).eq(
                select(connected, (getattr(each, name) for each in self.initiators))
            )
        for bit, each in zip(connected, self.initiators, strict=True):
            m.d.comb += [
                each.dat_r.eq(self.bus.dat_r),
                each.ack.eq(self.bus.ack & bit),
                each.err.eq(self.bus.err & bit),
            ]

        return m

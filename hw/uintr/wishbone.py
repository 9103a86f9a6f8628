"""The system bus: many initiators, one transfer at a time, few targets."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import RoundRobin, select
from uintr.checks import check_multiple, check_range
from uintr.interfaces import WORD_BYTES, Wishbone

__all__ = ["BusArbiter", "BusDecoder"]


class BusArbiter(wiring.Component):
    """Connects one of several initiators to the bus, in turn.

    A free bus is connected in the very cycle in which someone wants it: to the first, going round,
    behind the initiator served last. It stays connected until ``ack`` or ``err`` and is free in the
    cycle after. An initiator that keeps ``stb`` high then begins a new transfer and competes again.

    Parameters
    ----------
    count : number of initiators

    Members
    -------
    initiators : array of ``count``
    bus : to the targets, none of which may answer in a transfer's first cycle
    busy, owner : a transfer is under way, and whose

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
        super().__init__({"initiators": In(Wishbone()).array(count), "bus": Out(Wishbone())})

    def elaborate(self, platform: Any) -> Module:
        """Arbitrate, forward, answer."""
        m = Module()
        m.submodules.round_robin = round_robin = self.round_robin

        # Who is connected: the owner of a transfer under way, or else this cycle's winner.
        busy, owner = self.busy, self.owner
        connected = Signal(self._count)
        m.d.comb += [
            round_robin.requests.eq(Cat(each.cyc & each.stb for each in self.initiators)),
            round_robin.advance.eq(~busy),
            connected.eq(Mux(busy, owner, round_robin.grant)),
        ]
        with m.If(self.bus.ack | self.bus.err):
            m.d.sync += busy.eq(0)
        with m.Elif(~busy & round_robin.requests.any()):
            m.d.sync += [busy.eq(1), owner.eq(round_robin.grant)]

        # Forward the connected initiator, and the end of the transfer to its owner alone, who is
        # known by then: no way leads through the search and back in one cycle.
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            m.d.comb += getattr(self.bus, name).eq(
                select(connected, (getattr(each, name) for each in self.initiators))
            )
        for bit, each in zip(owner, self.initiators, strict=True):
            m.d.comb += [
                each.dat_r.eq(self.bus.dat_r),
                each.ack.eq(self.bus.ack & bit),
                each.err.eq(self.bus.err & bit),
            ]

        return m


class BusDecoder(wiring.Component):
    """Hands a transfer to the target whose window holds the address.

    All address bits are decoded. A target sees its own addresses, from 0. An address of no window
    is answered with ``err`` in the cycle after ``stb`` was first seen.

    Parameters
    ----------
    windows : byte address and byte size of each target, multiples of 8, not overlapping

    Members
    -------
    bus : from the initiator
    targets : array, one for each window; must answer only while they are addressed, and not in the
        first cycle of a transfer

    Raises
    ------
    ValueError : a window is not made of whole words within 64 bits.
    """

    def __init__(self, *, windows: Sequence[tuple[int, int]]) -> None:
        for base, size in windows:
            check_multiple("window base", base, WORD_BYTES)
            check_multiple("window size", size, WORD_BYTES)
            check_range("window end", base + size, 1, 1 << 64)
        self._windows = tuple(windows)
        super().__init__({"bus": In(Wishbone()), "targets": Out(Wishbone()).array(len(windows))})

    def elaborate(self, platform: Any) -> Module:
        """Find the target, pass the transfer on, bring the answer back."""
        m = Module()

        hits = Signal(len(self._windows))
        for hit, target, (base, size) in zip(hits, self.targets, self._windows, strict=True):
            first, words = base // WORD_BYTES, size // WORD_BYTES
            offset = Signal.like(self.bus.adr)
            if words & words - 1 == 0 and first % words == 0:
                # A window aligned to its size needs neither carry chain nor comparator.
                bits = words.bit_length() - 1
                m.d.comb += [
                    offset.eq(self.bus.adr[:bits]),
                    hit.eq(self.bus.adr[bits:] == first >> bits),
                ]
            else:
                # An address below the base wraps round to a huge offset: one comparison is enough.
                m.d.comb += [offset.eq(self.bus.adr - first), hit.eq(offset < words)]
            m.d.comb += [
                target.cyc.eq(self.bus.cyc & hit),
                target.stb.eq(self.bus.stb & hit),
                target.we.eq(self.bus.we),
                target.adr.eq(offset),
                target.sel.eq(self.bus.sel),
                target.dat_w.eq(self.bus.dat_w),
            ]

        # The answer comes a cycle after the address at least: from the window that it was found in.
        window = Signal.like(hits)
        with m.If(self.bus.cyc & self.bus.stb):
            m.d.sync += window.eq(hits)
        nowhere = Signal()
        m.d.sync += nowhere.eq(self.bus.cyc & self.bus.stb & ~hits.any() & ~nowhere)
        m.d.comb += [
            self.bus.dat_r.eq(select(window, (target.dat_r for target in self.targets))),
            self.bus.ack.eq(Cat(target.ack for target in self.targets).any()),
            self.bus.err.eq(Cat(target.err for target in self.targets).any() | nowhere),
        ]

        return m

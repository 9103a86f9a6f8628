"""Round-robin selection, used by the controller and by the bus."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range

__all__ = ["RoundRobin", "select"]

_SMALL = 8
"""Up to so many requesters logic is faster than a carry chain."""


def select(grant: Value, values: Iterable[Any]) -> Value:
    """The one of ``values`` whose bit of the one-hot word ``grant`` is set; 0 if none is."""
    return reduce(
        or_, (Mux(bit, Value.cast(value), 0) for bit, value in zip(grant, values, strict=True))
    )


class RoundRobin(wiring.Component):
    """Grants one of several requests, each in its turn.

    ``grant`` follows ``requests`` in the same cycle: it is the first request at or after the place
    behind the last grant that was taken, going round; after reset the search begins at 0. So no
    request waits for more than ``count - 1`` others.

    Parameters
    ----------
    count : number of requesters

    Members
    -------
    requests : one bit a requester
    grant : one-hot, or 0 without any request
    advance : the grant is taken in this cycle; without a request it has no effect
    behind : the requesters after the last grant; after reset none

    Raises
    ------
    ValueError : ``count`` is below 1.
    """

    def __init__(self, *, count: int) -> None:
        check_range("count", count, 1, 1 << 16)
        self._count = count
        self.behind = Signal(count)
        super().__init__({"requests": In(count), "grant": Out(count), "advance": In(1)})

    def elaborate(self, platform: Any) -> Module:
        """Two lowest-bit searches: among those behind the last grant, and among all."""
        m = Module()

        behind = self.behind
        first = Signal(self._count)
        m.d.comb += first.eq(self.requests & behind)
        if self._count <= _SMALL:
            # Side by side, and chosen at the end: the shortest way through look-up tables.
            for place in range(self._count):
                earlier = Mux(first.any(), first[:place].any(), self.requests[:place].any())
                chosen = Mux(first.any(), first[place], self.requests[place])
                m.d.comb += self.grant[place].eq(chosen & ~earlier)
                with m.If(self.advance & self.requests.any()):
                    m.d.sync += behind[place].eq(earlier)
        else:
            # Isolating the lowest bit by subtraction uses the carry chain.
            eligible = Mux(first.any(), first, self.requests)
            m.d.comb += self.grant.eq(eligible & -eligible)
            with m.If(self.advance & self.requests.any()):
                m.d.sync += behind.eq(~(self.grant | (self.grant - 1)))

        return m

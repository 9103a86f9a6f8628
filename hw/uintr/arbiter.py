"""Round-robin selection, used by the controller and by the bus."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
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
    overtakes : for few requesters, of each pair (low, high): the higher one comes first

    Raises
    ------
    ValueError : ``count`` is below 1.
    """

    def __init__(self, *, count: int) -> None:
        check_range("count", count, 1, 1 << 16)
        self._count = count
        self.behind = Signal(count)
        self.overtakes = {
            (low, high): Signal(name=f"overtakes_{low}_{high}")
            for high in range(count if count <= _SMALL else 0)
            for low in range(high)
        }
        super().__init__({"requests": In(count), "grant": Out(count), "advance": In(1)})

    def elaborate(self, platform: Any) -> Module:
        """Who comes before whom is kept, for few requesters; else two lowest-bit searches."""
        m = Module()
        if 1 < self._count <= _SMALL:
            self._compare(m)
        else:
            # Among those behind the last grant, and among all. Isolating the lowest bit by
            # subtraction uses the carry chain.
            first = Signal(self._count)
            m.d.comb += first.eq(self.requests & self.behind)
            eligible = Mux(first.any(), first, self.requests)
            m.d.comb += self.grant.eq(eligible & -eligible)
            with m.If(self.advance & self.requests.any()):
                m.d.sync += self.behind.eq(~(self.grant | (self.grant - 1)))
        return m

    def _compare(self, m: Module) -> None:
        """Each request against each other one: the shortest way through look-up tables.

        For a pair, ``overtakes``: the last grant was at the lower one or between them, so the
        higher one comes first. Otherwise the lower one does.
        """
        overtakes = self.overtakes
        for place in range(self._count):
            ahead = [
                other & (overtakes[place, at] if at > place else ~overtakes[at, place])
                for at, other in enumerate(self.requests)
                if at != place
            ]
            m.d.comb += self.grant[place].eq(self.requests[place] & ~Cat(ahead).any())
            if place:
                m.d.comb += self.behind[place].eq(overtakes[0, place])
        with m.If(self.advance & self.requests.any()):
            m.d.sync += [
                bit.eq(self.grant[low:high].any()) for (low, high), bit in overtakes.items()
            ]

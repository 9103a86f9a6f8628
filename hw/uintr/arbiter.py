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
        self.behind = Signal(count)
        super().__init__({"requests": In(count), "grant": Out(count), "advance": In(1)})

    def elaborate(self, platform: Any) -> Module:
        """Two lowest-bit searches: among those behind the last grant, and among all."""
        m = Module()

        behind = self.behind
        first = self.requests & behind
        eligible = Mux(first.any(), first, self.requests)
        # Isolating the lowest bit by subtraction uses the carry chain, and stays fast for 65 ports.
        m.d.comb += self.grant.eq(eligible & -eligible)

        with m.If(self.advance & self.requests.any()):
            m.d.sync += behind.eq(~(self.grant | (self.grant - 1)))

        return m

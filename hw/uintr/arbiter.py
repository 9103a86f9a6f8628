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
"""Up to so many requesters each is compared with each other one."""
_WAYS = 5
"""Above, each search is one among so many groups, and so many searches in them at the same time."""


def select(grant: Value, values: Iterable[Any]) -> Value:
    """The one of ``values`` whose bit of the one-hot word ``grant`` is set; 0 if none is."""
    return reduce(
        or_, (Mux(bit, Value.cast(value), 0) for bit, value in zip(grant, values, strict=True))
    )


def _split(count: int) -> list[slice]:
    """At most `_WAYS` groups of ``count`` requesters, all of one size but for the last."""
    size = -(-count // _WAYS)
    return [slice(at, min(at + size, count)) for at in range(0, count, size)]


def _first(some: Value, every: Value) -> Value:
    """The lowest bit of ``some``, or if there is none that of ``every``, which contains ``some``.

    Whether a group wins and who wins in it are found side by side: if one of ``some`` is in the
    winning group, one of them wins in it; if not, there is none anywhere.
    """
    if len(every) > _WAYS:
        groups = _split(len(every))
        wins = _first(Cat(some[g].any() for g in groups), Cat(every[g].any() for g in groups))
        return Cat(
            Mux(win, _first(some[g], every[g]), 0) for win, g in zip(wins, groups, strict=True)
        )

    def lowest(word: Value) -> Value:
        return Cat(bit & ~word[:at].any() for at, bit in enumerate(word))

    return Mux(some.any(), lowest(some), lowest(every))


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
    groups : slices of requesters, one for few of them
    nominees : the first request of each group, which is there earlier than ``grant``
    chosen : one bit a group: its nominee is granted; of a single group without meaning
    behind : the requesters after the last grant; after reset none
    overtakes : for few requesters, of each pair (low, high): the higher one comes first

    Raises
    ------
    ValueError : ``count`` is below 1.
    """

    def __init__(self, *, count: int) -> None:
        check_range("count", count, 1, 1 << 16)
        self._count = count
        self.groups = [slice(0, count)] if count <= _SMALL else _split(count)
        self.nominees = Signal(count)
        self.chosen = Signal(len(self.groups))
        self.behind = Signal(count)
        self.overtakes = {
            (low, high): Signal(name=f"overtakes_{low}_{high}")
            for high in range(count if count <= _SMALL else 0)
            for low in range(high)
        }
        super().__init__({"requests": In(count), "grant": Out(count), "advance": In(1)})

    def elaborate(self, platform: Any) -> Module:
        """Who comes before whom is kept, for few requesters; else who is behind the last grant."""
        m = Module()
        if 1 < self._count <= _SMALL:
            m.d.comb += self.grant.eq(self.nominees)
            self._compare(m)
        else:
            some, every = self.requests & self.behind, self.requests
            m.d.comb += self.chosen.eq(
                _first(
                    Cat(some[group].any() for group in self.groups),
                    Cat(every[group].any() for group in self.groups),
                )
            )
            for chosen, group in zip(self.chosen, self.groups, strict=True):
                m.d.comb += [
                    self.nominees[group].eq(_first(some[group], every[group])),
                    self.grant[group].eq(Mux(chosen, self.nominees[group], 0)),
                ]
            with m.If(self.advance & self.requests.any()):
                m.d.sync += self.behind.eq(Cat(self.grant[:at].any() for at in range(self._count)))
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
            m.d.comb += self.nominees[place].eq(self.requests[place] & ~Cat(ahead).any())
            if place:
                m.d.comb += self.behind[place].eq(overtakes[0, place])
        with m.If(self.advance & self.requests.any()):
            m.d.sync += [
                bit.eq(self.grant[low:high].any()) for (low, high), bit in overtakes.items()
            ]

"""The queue of absent receivers that have something pending."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.registers import MAX_RECEIVERS

__all__ = ["ClaimQueue"]


class ClaimQueue(wiring.Component):
    """A ring of receiver numbers, first in, first out.

    It has a place for every receiver, and none stands in it twice (`Record` sees to that), so it
    cannot overflow. A number that is pushed in cycle c is at the head, if the ring was empty, in
    c+1, or with ``through`` in c. Push and pop may be in the same cycle.

    Parameters
    ----------
    receivers : number of receivers
    through : a number can be popped in the cycle in which it is pushed

    Members
    -------
    push, number : append ``number``
    pop : drop the head; without one it has no effect
    head, valid : the first number, and whether there is one. With ``through`` and an empty ring
        ``head`` is ``number``, so it does not wait for ``push``; ``valid`` does
    first, last : how many were taken and how many were pushed so far, modulo twice the places
    ring : the places
    """

    def __init__(self, *, receivers: int, through: bool = False) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        self._through = through
        self._depth = max(2, 1 << (receivers - 1).bit_length())
        self.first = Signal(range(2 * self._depth))
        self.last = Signal(range(2 * self._depth))
        # One receiver's number has no bits, and a memory without width stops Yosys.
        width = max(1, (receivers - 1).bit_length())
        self.ring = memory.Memory(shape=unsigned(width), depth=self._depth, init=[])
        super().__init__(
            {
                "push": In(1),
                "number": In(range(receivers)),
                "pop": In(1),
                "head": Out(range(receivers)),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Two pointers with one bit more than an address: equal means empty."""
        m = Module()
        m.submodules.ring = ring = self.ring
        write = ring.write_port()
        read = ring.read_port(transparent_for=(write,))

        first, last = self.first, self.last
        stands = Signal()
        taken = Signal()
        following = Signal.like(first)
        m.d.comb += [
            stands.eq(first != last),
            self.valid.eq(stands | (self.push if self._through else 0)),
            self.head.eq(Mux(stands, read.data, self.number) if self._through else read.data),
            taken.eq(self.pop & self.valid),
            following.eq(Mux(taken, first + 1, first)),
            write.en.eq(self.push),
            write.addr.eq(last),
            write.data.eq(self.number),
            read.en.eq(1),  # also while it is empty, so that the head is never undefined
            read.addr.eq(following),
        ]
        m.d.sync += first.eq(following)
        with m.If(self.push):
            m.d.sync += last.eq(last + 1)
        return m

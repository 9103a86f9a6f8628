"""The interrupt fabric: from a hart that sends to the hart it names."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import RoundRobin, select
from uintr.checks import check_range
from uintr.intel.registers import BROADCAST
from uintr.registers import MAX_HARTS

__all__ = ["INTERRUPT", "InterruptFabric"]

INTERRUPT = data.StructLayout({"vector": 8, "destination": 32})
"""An interrupt and the hart it is for."""


class InterruptFabric(wiring.Component):
    """Accepts one interrupt a cycle, round robin, and hands it over in the same cycle.

    An interrupt for a hart that does not exist is accepted and dropped; one for `BROADCAST` is for
    every hart, the one that sends it among them.

    Parameters
    ----------
    harts : number of harts, 1 to 64

    Members
    -------
    ports : array of streams of `INTERRUPT`, one from each hart
    arrive : one bit a hart: ``vector`` is for it, in this cycle
    vector : of the interrupt that is accepted
    busy : an interrupt is presented
    round_robin : for a specification to see

    Raises
    ------
    ValueError : ``harts`` is out of range.
    """

    def __init__(self, *, harts: int) -> None:
        check_range("harts", harts, 1, MAX_HARTS)
        self._harts = harts
        self.round_robin = RoundRobin(count=harts)
        super().__init__(
            {
                "ports": In(stream.Signature(INTERRUPT)).array(harts),
                "arrive": Out(harts),
                "vector": Out(8),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One winner, and the decoder of its destination."""
        m = Module()
        m.submodules.round_robin = round_robin = self.round_robin
        chosen = Signal(INTERRUPT)
        m.d.comb += [
            round_robin.requests.eq(Cat(port.valid for port in self.ports)),
            round_robin.advance.eq(1),
            self.busy.eq(round_robin.requests.any()),
            Cat(port.ready for port in self.ports).eq(round_robin.grant),
            chosen.eq(select(round_robin.grant, (port.payload for port in self.ports))),
            self.vector.eq(chosen.vector),
        ]
        for hart in range(self._harts):
            here = chosen.destination.matches(hart, BROADCAST)
            m.d.comb += self.arrive[hart].eq(self.busy & here)
        return m

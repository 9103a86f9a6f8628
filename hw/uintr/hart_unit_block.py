"""A hart unit alone, as a top of its own."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.hart_unit import HartUnit
from uintr.interfaces import OPERATION
from uintr.pass_through import pass_through
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, XLEN, Feature

__all__ = ["HartUnitBlock"]


class HartUnitBlock(wiring.Component):
    """`HartUnit` with every member as a port.

    Its way to the controller stands as ``operation`` and ``response``, since a response that is
    always taken has no ready signal, which a port of a top must be.

    Parameters
    ----------
    receivers : number of receivers of the controller
    features, latency : of the controller and its control page. Without THROTTLE ``open`` goes
        unused, without ENTRY_CACHE ``caches`` and ``invalidate``; with a latency of 2 posts are
        presented early

    Members
    -------
    operation : stream of `OPERATION`
    response : valid for one cycle for each operation, with its word
    All others are those of `HartUnit`.

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        *,
        receivers: int,
        features: Feature = ALL_FEATURES,
        latency: int = DEFAULT_LATENCY,
    ) -> None:
        check_range("latency", latency, 2, 4)
        self._unit = HartUnit(receivers=receivers, features=features, early=latency == 2)
        members = dict(self._unit.signature.members)
        del members["port"]
        word = wiring.Signature({"valid": Out(1), "payload": Out(XLEN)})
        super().__init__(
            {**members, "operation": Out(stream.Signature(OPERATION)), "response": In(word)}
        )

    def elaborate(self, platform: Any) -> Module:
        """Ports to ports."""
        m = Module()
        m.submodules.unit = unit = self._unit
        pass_through(m, self, unit, omit={"port"})
        m.d.comb += [
            self.operation.valid.eq(unit.port.operation.valid),
            self.operation.payload.eq(unit.port.operation.payload),
            unit.port.operation.ready.eq(self.operation.ready),
            unit.port.response.valid.eq(self.response.valid),
            unit.port.response.payload.eq(self.response.payload),
        ]
        return m

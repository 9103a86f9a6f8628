"""A hart unit alone, as a top of its own."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.hart_unit import HartUnit
from uintr.interfaces import OPERATION
from uintr.pass_through import pass_through
from uintr.registers import XLEN

__all__ = ["HartUnitBlock"]


class HartUnitBlock(wiring.Component):
    """`HartUnit` with every member as a port.

    Its way to the controller stands as ``operation`` and ``response``, since a response that is
    always taken has no ready signal, which a port of a top must be.

    Parameters
    ----------
    receivers : number of receivers of the controller

    Members
    -------
    operation : stream of `OPERATION`
    response : valid for one cycle for each operation, with its word
    All others are those of `HartUnit`.

    Raises
    ------
    ValueError : ``receivers`` is out of range.
    """

    def __init__(self, *, receivers: int) -> None:
        self._unit = HartUnit(receivers=receivers)
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

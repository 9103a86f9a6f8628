"""A hart unit alone, as a top of its own."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.hart_link import HartLink, connect_operations
from uintr.hart_unit import HartUnit
from uintr.interfaces import HartPort, Wishbone
from uintr.pass_through import pass_through
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, Feature
from uintr.shape import check_hart_unit

__all__ = ["HartUnitBlock"]


class HartUnitBlock(wiring.Component):
    """`HartUnit` with every member as a port.

    Parameters
    ----------
    receivers : number of receivers of the controller
    features, latency : of the controller and its control page; with a latency of 2 posts are
        presented early

    Members
    -------
    hart : the port
    bus : sender-table reads, loads and stores
    idle : no request is outstanding and no response is shown
    All others are those of `HartLink`, and belong to the controller.

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
        check_hart_unit(receivers=receivers, latency=latency)
        self._unit = HartUnit(receivers=receivers, features=features, early=latency == 2)
        super().__init__(
            {
                "hart": In(HartPort()),
                "bus": Out(Wishbone()),
                "idle": Out(1),
                **HartLink(features).members,
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Ports to ports."""
        m = Module()
        m.submodules.unit = unit = self._unit
        absent = set(unit.signature.members) - set(self.signature.members)
        pass_through(m, self, unit, omit=absent | {"port"})
        connect_operations(m, unit.port, self)
        return m

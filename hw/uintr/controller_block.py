"""The controller alone, as a peripheral for somebody else's system."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.bridge import ControllerBridge
from uintr.control_page import ControlPage
from uintr.controller import Controller
from uintr.hart_link import HartLink, connect_operations
from uintr.interfaces import Wishbone
from uintr.registers import (
    ALL_FEATURES,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    Feature,
)
from uintr.shape import controller_windows
from uintr.system import connect_control
from uintr.wishbone import BusDecoder

__all__ = ["CONTROLLER_FEATURES", "ControllerBlock"]

CONTROLLER_FEATURES = ALL_FEATURES & ~(Feature.REJECTED | Feature.THROTTLE | Feature.ENTRY_CACHE)
"""Extensions that a controller without hart units can have: nobody is refused there, has a budget
or keeps entries."""


class ControllerBlock(wiring.Component):
    """Receivers, control page and masks on one bus; for the harts their lines, or their hart units.

    Addresses are those behind the base; whoever places the block decodes the base. Without hart
    units posts come over the bus, a write of SEND, and what concerns hart units is left out of
    ``features``; see `CONTROLLER_FEATURES`.

    Parameters
    ----------
    harts, receivers, features, latency : those of `uintr.controller.Controller`
    joins : hart units are joined, one for each hart

    Members
    -------
    bus : a supervisor's way in
    line : one bit a hart; where hart units are not joined
    supervisor_line : the same, with SUPERVISOR or NOTIFY
    unit : array of `HartLink`, port h for hart h; where hart units are joined

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        *,
        harts: int = DEFAULT_HARTS,
        receivers: int = DEFAULT_RECEIVERS,
        features: Feature = ALL_FEATURES,
        latency: int = DEFAULT_LATENCY,
        joins: bool = False,
    ) -> None:
        if not joins:
            features &= CONTROLLER_FEATURES
        windows = controller_windows(
            harts=harts, receivers=receivers, features=features, latency=latency
        )
        units = harts if joins else 0
        self._controller = Controller(
            harts=harts, receivers=receivers, ports=units + 1, features=features, latency=latency
        )
        self._page = ControlPage(harts=harts, receivers=receivers, features=features)
        self._bridge = ControllerBridge(receivers=receivers)
        self._decoder = BusDecoder(windows=windows)
        self._features = features
        self._units = units
        members: dict[str, Any] = {"bus": In(Wishbone())}
        if joins:
            members["unit"] = In(HartLink(features)).array(harts)
        else:
            lines = ["line"]
            if features & (Feature.SUPERVISOR | Feature.NOTIFY):
                lines.append("supervisor_line")
            members |= {name: Out(harts) for name in lines}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """The connections of `uintr.system.System`, without tables."""
        m = Module()
        m.submodules.controller = controller = self._controller
        m.submodules.control_page = control = self._page
        m.submodules.bridge = bridge = self._bridge
        m.submodules.decoder = decoder = self._decoder
        connect(m, flipped(self.bus), decoder.bus)
        connect(m, decoder.targets[0], bridge.bus)
        connect_control(m, decoder.targets[1], control, bridge)
        if Feature.MASK in self._features:
            connect(m, decoder.targets[2], bridge.masks)
        connect(m, bridge.port, controller.ports[self._units])
        m.d.comb += controller.notify_hart.eq(control.notify_hart)
        for number in range(self._units):
            unit = self.unit[number]
            connect_operations(m, unit, controller.ports[number])
            for name, source in (
                ("line", controller.line),
                ("supervisor_line", controller.supervisor_line),
                ("open", control.open),
                ("invalidate", control.invalidate),
                ("caches", control.caches),
            ):
                if name in unit.signature.members:
                    m.d.comb += getattr(unit, name).eq(source[number])
            for name in ("rejected", "cause", "posted", "posting"):
                if name in unit.signature.members:
                    m.d.comb += getattr(control, name)[number].eq(getattr(unit, name))
        for name in ("line", "supervisor_line"):
            if not self._units and name in self.signature.members:
                m.d.comb += getattr(self, name).eq(getattr(controller, name))
        return m

"""The controller alone, as a peripheral for somebody else's system."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.bridge import ControllerBridge
from uintr.control_page import ControlPage
from uintr.controller import Controller
from uintr.interfaces import Wishbone
from uintr.registers import (
    ALL_FEATURES,
    CONTROL_OFFSET,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    SLOT_BYTES,
    Feature,
)
from uintr.system import System
from uintr.wishbone import BusDecoder

__all__ = ["ControllerBlock"]


class ControllerBlock(wiring.Component):
    """Receivers, control page and masks on one bus, and the lines of the harts.

    Posts come over the bus: a write of SEND. Addresses are those behind the base; whoever places
    the block decodes the base. Without hart units nothing is refused, so REJECTED counts nothing,
    and THROTTLE and ENTRY_CACHE, which concern hart units alone, are left out of ``features``.

    Parameters
    ----------
    harts, receivers, features, latency : those of `uintr.controller.Controller`

    Members
    -------
    bus : a supervisor's way in
    line, supervisor_line : one bit a hart

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
    ) -> None:
        features &= ~(Feature.THROTTLE | Feature.ENTRY_CACHE)
        self._controller = Controller(
            harts=harts, receivers=receivers, ports=1, features=features, latency=latency
        )
        self._page = ControlPage(harts=harts, receivers=receivers, features=features)
        self._bridge = ControllerBridge(receivers=receivers)
        rounded = 1 << (receivers - 1).bit_length()
        windows = [(0, SLOT_BYTES * rounded), (CONTROL_OFFSET, PAGE_BYTES)]
        if Feature.MASK in features:
            windows.append((MASK_OFFSET, MASK_BYTES * rounded))
        self._decoder = BusDecoder(windows=windows)
        self._masks = Feature.MASK in features
        super().__init__({"bus": In(Wishbone()), "line": Out(harts), "supervisor_line": Out(harts)})

    def elaborate(self, platform: Any) -> Module:
        """The connections of `uintr.system.System`, without hart units and tables."""
        m = Module()
        m.submodules.controller = controller = self._controller
        m.submodules.control_page = control = self._page
        m.submodules.bridge = bridge = self._bridge
        m.submodules.decoder = decoder = self._decoder
        connect(m, flipped(self.bus), decoder.bus)
        connect(m, decoder.targets[0], bridge.bus)
        System._connect_control(m, decoder.targets[1], control, bridge)
        if self._masks:
            connect(m, decoder.targets[2], bridge.masks)
        connect(m, bridge.port, controller.ports[0])
        m.d.comb += [
            controller.notify_hart.eq(control.notify_hart),
            self.line.eq(controller.line),
            self.supervisor_line.eq(controller.supervisor_line),
        ]
        return m

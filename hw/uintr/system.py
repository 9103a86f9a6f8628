"""The whole: hart units, controller and sender tables on one bus."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.bridge import ControllerBridge
from uintr.control_page import ControlPage
from uintr.controller import Controller
from uintr.hart_unit import HartUnit
from uintr.interfaces import HartPort, Wishbone
from uintr.registers import (
    ALL_FEATURES,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    DEFAULT_TABLE_BASE,
    DEFAULT_TABLE_PAGES,
    Feature,
)
from uintr.shape import system_windows
from uintr.table_ram import TableRam
from uintr.wishbone import BusArbiter, BusDecoder

__all__ = ["System", "connect_control"]


class System(wiring.Component):
    """User interrupts for ``harts`` harts: the top of simulation and board alike.

    A UIPI SEND reaches the receiver's line ``latency + 3`` cycles after it was accepted, 4 with a
    ``latency`` of 2, when nobody else is under way and the table memory has no wait states. Every
    cycle in between is laid down in the page on the hardware.

    Parameters
    ----------
    harts : hart units, 1 to 64
    receivers : receivers of the controller, 1 to 65536
    base : address of the controller, a multiple of the size of its window: 32 bytes for each
        receiver, their number rounded up to a power of two. The control page and the masks are at
        fixed distances behind it
    table_base : address of the memory for sender tables, a multiple of 4096
    table_pages : its size in 4 KiB pages, 1 to 4095
    table_wait_states : cycles that a transfer of that memory takes longer than two
    features : extensions
    latency : cycles from an accepted operation to the line, 2 to 4

    Members
    -------
    hart : array of `HartPort`
    bus : a supervisor's way to controller and tables from outside
    quiescent : every hart unit is idle, no transfer is under way, the controller is idle, no token
        of a throttle is on its way back; without new input no register changes any more

    Raises
    ------
    ValueError : a parameter is out of range, or the two windows overlap.
    """

    def __init__(
        self,
        *,
        harts: int = DEFAULT_HARTS,
        receivers: int = DEFAULT_RECEIVERS,
        base: int = DEFAULT_BASE,
        table_base: int = DEFAULT_TABLE_BASE,
        table_pages: int = DEFAULT_TABLE_PAGES,
        table_wait_states: int = 0,
        features: Feature = ALL_FEATURES,
        latency: int = DEFAULT_LATENCY,
    ) -> None:
        self._windows = system_windows(
            harts=harts,
            receivers=receivers,
            base=base,
            table_base=table_base,
            table_pages=table_pages,
            table_wait_states=table_wait_states,
            features=features,
            latency=latency,
        )
        self._harts = harts
        self._receivers = receivers
        self._features = features
        self._latency = latency
        self._table_pages = table_pages
        self._table_wait_states = table_wait_states
        super().__init__(
            {
                "hart": In(HartPort()).array(harts),
                "bus": In(Wishbone()),
                "quiescent": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Port and initiator h belong to hart unit h, the last ones to the bus from outside."""
        m = Module()
        m.submodules.controller = controller = Controller(
            harts=self._harts,
            receivers=self._receivers,
            ports=self._harts + 1,
            features=self._features,
            latency=self._latency,
        )
        m.submodules.control_page = control = ControlPage(
            harts=self._harts, receivers=self._receivers, features=self._features
        )
        m.submodules.bridge = bridge = ControllerBridge(receivers=self._receivers)
        m.submodules.table_ram = table_ram = TableRam(
            pages=self._table_pages, wait_states=self._table_wait_states
        )
        m.submodules.arbiter = arbiter = BusArbiter(count=self._harts + 1)
        m.submodules.decoder = decoder = BusDecoder(windows=self._windows)

        units = []
        for number in range(self._harts):
            unit = HartUnit(
                receivers=self._receivers, features=self._features, early=self._latency == 2
            )
            m.submodules[f"hart_unit_{number}"] = unit
            units.append(unit)
            connect(m, flipped(self.hart[number]), unit.hart)
            connect(m, unit.port, controller.ports[number])
            connect(m, unit.bus, arbiter.initiators[number])
            m.d.comb += [
                unit.line.eq(controller.line[number]),
                unit.supervisor_line.eq(controller.supervisor_line[number]),
                control.rejected[number].eq(unit.rejected),
                control.cause[number].eq(unit.cause),
                control.posted[number].eq(unit.posted),
                control.posting[number].eq(unit.posting),
                unit.open.eq(control.open[number]),
                unit.caches.eq(control.caches[number]),
                unit.invalidate.eq(control.invalidate[number]),
            ]

        connect(m, bridge.port, controller.ports[self._harts])
        connect(m, flipped(self.bus), arbiter.initiators[self._harts])
        connect(m, arbiter.bus, decoder.bus)
        connect(m, decoder.targets[0], table_ram.bus)
        connect(m, decoder.targets[1], bridge.bus)
        if Feature.MASK in self._features:
            connect(m, decoder.targets[3], bridge.masks)
        connect_control(m, decoder.targets[2], control, bridge)
        m.d.comb += controller.notify_hart.eq(control.notify_hart)

        m.d.comb += self.quiescent.eq(
            Cat(unit.idle for unit in units).all()
            & controller.idle
            & control.resting
            & ~Cat(each.cyc & each.stb for each in arbiter.initiators).any()
        )
        return m


def connect_control(m: Module, target: Any, control: Any, bridge: Any) -> None:
    """The control page answers its transfers itself, but for those that the bridge ends."""
    for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
        m.d.comb += getattr(control.bus, name).eq(getattr(target, name))
    m.d.comb += [
        bridge.enable.eq(control.enable),
        bridge.operates.eq(control.operates),
        bridge.function.eq(control.function),
        bridge.receiver.eq(control.receiver),
        control.done.eq(bridge.done),
        target.err.eq(control.bus.err),
        target.ack.eq(control.bus.ack | bridge.done),
        target.dat_r.eq(Mux(bridge.done, bridge.answer, control.bus.dat_r)),
    ]

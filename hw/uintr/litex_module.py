"""The controller as a LiteX module, to be added to any LiteX SoC. Importing this file needs LiteX.

``add_user_interrupts(soc, harts=1, receivers=64, folder="build/uintr")`` is all that a SoC needs.
"""

from pathlib import Path
from typing import Any

from litex.gen import LiteXModule
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import wishbone
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
from migen import Cat, ClockSignal, Constant, Instance, ResetSignal, Signal

from uintr.controller_block import ControllerBlock
from uintr.generate import verilog_text
from uintr.half_words import OnHalfWords
from uintr.interfaces import ADDRESS_BITS
from uintr.register_files import RegisterMap
from uintr.registers import (
    ALL_FEATURES,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    XLEN,
    Feature,
)

__all__ = ["UserInterruptController", "add_user_interrupts"]

_ADDRESS_WIDTH = 32


class UserInterruptController(LiteXModule):  # type: ignore[misc,unused-ignore]  # untyped, if there
    """The controller with slots, control page and masks on one Wishbone of 64 bits.

    A SoC whose bus has 32 bits reaches a register in two halves, low half first
    (`uintr.half_words.HalfWords`); LiteX's own converter makes the halves.

    Parameters
    ----------
    platform : of the SoC; the generated Verilog becomes one of its sources
    harts, receivers, features, latency : those of `uintr.controller.Controller`
    folder : where the Verilog goes

    Members
    -------
    bus : for `SoCBusHandler.add_slave`
    line, supervisor_line : one bit a hart, for the CPU's user and supervisor software interrupt
    ev : the same lines as two events, for a CPU that knows no user interrupts
    size : bytes from the first register to the end of the last

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        platform: Any,
        *,
        harts: int = DEFAULT_HARTS,
        receivers: int = DEFAULT_RECEIVERS,
        features: Feature = ALL_FEATURES,
        latency: int = DEFAULT_LATENCY,
        folder: str | Path,
    ) -> None:
        block = OnHalfWords(
            ControllerBlock(harts=harts, receivers=receivers, features=features, latency=latency)
        )
        layout = RegisterMap(base=0, harts=harts, receivers=receivers, features=features)
        self.size = layout.size
        self.bus = bus = wishbone.Interface(
            data_width=XLEN, address_width=_ADDRESS_WIDTH, addressing="word"
        )
        self.line = Signal(harts)
        self.supervisor_line = Signal(harts)

        self.ev = EventManager()
        self.ev.line = EventSourceLevel(description="A hart's user interrupt line is high.")
        self.ev.supervisor = EventSourceLevel(
            description="A hart's supervisor software interrupt line is high."
        )
        self.ev.finalize()
        self.comb += [
            self.ev.line.trigger.eq(self.line != 0),
            self.ev.supervisor.trigger.eq(self.supervisor_line != 0),
        ]

        # The block decodes every address bit, from 0 on; LiteX hands on those of the whole SoC.
        inside = (self.size - 1).bit_length() - (XLEN - ADDRESS_BITS)
        name = f"uintr_controller_{harts}x{receivers}x{int(features)}x{latency}"
        self.specials += Instance(
            name,
            i_clk=ClockSignal("sys"),
            i_rst=ResetSignal("sys"),
            i_bus__cyc=bus.cyc,
            i_bus__stb=bus.stb,
            i_bus__we=bus.we,
            i_bus__adr=Cat(bus.adr[:inside], Constant(0, ADDRESS_BITS - inside)),
            i_bus__sel=bus.sel,
            i_bus__dat_w=bus.dat_w,
            o_bus__dat_r=bus.dat_r,
            o_bus__ack=bus.ack,
            o_bus__err=bus.err,
            o_line=self.line,
            **(
                {"o_supervisor_line": self.supervisor_line}
                if features & (Feature.SUPERVISOR | Feature.NOTIFY)
                else {}
            ),
        )
        source = Path(folder) / f"{name}.v"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(verilog_text(block, name=name), encoding="utf-8")
        platform.add_source(str(source))


def _free_origin(soc: Any, size: int) -> int:
    """A place for uncached registers. LiteX' own choice may be that of the CSRs, which are put on
    the bus last.
    """
    rounded = 1 << (size - 1).bit_length()
    taken = [(region.origin, region.size) for region in soc.bus.regions.values()]
    if "csr" in soc.mem_map:
        taken.append((soc.mem_map["csr"], 4 << soc.csr.address_width))
    end = 1 << soc.bus.address_width
    allowed = [(region.origin, region.origin + region.size) for region in
               soc.bus.io_regions.values()] or [(0, end)]  # fmt: skip
    for origin in (*range(DEFAULT_BASE, end, rounded), *range(0, DEFAULT_BASE, rounded)):
        inside = any(low <= origin and origin + rounded <= high for low, high in allowed)
        if inside and not any(
            origin < first + length and first < origin + rounded for first, length in taken
        ):
            return origin
    raise ValueError(f"bus must have {rounded:#x} bytes free for the controller, but has not")


def add_user_interrupts(
    soc: Any,
    *,
    name: str = "uintc",
    origin: int | None = None,
    **parameters: Any,
) -> UserInterruptController:
    """Add a controller to ``soc``: module, bus region, and its interrupt where the CPU takes any.

    Parameters
    ----------
    soc : a `litex.soc.integration.soc.LiteXSoC`
    name : of module and region
    origin : address of the region, a multiple of its size rounded up; None: the published address
        of the controller, or the first place behind it that is free
    parameters : of `UserInterruptController`

    Raises
    ------
    ValueError : a parameter is out of range, or there is no free place.
    """
    controller = UserInterruptController(soc.platform, **parameters)
    soc.add_module(name, controller)
    if origin is None:
        origin = _free_origin(soc, controller.size)
    region = SoCRegion(origin=origin, size=controller.size, cached=False)
    soc.bus.add_slave(name, controller.bus, region)
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    return controller

"""A board's pins to the board-independent core."""

import importlib
from typing import Any

from amaranth.build import ResourceError
from amaranth.hdl import Elaboratable, Module

from uintr_fpga.boards import Board, Target
from uintr_fpga.core import LEDS, BoardCore
from uintr_fpga.toolchains import ToolError

__all__ = ["BoardTop", "make_platform"]


class BoardTop(Elaboratable):
    """`BoardCore` on the pins of a platform: UART 0 and as many LEDs as there are, up to four.

    Parameters
    ----------
    target : board and configuration
    """

    def __init__(self, target: Target) -> None:
        self._core = BoardCore(config=target.config, clock_hz=target.clock_hz, baud=target.baud)

    def elaborate(self, platform: Any) -> Module:
        """Pins have their own polarity from the platform."""
        m = Module()
        m.submodules.core = core = self._core
        uart = platform.request("uart", 0)
        m.d.comb += [core.rx.eq(uart.rx.i), uart.tx.o.eq(core.tx)]
        for number in range(len(LEDS)):
            try:
                led = platform.request("led", number)
            except ResourceError:
                break
            m.d.comb += led.o.eq(core.leds[number])
        return m


def make_platform(board: Board) -> Any:
    """An instance of the board's platform.

    Raises
    ------
    ToolError : amaranth-boards is not installed.
    """
    module, name = board.platform.split(":")
    try:
        platform = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ToolError(
            f"amaranth-boards must be installed (make env-fpga), but is not: {error}"
        ) from error
    if board.toolchain == "gowin":
        platform = _with_himbaechel(platform)
    return platform()


def _with_himbaechel(platform: Any) -> Any:
    """Amaranth 0.5 calls the Gowin program of an earlier nextpnr; this calls the present one."""

    class Himbaechel(platform):
        _apicula_required_tools = ("yosys", "nextpnr-himbaechel", "gowin_pack")
        _apicula_command_templates = (
            platform._apicula_command_templates[0],
            r"""
            {{invoke_tool("nextpnr-himbaechel")}}
                {{quiet("--quiet")}}
                {{get_override("nextpnr_opts")|options}}
                --log {{name}}.tim
                --device {{platform.part}}
                --vopt family={{platform._chipdb_device}}
                --vopt cst={{name}}.cst
                --json {{name}}.syn.json
                --write {{name}}.pnr.json
            """,
            platform._apicula_command_templates[2],
        )

    return Himbaechel

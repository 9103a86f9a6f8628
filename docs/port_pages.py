"""Tables of the page on integration: ports of every block, and numbers that travel on them."""

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from marked import table

from uintr.axi_lite import OnAxiLite
from uintr.block_json import ports
from uintr.controller_block import ControllerBlock
from uintr.hart_unit_block import HartUnitBlock
from uintr.intel.registers import Instruction, StoreFunction
from uintr.port_table import port_table
from uintr.registers import (
    CsrFunction,
    OperationFunction,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)
from uintr.system import System

__all__ = ["write_port_pages"]

_SMALL = {"receivers": 4}


def _blocks() -> Iterator[tuple[str, Any, str]]:
    """(heading, block, arguments of the command)"""
    yield "System", System(harts=1, table_pages=1, **_SMALL), "--block system"
    yield "Controller", ControllerBlock(harts=1, **_SMALL), "--block controller"
    yield (
        "Controller that joins hart units",
        ControllerBlock(harts=1, joins=True, **_SMALL),
        "--block controller --join",
    )
    yield "Hart unit", HartUnitBlock(**_SMALL), "--block hart-unit"
    yield (
        "AXI4-Lite instead of Wishbone",
        OnAxiLite(ControllerBlock(harts=1, **_SMALL)),
        "--block controller --bus axi4-lite",
    )


_WIDTHS = {"line": "harts", "supervisor_line": "harts"}
"""Where they depend on the shape of a controller alone."""


def _tables() -> Iterator[str]:
    for heading, block, arguments in _blocks():
        yield f"### {heading}\n\n`uintr generate {arguments}`\n"
        yield "| port | direction | bits | meaning | sampled |\n|---|---|---:|---|---|"
        for row in port_table(ports(str(rtlil.convert(block, name="top")), "top")):
            width = _WIDTHS.get(row.name, row.width) if "controller" in arguments else row.width
            yield (f"| `{row.name}` | {row.direction} | {width} | {row.meaning} | {row.sampled} |")
        yield ""


def _numbers() -> Iterator[str]:
    """Each enumeration with what its members mean, as their comments in the source say it."""
    enumerations: tuple[tuple[str, type[IntEnum]], ...] = (
        ("privilege", Privilege),
        ("request kind", RequestKind),
        ("function of CSR", CsrFunction),
        ("function of UIPI (funct7)", UipiFunction),
        ("function of an operation", OperationFunction),
        ("status", Status),
        ("Intel: function of UIPI", Instruction),
        ("Intel: function of STORE", StoreFunction),
    )
    for name, codes in enumerations:
        listed = ", ".join(f"{code.value} {code.name}" for code in codes).replace("_", "\\_")
        yield f"{name} | {listed}"


def write_port_pages(folder: Path) -> None:
    """Write the tables into ``folder``."""
    folder.mkdir(exist_ok=True)
    (folder / "ports.inc").write_text("\n".join(_tables()) + "\n")
    (folder / "numbers.inc").write_text(table("what | numbers", _numbers()))

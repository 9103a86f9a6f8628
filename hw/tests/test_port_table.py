"""Every port of every block has its line in the documentation."""

import pytest
from amaranth.back import rtlil

from uintr.axi_lite import OnAxiLite
from uintr.block_json import ports
from uintr.controller_block import ControllerBlock
from uintr.hart_unit_block import HartUnitBlock
from uintr.intel.system import IntelSystem
from uintr.port_table import PORTS, port_table
from uintr.system import System

BLOCKS = {
    "system": lambda: System(harts=2, receivers=2, table_pages=1),
    "intel": lambda: IntelSystem(harts=1, table_pages=1),
    "controller": lambda: ControllerBlock(receivers=2),
    "joined": lambda: ControllerBlock(harts=2, receivers=2, joins=True),
    "hart unit": lambda: HartUnitBlock(receivers=2),
    "axi": lambda: OnAxiLite(ControllerBlock(receivers=2)),
}


def test_no_port_is_without_meaning_and_no_meaning_without_port() -> None:
    named = set()
    for make in BLOCKS.values():
        rows = port_table(ports(str(rtlil.convert(make(), name="top")), "top"))
        for row in rows:
            assert row.meaning
            assert row.sampled == "" or row.direction == "input"
            named.add(row.name.replace("hart__h__", "hart__").replace("unit__h__", ""))
    assert named == set(PORTS)


def test_an_unknown_port_is_an_error() -> None:
    with pytest.raises(KeyError):
        port_table([{"name": "strange", "direction": "input", "width": 1}])

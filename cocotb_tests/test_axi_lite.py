"""Each block with AXI4-Lite against somebody else's manager and memory."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from cocotb_tools.check_results import get_results

from tb_axi_lite_shape import RECEIVER_COUNT
from uintr_cosim.signals import TOP
from uintr_cosim.simulator import find_simulator, launch

pytestmark = pytest.mark.sim

pytest.importorskip("cocotbext.axi", reason="extra: blocks")


def _controller() -> Any:
    from uintr.controller_block import ControllerBlock

    return ControllerBlock(harts=2, receivers=RECEIVER_COUNT)


def _hart_unit() -> Any:
    from uintr.hart_unit_block import HartUnitBlock

    return HartUnitBlock(receivers=RECEIVER_COUNT)


def _system() -> Any:
    from uintr.system import System

    return System(harts=2, receivers=RECEIVER_COUNT, base=0)


@pytest.mark.parametrize(
    ("make", "bench"),
    [
        (_controller, "tb_axi_lite"),
        (_system, "tb_axi_lite"),
        (_hart_unit, "tb_axi_lite_hart_unit"),
    ],
    ids=["controller", "system", "hart unit"],
)
def test_block_on_axi_lite(tmp_path: Path, make: Any, bench: str) -> None:
    """On one simulator, since the blocks themselves run on both: Icarus, if it is installed."""
    simulator = "icarus" if shutil.which("iverilog") else "verilator"
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from uintr.axi_lite import OnAxiLite
    from uintr.generate import verilog_text

    source = tmp_path / "top.v"
    source.write_text(verilog_text(OnAxiLite(make()), name=TOP))
    found = find_simulator(simulator)
    common = {"simulator": found.name, "build_dir": str(tmp_path / "build")}
    arguments = ["-Wno-lint"] if simulator == "verilator" else []
    environment = found.environment()
    if simulator == "verilator":
        environment["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    launch(
        what="building the AXI4-Lite block",
        action="build",
        spec={**common, "sources": [str(source)], "build_args": arguments},
        environment=environment,
        seconds=600,
        log=tmp_path / "build.log",
    )
    launch(
        what="the AXI4-Lite test",
        action="test",
        spec={**common, "test_module": bench, "test_dir": str(tmp_path)},
        environment=found.environment(),
        seconds=300,
        log=tmp_path / "test.log",
    )
    tests, failed = get_results(tmp_path / "results.xml")
    assert (tests, failed) == (1, 0), (tmp_path / "test.log").read_text()

"""Each block with AXI4-Lite against somebody else's manager and memory."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tb_axi_lite_shape import RECEIVER_COUNT
from uintr_cosim.bench import run_bench

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
    source.write_text(verilog_text(OnAxiLite(make()), name="top"))
    tests = run_bench(bench, sources=[source], top="top", simulator=simulator, folder=tmp_path)
    assert tests == 1

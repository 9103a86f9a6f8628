"""The netlist for ECP5 with registers in its block RAMs, as `bench_hw` places it, is the design.

The system, without extensions, is synthesised as `bench_hw` does it for the controller, and runs
random traffic against the reference, every output in every cycle. Yosys has no model of the ECP5's
block RAM; dp16kd.v is one, and the netlist before the change shows that it is right.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rel4.machine.device import DeviceConfig
from uintr.registers import Feature
from uintr_cosim.signals import TOP
from uintr_fpga.output_registers import ignore_collisions, use_output_registers
from uintr_fpga.toolchains import find_yosys
from uintr_verify.native import build_replay, replay
from uintr_verify.random_traffic import record_random

pytestmark = [
    pytest.mark.sim,
    pytest.mark.skipif(
        "UINTR_GATES" not in os.environ, reason="takes many minutes; make test-gates"
    ),
]

OPERATIONS = 20_000
_CONTROLLER = f"module \\{TOP}.system.controller\n"
_SYNTHESIS = f"read_rtlil top.il; scratchpad -set abc9.D 4500; synth_ecp5 -top {TOP} -json net.json"
_CELLS = (
    "read_verilog -D NO_INCLUDES +/ecp5/cells_sim.v; read_json changed.json; "
    f"delete t:$scopeinfo; hierarchy -top {TOP}; proc; flatten; opt_clean; "
    "delete t:$scopeinfo t:$specify*; write_verilog -noattr net.v"
)


def _yosys(script: str, folder: Path) -> None:
    subprocess.run(
        [find_yosys()[0], "-q", "-p", script],
        cwd=folder, check=True, timeout=1800, capture_output=True,
    )  # fmt: skip


def _netlist(config: DeviceConfig, folder: Path) -> dict[str, Any]:
    from amaranth.back import rtlil

    from uintr_cosim.top import make_top

    text = str(rtlil.convert(make_top(config), name=TOP, emit_src=False))
    begin = text.index(_CONTROLLER)
    end = text.index("\nend\n", begin)
    text = text[:begin] + ignore_collisions(text[begin:end]) + text[end:]
    (folder / "top.il").write_text(text)
    _yosys(_SYNTHESIS, folder)
    netlist: dict[str, Any] = json.loads((folder / "net.json").read_text())
    netlist["modules"] = {TOP: netlist["modules"][TOP]}  # without the empty ones of the cells
    return netlist


def _verilog(netlist: dict[str, Any], folder: Path) -> str:
    """With every cell but block RAMs in its place, and the model of those."""
    for cell in netlist["modules"][TOP]["cells"].values():
        parameters = cell["parameters"]
        for name in [each for each in parameters if each.startswith("INITVAL_")]:
            assert "1" not in parameters.pop(name), "the model's memory begins with zeros"
        parameters.pop("INIT_DATA", None)
    (folder / "changed.json").write_text(json.dumps(netlist))
    _yosys(_CELLS, folder)
    return (folder / "net.v").read_text() + Path(__file__).with_name("dp16kd.v").read_text()


@pytest.mark.parametrize("latency", [3, 4])
def test_netlist_with_output_registers_is_as_the_reference(latency: int, tmp_path: Path) -> None:
    config = DeviceConfig(latency=latency, features=Feature(0), table_pages=1)
    netlist = _netlist(config, tmp_path)
    stimulus = tmp_path / "stimulus"
    record_random(config=config, seed="netlist", operations=OPERATIONS, path=stimulus)
    for change in (False, True):
        if change:
            assert use_output_registers(netlist) >= 2
        program = build_replay(config, source=_verilog(netlist, tmp_path))
        (outcome,) = replay(program, [stimulus])
        assert outcome["good"], outcome
        assert outcome["responses"] >= OPERATIONS

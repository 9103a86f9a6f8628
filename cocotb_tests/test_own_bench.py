"""The page on testbenches of one's own: its example as it stands there, on both simulators."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from uintr.cli import main
from uintr_cosim.simulator import SIMULATORS, SimulationError, find_simulator

PAGE = (Path(__file__).parents[1] / "docs" / "testbench.md").read_text()
pytestmark = pytest.mark.sim


def block(name: str) -> str:
    """The program called ``name`` in the page."""
    (text,) = re.findall(rf"```\{{code-block\}} python\n:name: {name}\n\n(.*?)```", PAGE, re.S)
    return str(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the page's commands were given."""
    commands = re.findall(r"^uintr (generate .*)$", PAGE, re.M)
    assert len(commands) == 2
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    for command in commands:
        *arguments, name = command.split()
        assert main([*arguments, str(tmp_path / name)]) == 0
    (tmp_path / "test_post.py").write_text(block("bench"))
    (tmp_path / "run.py").write_text(block("run"))
    return tmp_path


def run(folder: Path, simulator: str) -> subprocess.CompletedProcess[str]:
    try:
        find_simulator(simulator)
    except SimulationError as error:
        pytest.skip(str(error))
    quickly = {"MAKEFLAGS": "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"}  # of Verilator's makefile
    return subprocess.run(
        [sys.executable, "run.py", simulator], env={**os.environ, **quickly},
        cwd=folder, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_the_example_is_short() -> None:
    assert len(block("bench").splitlines()) <= 40


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_example_runs(folder: Path, simulator: str) -> None:
    done = run(folder, simulator)
    assert done.returncode == 0, done.stderr + (folder / "build/bench/test.log").read_text()


def test_a_wrong_design_is_named_in_one_sentence(folder: Path) -> None:
    """The line of hart 1 is inverted; the sentence says where and when."""
    design = folder / "system.v"
    text = design.read_text()
    wrong = re.sub(r"(assign hart__1__interrupt = )(.*);", r"\1~\2;", text)
    if wrong == text:  # the output of a unit, connected by name
        wrong = re.sub(r"(\.hart__interrupt\()(hart__1__interrupt)\)", r"\1right)", text)
        wrong = wrong.replace(
            "  output hart__1__interrupt;",
            "  output hart__1__interrupt;\n  wire right;\n  assign hart__1__interrupt = ~right;",
        ).replace("  wire hart__1__interrupt;\n", "", 1)
    assert wrong != text
    design.write_text(wrong)
    done = run(folder, "icarus")
    assert done.returncode != 0
    log = (folder / "build/bench/test.log").read_text()
    assert re.search(
        r"interrupt of hart 1 must be False in cycle \d+, not True; before that: ", log
    )

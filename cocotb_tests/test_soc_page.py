"""The page on integration: each example is built and simulated as it stands there."""

import os
import re
import shutil
from pathlib import Path

import pytest

from uintr.cli import main
from uintr_cosim.bench import run_bench

PAGE = (Path(__file__).parents[1] / "docs" / "soc.md").read_text()
EXAMPLE = re.compile(
    r"```sh\n((?:uintr generate [^\n]*\n)+)```\n\n"
    r"```\{code-block\} verilog\n:name: (\w+)\n\n(.*?)```",
    re.S,
)
EXAMPLES = {name: (commands, text) for commands, name, text in EXAMPLE.findall(PAGE)}
pytestmark = pytest.mark.sim


def test_the_page_has_an_example_for_each_bus() -> None:
    assert list(EXAMPLES) == ["joined", "wishbone", "axi"]
    assert PAGE.count("{code-block} verilog") == 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "axi":
        pytest.importorskip("cocotbext.axi", reason="extra: blocks")
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    commands, text = EXAMPLES[name]
    sources = [tmp_path / f"{name}.v"]
    sources[0].write_text(text)
    for command in commands.splitlines():
        *arguments, file = command.removeprefix("uintr ").split()
        assert main([*arguments, str(tmp_path / file)]) == 0
        sources.append(tmp_path / file)
    monkeypatch.setenv("UINTR_EXAMPLE", name)
    simulator = "icarus" if shutil.which("iverilog") else "verilator"
    assert run_bench(
        "tb_soc_page", sources=sources, top=name, simulator=simulator, folder=tmp_path / "run"
    )

"""FuseSoC core and device tree: their form, and their numbers against the register table."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from uintr.integration import (
    COMPATIBLE,
    devicetree_binding,
    devicetree_example,
    fusesoc_core,
)
from uintr.register_files import RegisterMap
from uintr.registers import CONTROL_OFFSET, MASK_OFFSET, Feature


def test_fusesoc_core_is_yaml_with_the_file_and_the_top() -> None:
    yaml = pytest.importorskip("yaml", reason="extra: blocks")
    text = fusesoc_core(name="controller", verilog="controller.v", arguments="--block controller")
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text)
    assert core["filesets"]["rtl"]["files"] == ["controller.v"]
    assert core["targets"]["default"]["toplevel"] == "controller"
    assert core["targets"]["lint"]["filesets"] == ["rtl"]


def test_binding_names_what_the_example_has() -> None:
    yaml = pytest.importorskip("yaml", reason="extra: blocks")
    binding = yaml.safe_load(devicetree_binding())
    example = devicetree_example(RegisterMap())
    assert binding["properties"]["compatible"]["const"] == COMPATIBLE
    for name in binding["required"]:
        assert f"{name} = " in example


@pytest.mark.parametrize(("features", "regions"), [(Feature(0), 2), (Feature.MASK, 3)])
def test_example_has_the_addresses_of_the_map(features: Feature, regions: int) -> None:
    layout = RegisterMap(base=0x4_0300_0000, harts=3, receivers=5, features=features)
    example = devicetree_example(layout)
    (block,) = re.findall(r" reg = (<[^;]*>);\n +reg-names", example)
    cells = [int(cell, 0) for cell in re.findall(r"0x[0-9a-f]+", block)]
    places = [cells[at] << 32 | cells[at + 1] for at in range(0, len(cells), 4)]
    assert places == [layout.base + at for at in (0, CONTROL_OFFSET, MASK_OFFSET)][:regions]
    assert example.count("<&cpu") == 3


def test_example_compiles(tmp_path: Path) -> None:
    if shutil.which("dtc") is None:
        pytest.skip("dtc is not installed")
    source = tmp_path / "example.dts"
    source.write_text(devicetree_example(RegisterMap()))
    command = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(tmp_path / "out.dtb"), str(source)]
    subprocess.run(command, check=True, timeout=30)

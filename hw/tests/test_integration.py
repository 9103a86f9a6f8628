"""FuseSoC core and device tree: their form, and their numbers against the register table."""

import re
import shutil
import subprocess
import sys
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
    text = fusesoc_core(name="controller", arguments="--block controller")
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text)
    assert core["filesets"]["rtl"]["files"] == ["controller.v"]
    assert core["targets"]["default"]["toplevel"] == "controller"
    lint = core["targets"]["lint"]
    assert lint["filesets"] == ["rtl", "waivers"]
    assert core["filesets"]["waivers"] == {"files": ["controller.vlt"], "file_type": "vlt"}
    assert lint["tools"]["verilator"]["verilator_options"] == ["-Wall"]


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


def blob(folder: Path, text: str) -> Path:
    """The compiled device tree; dtc must have nothing to say."""
    if shutil.which("dtc") is None:
        pytest.skip("dtc is not installed")
    source, out = folder / "example.dts", folder / "example.dtb"
    source.write_text(text)
    done = subprocess.run(
        ["dtc", "-I", "dts", "-O", "dtb", "-o", str(out), str(source)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.mark.parametrize("features", [Feature(0), Feature.MASK])
def test_example_compiles_without_a_warning(features: Feature, tmp_path: Path) -> None:
    blob(tmp_path, devicetree_example(RegisterMap(harts=3, features=features)))


def test_the_binding_is_one_and_the_example_follows_it(tmp_path: Path) -> None:
    """In the words of the device-tree project's own tools."""
    pytest.importorskip("dtschema", reason="extra: blocks")
    tools = Path(sys.executable).parent

    def said(tool: str, *arguments: str) -> str:
        command = [str(tools / tool), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    binding = tmp_path / "interrupt-controller" / "rel4,uintc.yaml"
    binding.parent.mkdir()
    binding.write_text(devicetree_binding())
    assert said("dt-doc-validate", str(binding)) == ""
    example = devicetree_example(RegisterMap())

    def of_ours(text: str) -> list[str]:
        """The rest is of bindings that come with Linux, and not with the tool."""
        heard = said("dt-validate", "-s", str(tmp_path), str(blob(tmp_path, text)))
        return [line for line in heard.splitlines() if "uintc" in line or "@3000000" in line]

    assert of_ours(example) == []
    broken = example.replace("rel4,receivers = <512>;", "rel4,receivers = <0x20000>;")
    assert of_ours(broken)

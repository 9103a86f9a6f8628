"""From a target to a bitstream, with logs and a report."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rel4.bench.results import source_commit
from uintr_fpga.boards import Target
from uintr_fpga.output_registers import use_output_registers
from uintr_fpga.toolchains import (
    TOOLCHAINS,
    Toolchain,
    ToolError,
    find_tools,
    search_path,
    versions,
)

__all__ = ["DEEP_MAPPING", "TIMING_WEIGHT", "build_bitstream", "count_blocks", "run_script"]

_NAME = "top"
_SECONDS = 3600
_BLOCKS = re.compile(
    r"core\.(?:system\.(?:hart_unit_\d+\.(?:receiver|sender)|hart_unit_\d+|\w+)|\w+)(?=\.)"
)
"""The name of a block in the name of a cell: blocks of the core, and those of the system."""

_SYNTHESIS = {
    "ice40": "-abc9 -device u",
    # Wide multiplexers save no logic where a word is chosen by and-or.
    "ecp5": "-abc9 -nowidelut",
    # Wide multiplexers make clusters of cells, with which the placer came to no end.
    "gowin": "-nowidelut",
}

_WIRE_PS = 1000
"""What a wire takes on an ECP5 of speed 6, for the choice of look-up tables; Yosys takes 300."""
_MAP_AGAIN = f"&dch -f -r; &if -W {_WIRE_PS}; &mfs"
DEEP_MAPPING = (
    'scratchpad -set abc9.script "+&scorr; &sweep; &dc2; '
    f'{_MAP_AGAIN}; &st; {_MAP_AGAIN}; &st; {_MAP_AGAIN}"\n'
)
"""A command for Yosys: look-up tables are chosen three times over, each time from other structures
of the same logic, which makes the longest paths two or three tables shorter."""

TIMING_WEIGHT = "--placer-heap-timingweight 30"
"""For nextpnr: how much more wires on long paths count in placement. It takes 10 by itself."""

_NO_COLLISIONS = ("commands", "results", "words", "records")
"""Memories of which nobody uses what was read where it was written in the same cycle: commands are
taken only while nothing is executed, answers are of use only then, the table memory reads or
writes, and the controller forwards its records. Told so, synthesis leaves out the logic that would
give the old word."""


def build_bitstream(
    target: Target, *, seed: int, folder: Path, netlist: Path | None = None
) -> dict[str, Any]:
    """Build ``target`` in ``folder``; returns the report, which is in ``report.json`` there too.

    ``netlist`` is the folder of an earlier build of the same target: its netlist is placed and
    routed anew, without another synthesis.

    A folder whose report is of the same plan and the same tools is complete, and nothing is built:
    so a series of builds that was interrupted goes on where it stopped.

    Raises
    ------
    ToolError : a tool is missing, failed or took too long; the sentence names its log.
    ValueError : the gateware refuses the configuration.
    """
    if seed < 0:
        raise ValueError(f"seed must be at least 0, not {seed!r}")
    toolchain = TOOLCHAINS[target.board.toolchain]
    ecp5 = target.board.toolchain == "ecp5"
    tools = find_tools(toolchain)
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from uintr_fpga.board_top import BoardTop, make_platform

    platform = make_platform(target.board)
    if hasattr(platform, "toolchain") and target.board.toolchain == "gowin":
        platform.toolchain = "Apicula"
    folder.mkdir(parents=True, exist_ok=True)
    plan = platform.prepare(
        BoardTop(target),
        _NAME,
        synth_opts=_SYNTHESIS[target.board.toolchain],
        script_after_read=(DEEP_MAPPING if ecp5 else "")
        + "".join(
            f"setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:MEMID=\\\\{name} %i\n"
            for name in _NO_COLLISIONS
        ),
        nextpnr_opts=f"--seed {seed} --report {_NAME}.pnr-report.json --timing-allow-fail"
        + (f" {TIMING_WEIGHT}" if ecp5 else ""),
    )
    made = {
        "plan": plan.digest(8).hex(),
        "output_registers": ecp5,
        "versions": versions(tools),
    }
    report_file = folder / "report.json"
    try:
        report: dict[str, Any] = json.loads(report_file.read_text())
        if all(report[name] == value for name, value in made.items()):
            return report
    except (OSError, ValueError, KeyError):
        pass  # there is none, or only a part of one
    report_file.unlink(missing_ok=True)
    (folder / "build.log").unlink(missing_ok=True)
    plan.extract(str(folder))
    name = f"{_NAME}{toolchain.netlist}"
    script = folder / f"build_{_NAME}.sh"
    synthesis, placement = _halves(script.read_text())
    if netlist is None:
        script.write_text(synthesis)
        run_script(folder, tools)
        if made["output_registers"]:
            design = json.loads((folder / name).read_text())
            use_output_registers(design)
            (folder / name).write_text(json.dumps(design))
    elif (netlist / f"{_NAME}.il").read_text() != (folder / f"{_NAME}.il").read_text():
        raise ToolError(f"the netlist must be of the same design, and that in {netlist} is not")
    else:
        shutil.copyfile(netlist / name, folder / name)
    script.write_text(placement)
    run_script(folder, tools)
    report = {**_report(target, toolchain, seed, folder), **made}
    report_file.write_text(json.dumps(report, indent=1) + "\n")
    return report


def _halves(script: str) -> tuple[str, str]:
    """The build script up to synthesis, and without it."""
    lines = script.splitlines(keepends=True)
    (at,) = (number for number, line in enumerate(lines) if line.startswith('"$YOSYS"'))
    return "".join(lines[: at + 1]), "".join(lines[:at] + lines[at + 1 :])


def run_script(folder: Path, tools: Mapping[str, str], *, seconds: int = _SECONDS) -> None:
    """Run the build script in ``folder``, its output into ``build.log`` there.

    Raises
    ------
    ToolError : a tool failed or took too long; the sentence names the logs.
    """
    environment = {**os.environ, "PATH": search_path()}
    for tool, program in tools.items():
        environment[re.sub(r"\W", "_", tool).upper()] = program
    log = folder / "build.log"
    # YoWASP programs see files of their working directory alone.
    with log.open("ab") as stream:
        try:
            done = subprocess.run(
                ["sh", f"build_{_NAME}.sh"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise ToolError(f"the build must end within {seconds} s, but did not") from None
    if done.returncode:
        raise ToolError(
            f"the build failed with status {done.returncode}; "
            f"see {log} and {folder / (_NAME + '.tim')}"
        )


def _report(target: Target, toolchain: Toolchain, seed: int, folder: Path) -> dict[str, Any]:
    placed = json.loads((folder / f"{_NAME}.pnr-report.json").read_text())
    netlist = json.loads((folder / f"{_NAME}{toolchain.netlist}").read_text())
    clocks = placed["fmax"].values()
    blocks = count_blocks(netlist["modules"][_NAME]["cells"], toolchain)
    fmax = min(clock["achieved"] for clock in clocks)
    bitstream = folder / f"{_NAME}{toolchain.bitstream}"
    config = asdict(target.config)
    return {
        "commit": source_commit(),
        "board": target.board.name,
        "title": target.board.title,
        "flavour": target.config.flavour,
        "harts": config["harts"],
        "receivers": config["receivers"],
        "table_pages": config["table_pages"],
        "latency": target.config.latency,
        "features": [each.name.lower() for each in target.config.features if each.name],
        "baud": target.baud,
        "seed": seed,
        "clock_mhz": target.clock_hz / 1e6,
        "fmax_mhz": round(fmax, 2),
        "margin_percent": round(100 * (fmax * 1e6 / target.clock_hz - 1), 1),
        "total": _sum(blocks),
        "blocks": blocks,
        "utilization": {
            name: each for name, each in sorted(placed["utilization"].items()) if each["used"]
        },
        "bitstream_bytes": bitstream.stat().st_size,
    }


def count_blocks(cells: Mapping[str, Any], toolchain: Toolchain) -> dict[str, dict[str, int]]:
    """LUTs, flip-flops and block RAMs of each block.

    A cell belongs to the block whose name it bears. Synthesis names a LUT after a signal that it
    drives, so at the border between two blocks the count may be off by what was merged.
    """
    counts: dict[str, Counter[str]] = {}
    patterns = {
        "lut": re.compile(toolchain.lut),
        "ff": re.compile(toolchain.flip_flop),
        "ram": re.compile(toolchain.memory),
    }
    for name, cell in cells.items():
        for kind, pattern in patterns.items():
            if pattern.fullmatch(cell["type"]):
                block = _BLOCKS.match(name.removeprefix("\\"))
                key = block.group(0) if block else "other"
                counts.setdefault(key, Counter())[kind] += 1
    return {
        name: {kind: counts[name][kind] for kind in ("lut", "ff", "ram")} for name in sorted(counts)
    }


def _sum(blocks: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {kind: sum(block[kind] for block in blocks.values()) for kind in ("lut", "ff", "ram")}

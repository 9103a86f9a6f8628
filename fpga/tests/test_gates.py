"""Gate level: the netlist that synthesis makes for iCE40, behind the same UART.

UINTR_GATES names the file that keeps the result.
"""

import hashlib
import json
import os
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import tb_registers
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from rel4.bench.results import source_commit
from uintr_fpga.boards import Target
from uintr_fpga.device import run
from uintr_fpga.emulate import emulated
from uintr_fpga.toolchains import TOOLCHAINS, find_tools, versions

pytestmark = [
    pytest.mark.sim,
    pytest.mark.skipif(
        "UINTR_GATES" not in os.environ, reason="takes many minutes; make test-gates"
    ),
]

BAUD = 3_000_000
"""Four cycles a bit of this board's clock: the fewest, since each costs a simulated netlist."""

BENCHES = (
    tb_registers.csr_reset,
    tb_registers.csr_privileges,
    tb_registers.csr_bits,
)
SWEEPS = {1: ("sync", "tick"), 2: ("tick-smp",)}
CONCURRENCIES = (1, 2, 4, 8)


@pytest.mark.parametrize("harts", SWEEPS)
def test_netlist_against_rtl_and_reference(harts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CSR suite, and a sweep, event for event; with one hart it is the bitstream's netlist.

    With two it has 16 receivers and one page of tables as well: block RAM is what takes the
    simulator longest.
    """
    target = Target.of("icebreaker", harts=harts, baud=BAUD)
    monkeypatch.setenv("UINTR_BAUD", str(BAUD))
    monkeypatch.setenv("UINTR_UART_TIMEOUT", "120")
    rows: list[dict[str, Any]] = []
    started = time.monotonic()

    def lap() -> float:
        nonlocal started
        before, started = started, time.monotonic()
        return round(started - before, 1)

    with emulated(target, gates=True) as path:
        rows.append({"what": "netlist made and compiled", "seconds": lap()})
        monkeypatch.setenv("UINTR_PORT", path)
        for bench in BENCHES:
            run(target.config, bench)
            rows.append({"what": bench.__name__, "seconds": lap()})
        for policy, concurrency in product(SWEEPS[harts], CONCURRENCIES):
            point = Point(policy=policy, harts=harts, concurrency=concurrency, rounds=1)
            lap()
            lines = event_lines(point, "uart", target.config)
            seconds = lap()
            for other in ("reference", "rtl"):
                assert first_difference(event_lines(point, other, target.config), lines) is None
            digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
            what = f"{policy}, N = {concurrency}"
            rows.append({"what": what, "seconds": seconds, "events": len(lines), "sha256": digest})
    _keep(
        {
            "netlist": "synth_ice40",
            "target": target.name,
            "commit": source_commit(),
            "equal_to": ["reference", "rtl"],
            "versions": versions(find_tools(TOOLCHAINS["ice40"])),
            "runs": rows,
        }
    )


def _keep(result: dict[str, Any]) -> None:
    """Put ``result`` into the file, in the place of the former one of this target."""
    path = Path(os.environ["UINTR_GATES"])
    results = json.loads(path.read_text()) if path.is_file() else []
    results = [each for each in results if each["target"] != result["target"]]
    path.write_text(json.dumps([*results, result], indent=1) + "\n")

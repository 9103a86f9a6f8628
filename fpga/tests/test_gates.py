"""Gate level: the netlist that synthesis makes for iCE40, behind the same UART.

UINTR_GATES names the file that keeps the result.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import tb_registers
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from uintr_fpga.boards import Target
from uintr_fpga.device import run
from uintr_fpga.emulate import emulated
from uintr_fpga.toolchains import TOOLCHAINS, find_tools, versions

pytestmark = pytest.mark.skipif(
    "UINTR_GATES" not in os.environ, reason="takes many minutes; make test-gates"
)

BAUD = 2_500_000
BENCHES = (
    tb_registers.csr_reset,
    tb_registers.csr_privileges,
    tb_registers.csr_bits,
)
POINTS = (("sync", 1), ("tick", 1), ("tick-smp", 2))


def test_netlist_against_rtl_and_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CSR suite, and a point of every published policy, event for event."""
    target = Target.of("ulx3s", baud=BAUD)
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
        for policy, harts in POINTS:
            point = Point(policy=policy, harts=harts, concurrency=2, rounds=1)
            lines = event_lines(point, "uart")
            seconds = lap()
            for other in ("reference", "rtl"):
                assert first_difference(event_lines(point, other), lines) is None
            digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
            rows.append(
                {"what": policy, "seconds": seconds, "events": len(lines), "sha256": digest}
            )
            lap()
    result = {
        "netlist": "synth_ice40",
        "harts": target.config.harts,
        "receivers": target.config.receivers,
        "equal_to": ["reference", "rtl"],
        "versions": versions(find_tools(TOOLCHAINS["ice40"])),
        "runs": rows,
    }
    Path(os.environ["UINTR_GATES"]).write_text(json.dumps(result, indent=1) + "\n")

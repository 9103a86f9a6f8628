"""Gate level: the netlist that synthesis makes for iCE40, behind the same UART."""

import os

import pytest

import tb_registers
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from uintr_fpga.boards import Target
from uintr_fpga.device import run
from uintr_fpga.emulate import emulated

pytestmark = pytest.mark.skipif(
    "UINTR_GATES" not in os.environ, reason="takes many minutes; make test-gates"
)

BAUD = 2_500_000


def test_netlist_against_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The register suite, and a point of every published policy, event for event."""
    target = Target.of("ulx3s", baud=BAUD)
    monkeypatch.setenv("UINTR_BAUD", str(BAUD))
    monkeypatch.setenv("UINTR_UART_TIMEOUT", "120")
    with emulated(target, gates=True) as path:
        monkeypatch.setenv("UINTR_PORT", path)
        for bench in (tb_registers.csr_reset, tb_registers.csr_privileges):
            run(target.config, bench)
        for policy, harts in (("sync", 1), ("tick", 1), ("tick-smp", 2)):
            point = Point(policy=policy, harts=harts, concurrency=2, rounds=1)
            difference = first_difference(
                event_lines(point, "reference"), event_lines(point, "uart")
            )
            assert difference is None

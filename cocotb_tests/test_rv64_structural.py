"""Structural coverage of the hart: what is counted, and that a halted hart does what it did."""

import pytest

from rv64_verify import layout, structural
from rv64_verify.directed import PROGRAMS
from rv64_verify.long_run import SHAPES


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.oracle
def test_points_of_a_hart_that_a_debugger_halts() -> None:
    rtl, text = structural._system(1, layout.MEMORY_BYTES)
    rtl.halts = structural._HALTS
    structural._followed(rtl, PROGRAMS["immediates"].image(), SHAPES[0], 1)
    points = dict(rtl.points(text))
    rtl.close()
    files = {name.split()[1].partition(":")[0] for name in points}
    assert {"rv64/alu.py", "rv64/commit.py", "rv64/fetch.py"} <= files
    assert not files & {"rv64/trace.py", "rv64/soc.py", "rv64/uart.py"}
    assert any(count for name, count in points.items() if name.startswith("line rv64/commit.py"))
    assert not all(points.values()), "one program does not meet everything"

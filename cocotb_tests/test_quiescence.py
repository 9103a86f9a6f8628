"""While the RTL is quiescent nothing changes."""

from functools import partial

import pytest

import tb_quiescence
from shapes import SHAPES
from uintr_cosim.device import run

pytestmark = pytest.mark.sim


@pytest.mark.parametrize("shape", ["2x5", "4x64"])
def test_jumps(simulator: str, shape: str) -> None:
    pauses = 200 if simulator == "verilator" else 20
    job = partial(tb_quiescence.jumps, seed=f"{shape} jumps", pauses=pauses)
    assert run(SHAPES[shape], job) > 100 * pauses


@pytest.mark.parametrize("simulator", ["icarus"], indirect=True)  # Verilator shows only the ports
def test_registers(simulator: str) -> None:
    job = partial(tb_quiescence.registers, seed="registers", pauses=5)
    assert run(SHAPES["2x5"], job) > 1000

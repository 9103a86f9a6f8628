"""The RTL keeps the contract, on each simulator: what the reference (`sw_model/tests`) and the
emulated board (`fpga/tests`) keep too."""

import pytest

import tb_latency
from benches import check_bench, on_simulator
from contract import CONTRACT, SHAPES, SLOW, Bench
from shapes import SHAPES as RISCV_SHAPES
from uintr_cosim.device import run

pytestmark = pytest.mark.sim


def benches(simulator: str, shape: str) -> tuple[Bench, ...]:
    """What an interpreting simulator has time for, or all."""
    return tuple(b for b in CONTRACT[shape] if simulator == "verilator" or b not in SLOW)


@pytest.mark.parametrize(
    ("simulator", "shape", "bench"),
    [
        on_simulator(simulator, shape, bench, id=f"{simulator}-{shape}-{bench.__name__}")
        for simulator in ("verilator", "icarus")
        for shape in CONTRACT
        for bench in benches(simulator, shape)
    ],
    indirect=["simulator"],
)
def test_contract(simulator: str, shape: str, bench: Bench) -> None:
    check_bench(simulator, shape, benches(simulator, shape), bench)


@pytest.mark.parametrize(
    ("simulator", "shape"),
    [
        on_simulator(simulator, shape, id=f"{simulator}-{shape}")
        for simulator in ("verilator", "icarus")
        for shape in RISCV_SHAPES
    ],
    indirect=["simulator"],
)
def test_the_sweep_takes_a_cycle_per_receiver(simulator: str, shape: str) -> None:
    assert run(SHAPES[shape], tb_latency.sweep) == SHAPES[shape].receivers

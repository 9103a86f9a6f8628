"""The RTL keeps the contract, on each simulator: what the reference (`sw_model/tests`) and the
emulated board (`fpga/tests`) keep too."""

import pytest

import tb_latency
from benches import check_bench
from contract import CONTRACT, SHAPES, SLOW, Bench
from shapes import SHAPES as RISCV_SHAPES
from uintr_cosim.device import run

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(
    ("shape", "bench"),
    [
        pytest.param(shape, bench, id=f"{shape}-{bench.__name__}")
        for shape, benches in CONTRACT.items()
        for bench in benches
    ],
)
def test_contract(simulator: str, shape: str, bench: Bench) -> None:
    benches = CONTRACT[shape]
    if simulator == "icarus":
        benches = tuple(each for each in benches if each not in SLOW)
        if bench in SLOW:
            pytest.skip("thousands of requests")
    check_bench(simulator, shape, benches, bench)


@pytest.mark.parametrize("shape", RISCV_SHAPES)
def test_the_sweep_takes_a_cycle_per_receiver(simulator: str, shape: str) -> None:
    assert run(SHAPES[shape], tb_latency.sweep) == SHAPES[shape].receivers

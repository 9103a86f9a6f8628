"""The RTL's latencies are those of the contract."""

from typing import Any

import pytest

import tb_latency
from shapes import SHAPES
from uintr_cosim.device import run


@pytest.mark.parametrize("shape", SHAPES)
def test_sweep(simulator: str, shape: str) -> None:
    assert run(SHAPES[shape], tb_latency.sweep) == SHAPES[shape].receivers


@pytest.mark.parametrize("shape", ["1x1", "4x64", "2x6 fast", "3x9 slow"])
@pytest.mark.parametrize(
    "bench",
    [tb_latency.answers, tb_latency.lines, tb_latency.contention],
    ids=lambda bench: bench.__name__,
)
def test_latency(simulator: str, shape: str, bench: Any) -> None:
    run(SHAPES[shape], bench)

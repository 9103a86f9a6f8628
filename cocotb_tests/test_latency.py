"""The RTL's latencies are those of the contract."""

from dataclasses import replace
from typing import Any

import pytest

import tb_latency
from benches import check_bench
from rel4.reference import device as reference
from shapes import SHAPES
from uintr_cosim.device import run

pytestmark = pytest.mark.sim


@pytest.mark.parametrize("shape", SHAPES)
def test_sweep(simulator: str, shape: str) -> None:
    assert run(SHAPES[shape], tb_latency.sweep) == SHAPES[shape].receivers


BENCHES = (
    tb_latency.answers,
    tb_latency.lines,
    tb_latency.contention,
    tb_latency.budget,
    tb_latency.kept_entries,
    tb_latency.invalidation,
)


@pytest.mark.parametrize("shape", ["2x512", "2x6 fast", "3x9 slow"])
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_reference(shape: str, bench: Any) -> None:
    reference.run(SHAPES[shape], bench)


@pytest.mark.parametrize("shape", ["1x1", "4x64", "2x6 fast", "3x9 slow"])
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_latency(simulator: str, shape: str, bench: Any) -> None:
    check_bench(simulator, shape, BENCHES, bench)


@pytest.mark.parametrize("latency", [2, 3])
@pytest.mark.parametrize("memory", [1, 2, 4, 8, 16])
def test_kept_entries_of_any_memory(memory: int, latency: int) -> None:
    config = replace(SHAPES["2x5"], table_wait_states=memory - 1, latency=latency)
    read = memory + (3 if latency == 3 else 2)
    assert reference.run(config, tb_latency.kept_entries) == {"off": read, "miss": read, "hit": 2}


def test_kept_entries_of_a_slow_memory(simulator: str) -> None:
    assert run(SHAPES["2x700 far"], tb_latency.kept_entries) == {"off": 9, "miss": 9, "hit": 2}

"""Several testbenches in one run of the simulator, whose start takes longer than most of them."""

import traceback
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

import pytest

from contract import SHAPES
from rel4.machine.device import Device
from uintr_cosim.device import run

__all__ = ["check_bench", "on_simulator"]

Bench = Callable[[Device], Awaitable[Any]]
COMPILED = ("2x5", "2x512", "4x64", "intel 2")
"""Shapes that Verilator builds in every run of the tests; to build takes longer than what runs on
them. Icarus, which builds in a second, has all of them. `make test-long` has the rest."""


def on_simulator(simulator: str, shape: str, *others: Any, id: str) -> Any:
    """The parameter of a test that runs a shape on a simulator."""
    long = simulator == "verilator" and shape not in COMPILED
    return pytest.param(simulator, shape, *others, id=id, marks=[pytest.mark.long] if long else [])


def check_bench(simulator: str, shape: str, benches: tuple[Bench, ...], bench: Bench) -> None:
    """Fail if ``bench``, one of ``benches``, failed on that shape; they run at the first call.

    Raises
    ------
    AssertionError : it did; says how and where.
    """
    failure = _failures(simulator, shape, benches)[benches.index(bench)]
    assert not failure, failure


@cache
def _failures(simulator: str, shape: str, benches: tuple[Bench, ...]) -> list[str]:
    return run(SHAPES[shape], partial(each, benches=benches))


async def each(device: Device, benches: tuple[Bench, ...]) -> list[str]:
    """Run them in turn, each after a reset. Returns each one's traceback, empty if it was good."""
    failures = []
    for bench in benches:
        await device.reset()
        try:
            await bench(device)
        except Exception:
            failures.append(traceback.format_exc())
        else:
            failures.append("")
    return failures

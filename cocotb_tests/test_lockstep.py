"""RTL and reference agree on every output in every cycle, under random traffic of all harts."""

from functools import partial

import pytest

from benches import on_simulator
from shapes import SHAPES
from tb_lockstep import lockstep
from uintr.registers import Feature, Status
from uintr_cosim.device import run

pytestmark = pytest.mark.sim

OPERATIONS = {"verilator": 10_000, "icarus": 3000}

ALWAYS = (
    *(status.name for status in Status if status < Status.THROTTLED),
    "interrupt",
    "quiescent",
    "line joined",
    "line left",
)
SUPERVISOR = ("supervisor interrupt",)
LONG_RUN = ("kind changed",)
"""Rare things that only the run with more operations is sure to meet."""
SEVERAL_HARTS = ("bus contended", "controller contended", "forwarded between harts", "line moved")


@pytest.mark.parametrize(
    ("simulator", "shape"),
    [
        on_simulator(simulator, shape, id=f"{simulator}-{shape}")
        for simulator in OPERATIONS
        for shape in SHAPES
    ],
    indirect=["simulator"],
)
def test_lockstep(simulator: str, shape: str) -> None:
    config = SHAPES[shape]
    seed = f"{shape} 1"
    job = partial(lockstep, seed=seed, operations=OPERATIONS[simulator])
    coverage = run(config, job)
    wanted = ALWAYS if config.harts == 1 else ALWAYS + SEVERAL_HARTS
    if Feature.SUPERVISOR in config.features:
        wanted += SUPERVISOR
        if simulator == "verilator":
            wanted += LONG_RUN
    if Feature.THROTTLE in config.features and simulator == "verilator":
        wanted += (Status.THROTTLED.name,)
    missing = [name for name in wanted if not coverage.get(name)]
    assert not missing, f"seed {seed!r} never reached {missing}; it reached {coverage}"

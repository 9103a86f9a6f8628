"""RTL and reference of the Intel flavour agree on every output in every cycle."""

from functools import partial

import pytest

import tb_intel_lockstep
from benches import on_simulator
from contract import SHAPES
from uintr.intel.registers import Fault
from uintr.registers import Status
from uintr_cosim.device import run

pytestmark = pytest.mark.sim

OPERATIONS = {"verilator": 15_000, "icarus": 1500}

STATUSES = (Status.OK, Status.ILLEGAL, Status.NOT_PENDING, Status.BUS, Status.UD, Status.GP)
ALWAYS = (
    *(status.name for status in STATUSES),
    "interrupt",
    "supervisor interrupt",
    "quiescent",
    "processing",
    "request waits for processing",
    "counting",
)
LONG_RUN = (
    *(f"fault {fault.name}" for fault in Fault),
    "lost",
    "processing in S",
    "processing while interrupted",
    "timer due",
    "timer waits",
)
"""Rare things that only the run with more operations is sure to meet."""
SEVERAL_HARTS = ("bus contended",)
LONG_RUN_OF_SEVERAL_HARTS = ("fabric contended",)


@pytest.mark.parametrize(
    ("simulator", "shape"),
    [
        on_simulator(simulator, shape, id=f"{simulator}-{shape}")
        for simulator in OPERATIONS
        for shape in ("intel 1", "intel 2", "intel 4")
    ],
    indirect=["simulator"],
)
def test_lockstep(simulator: str, shape: str) -> None:
    seed = f"{shape} 1"
    job = partial(tb_intel_lockstep.lockstep, seed=seed, operations=OPERATIONS[simulator])
    coverage = run(SHAPES[shape], job)
    wanted = ALWAYS
    if SHAPES[shape].harts > 1:
        wanted += SEVERAL_HARTS
    if simulator == "verilator":
        wanted += LONG_RUN
        if SHAPES[shape].harts > 1:
            wanted += LONG_RUN_OF_SEVERAL_HARTS
    missing = [name for name in wanted if not coverage.get(name)]
    assert not missing, f"seed {seed!r} never reached {missing}; it reached {coverage}"


def test_races(simulator: str) -> None:
    outcomes = run(SHAPES["intel 2"], partial(tb_intel_lockstep.races, spread=25))
    ends = {name.partition(":")[0] for name in outcomes}
    assert len(ends) == 6
    # Every scene but those whose end is the same whoever is first has more than one end.
    for name in ("way out", "delivery", "acknowledgement"):
        assert sum(name in outcome for outcome in outcomes) > 1, outcomes

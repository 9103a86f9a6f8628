"""RTL and reference of the Intel flavour agree on every output in every cycle."""

from functools import partial

import pytest

import tb_intel_lockstep
from rel4.machine.device import DeviceConfig
from uintr.intel.registers import Fault
from uintr.registers import Flavour, Status
from uintr_cosim.device import run

pytestmark = pytest.mark.sim

SHAPES = {
    "1": DeviceConfig(flavour=Flavour.INTEL, harts=1, table_pages=1),
    "2": DeviceConfig(flavour=Flavour.INTEL),
    "4": DeviceConfig(
        flavour=Flavour.INTEL, harts=4, table_base=0xFFFF_FFFF_FFFF_E000, table_pages=2
    ),
}
"""By number of harts; the last has its memory at the very end of the addresses."""

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


@pytest.mark.parametrize("shape", SHAPES)
def test_lockstep(simulator: str, shape: str) -> None:
    seed = f"intel {shape} 1"
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
    outcomes = run(SHAPES["2"], partial(tb_intel_lockstep.races, spread=25))
    ends = {name.partition(":")[0] for name in outcomes}
    assert len(ends) == 6
    # Every scene but those whose end is the same whoever is first has more than one end.
    for name in ("way out", "delivery", "acknowledgement"):
        assert sum(name in outcome for outcome in outcomes) > 1, outcomes

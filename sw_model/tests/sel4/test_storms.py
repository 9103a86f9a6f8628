"""Random storms: whoever lives beside them keeps its share of time.

The storms of `test_time`, with policy, flavour, harts, places, priorities and pace drawn from a
seed. Of what it has without the storm a victim keeps 0.45 beside equals; beside less urgent ones it
loses no more than the wait for one call, which holds the lock, at each of its ticks. Designs that
lack one repair are found by the same storms.
"""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from storm_bench import OURS, turns

from rel4.kernel.async_runtime import AsyncRuntime, HandlerTask
from rel4.kernel.policies import Inline, Uipi
from rel4.machine.costs import load_costs
from uintr.registers import Flavour


@dataclass(frozen=True)
class Storm:
    """One storm."""

    policy: str
    flavour: Flavour
    harts: int
    attack: str
    attacker: tuple[int, int]
    victim: tuple[int, int]
    rest: int

    @classmethod
    def of(cls, seed: int) -> "Storm":
        draw = random.Random(f"storm {seed}")
        harts = draw.randint(1, 3)
        return cls(
            policy=draw.choice(OURS),
            flavour=draw.choice([*Flavour]),
            harts=harts,
            attack=draw.choice(("attack", "storm")),
            attacker=(draw.randrange(harts), 100),
            victim=(draw.randrange(harts), draw.choice((100, 200))),
            rest=draw.choice((0, 60, 500, 3_000)),
        )

    @property
    def least(self) -> float:
        """What the victim is promised, in parts of its time without the storm."""
        call, period = load_costs()["kernel.async_call"], 20_000
        return 1 - call / period if self.victim[1] > self.attacker[1] else 0.45


def share(storm: Storm) -> float:
    """The victim's turns beside the storm, in parts of those without."""
    places: dict[str, Any] = {
        "attacker": storm.attacker,
        "victim": storm.victim,
        "harts": storm.harts,
        "rest": storm.rest,
    }
    alone = turns(storm.policy, storm.flavour, attack=None, **places)
    beside = turns(storm.policy, storm.flavour, attack=storm.attack, **places)
    return beside / alone


QUICK = 12
"""Storms of every test run; the others are among the long ones."""
SEEDS = [pytest.param(n, marks=() if n < QUICK else pytest.mark.long) for n in range(160)]


@pytest.mark.parametrize("seed", SEEDS)
def test_nobodys_calls_cost_anothers_time(seed: int) -> None:
    storm = Storm.of(seed)
    assert share(storm) >= storm.least, storm


def by_priority_alone(runtime: AsyncRuntime, task: HandlerTask) -> bool:
    """The broken design: a client is served in others' time slices too."""
    return task.tcb.priority >= runtime.harts.urgency


@pytest.mark.parametrize(
    ("policy", "broken", "seed"),
    [
        (Inline, {"preemptible": False}, 15),
        (Inline, {"gives_way": lambda *_: False}, 43),
        (Uipi, {"_due": staticmethod(by_priority_alone)}, 138),
        (Uipi, {"ALLOWANCE": 1 << 40}, 13),
        (Uipi, {"budget": lambda *_: None, "gives_way": lambda *_: False}, 147),
        (Uipi, {"preemptible": False}, 20),
    ],
    ids=[
        "inline keeps the lock through a batch",
        "inline outlasts its time slice",
        "served in others' time slices",
        "no allowance between two ticks",
        "no end to an activation",
        "the lock is kept through a batch",
    ],
)
def test_a_design_without_a_repair_is_found(
    monkeypatch: pytest.MonkeyPatch, policy: type, broken: dict[str, object], seed: int
) -> None:
    for name, instead in broken.items():
        monkeypatch.setattr(policy, name, instead)
    storm = Storm.of(seed)
    assert share(storm) < storm.least - 0.02

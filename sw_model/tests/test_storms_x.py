"""Random storms: whoever lives beside them keeps its share of time.

The storms of `test_time`, with policy, flavour, harts, places, priorities, pace and tick drawn from
a seed. A victim of higher priority keeps 0.95 of what it has without the storm, one of equal
priority 0.45. Designs that lack one repair are found by the same storms.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from storm_bench import OURS, turns

from uintr.registers import Flavour

RunProgram = Callable[..., Any]


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
    def of(cls, seed: int, policies: tuple[str, ...] = OURS) -> "Storm":
        draw = random.Random(f"storm {seed}")
        harts = draw.randint(1, 3)
        return cls(
            policy=draw.choice(policies),
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
        return 0.95 if self.victim[1] > self.attacker[1] else 0.45


def share(run_program: RunProgram, storm: Storm) -> float:
    """The victim's turns beside the storm, in parts of those without."""
    places: dict[str, Any] = {
        "attacker": storm.attacker,
        "victim": storm.victim,
        "harts": storm.harts,
        "rest": storm.rest,
    }
    alone = turns(run_program, storm.policy, storm.flavour, attack=None, **places)
    beside = turns(run_program, storm.policy, storm.flavour, attack=storm.attack, **places)
    return beside / alone


@pytest.mark.parametrize("seed", range(160))
def test_nobodys_calls_cost_anothers_time(run_program: RunProgram, seed: int) -> None:
    storm = Storm.of(seed)
    assert share(run_program, storm) >= storm.least, storm

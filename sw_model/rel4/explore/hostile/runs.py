"""Many hostile programs: ``rel4 explore --hostile N``."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, Store, run_campaign
from rel4.bench.results import source_commit
from rel4.explore.kept import store_at
from rel4.explore.source import key as key_of

from .attack import Attack, attack

__all__ = ["run_hostile"]

FOUND = 1
_BATCH = 20
"""Programs of one task."""


@dataclass(frozen=True)
class _Programs:
    """A task: programs of consecutive seeds."""

    first: int
    count: int
    commit: str | None

    def run(self, key: str, store: Store) -> None:
        sums: dict[str, Any] = {"first": self.first, "programs": self.count, "wrong": {}}
        sums["commit"] = self.commit
        for seed in range(self.first, self.first + self.count):
            plan = Attack.of(seed)
            outcome = attack(plan)
            for name in ("steps", "looks", "faults", "victim_turns", "cycles"):
                sums[name] = sums.get(name, 0) + getattr(outcome, name)
            shape = f"{plan.flavour} {plan.policy} {plan.harts}"
            sums.setdefault("shapes", []).append(shape)
            if outcome.wrong:
                sums["wrong"][str(seed)] = [shape, *dict.fromkeys(outcome.wrong)][:4]
        store.add(key, sums)


def run_hostile(*, seeds: range, conduct: Conduct, path: Path | None = None) -> int:
    """Run the programs of ``seeds``; 0 if nothing was wrong, 1 if something was. Figures are kept
    in ``path``, from which the same run goes on."""
    commit = source_commit()  # once: somebody may commit while they run
    tasks = {}
    for first in range(seeds.start, seeds.stop, _BATCH):
        count = min(_BATCH, seeds.stop - first)
        name = key_of("hostile", "kernel/hardware.py", first=first, count=count)
        tasks[name] = _Programs(first, count, commit)
    with store_at(path) as store:
        found = run_campaign(
            tasks,
            lambda todo: [partial(task.run, key, store) for key, task in todo.items()],
            store=store,
            conduct=conduct,
            name="hostile",
            unit="program",
            weight=lambda task: task.count,
        )
    return _print(found.values())


def _print(found: Iterable[dict[str, Any]]) -> int:
    sums = {"programs": 0, "steps": 0, "looks": 0, "faults": 0, "cycles": 0}
    shapes: set[str] = set()
    wrong: dict[str, list[str]] = {}
    for each in found:
        for name in sums:
            sums[name] += each[name]
        shapes.update(each["shapes"])
        wrong.update(each["wrong"])
    for seed, (shape, *reasons) in list(wrong.items())[:10]:
        print(f"seed {seed} ({shape}): {'; '.join(reasons)}")
    verdict = "nothing is wrong" if not wrong else f"{len(wrong)} programs go wrong"
    print(
        f"hostile: {verdict} in {sums['programs']} programs of {len(shapes)} shapes "
        f"({sums['steps']} steps, {sums['looks']} looks, {sums['cycles']} cycles)"
    )
    return FOUND if wrong else 0

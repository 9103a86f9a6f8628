"""Evaluates the claims: plans the points they need for every seed, and runs them as a campaign."""

import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rel4.machine.costs import Costs, load_costs
from rel4.machine.device import Device
from uintr.registers import Flavour

from .campaign import Batch, Conduct, Store, identity, run_campaign
from .claims import (
    A_FEW_N,
    CLAIMS,
    EVERY_N,
    Claim,
    Finding,
    Lab,
    Summary,
    evaluate,
    flips,
    over_seeds,
    summarise,
)
from .device_batches import device_batches
from .point import Point
from .results import source_commit

__all__ = ["CONTROLS", "SEEDS", "Variant", "controls", "key_of", "plan", "run_claims"]

SEEDS = 8
"""Seeds 1 to this one: a claim holds only if it holds with each."""

CONTROLS = {
    "kernel.async_call as kernel.invocation": ("kernel.async_call", "kernel.invocation"),
    "kernel.invocation as kernel.async_call": ("kernel.invocation", "kernel.async_call"),
}
"""Experiments in which the kernel's work for a call is the same both ways: what is set, to what."""
CONTROL_N = tuple(n for n in EVERY_N if n <= 64)
FACTORS = (0.5, 2.0)
BATCHES = 8
"""Batches for each process: so many that a stop loses little, so few that devices start rarely."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One evaluation of claims.

    Parameters
    ----------
    device : name of a device
    changes : costs that differ from costs.toml, by name
    every_n : what "every N" means
    flavour : family of user interrupts
    seed : of the timers' phases
    claims : which, by name; none named: all
    """

    device: str
    changes: tuple[tuple[str, int], ...] = ()
    every_n: tuple[int, ...] = EVERY_N
    flavour: Flavour = Flavour.RISCV
    seed: int = 1
    claims: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[Claim, ...]:
        """The claims that it evaluates."""
        return tuple(each for each in CLAIMS if not self.claims or each.name in self.claims)

    @property
    def costs(self) -> Costs:
        """The costs it runs with."""
        return load_costs().changed(dict(self.changes))

    @property
    def lab(self) -> Lab:
        """A lab of this kind, which knows nothing yet."""
        return Lab(self.device, self.costs, self.every_n, self.flavour, self.seed)


class _Planner(Lab):
    """Runs nothing, and notes what would be run."""

    def run(self, policy: str, n: int, **shape: Any) -> Summary:
        return self.known.setdefault(self.point(policy, n, **shape), Summary(1, 0, (1.0,)))


def plan(variant: Variant) -> list[Point]:
    """The points that the claims need. A claim that stops at the first N that satisfies it may need
    more; it runs them itself."""
    planner = _Planner(
        variant.device, variant.costs, variant.every_n, variant.flavour, variant.seed
    )
    evaluate(planner, variant.chosen)
    return list(planner.known)


def key_of(variant: Variant, point: Point) -> str:
    """The name of this point in the store: the same name, the same result."""
    return identity(device=variant.device, changes=dict(variant.changes), point=asdict(point))


# --- running --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measure:
    """Runs a point in a worker, and returns its summary."""

    changes: tuple[tuple[str, int], ...]

    async def __call__(self, key: str, point: Point, device: Device) -> dict[str, Any]:
        costs = load_costs().changed(dict(self.changes))
        return asdict(await summarise(point, costs, device))


Task = tuple[Variant, Point]


def _run_points(
    work: Mapping[Variant, Iterable[Point]], store: Store, conduct: Conduct, until: float | None
) -> None:
    """Run what ``store`` does not hold yet."""

    def batches(todo: Mapping[str, Task]) -> list[Batch]:
        groups: dict[tuple[str, tuple[tuple[str, int], ...]], dict[str, Point]] = {}
        for key, (variant, point) in todo.items():
            groups.setdefault((variant.device, variant.changes), {})[key] = point
        return [
            batch
            for (device, changes), points in groups.items()
            for batch in device_batches(
                points,
                device=device,
                job=_Measure(changes),
                store=store,
                parts=conduct.jobs * (1 if device == "reference" else BATCHES),
                weight=_calls,
            )
        ]

    tasks = {
        key_of(variant, point): (variant, point)
        for variant, points in work.items()
        for point in points
    }
    run_campaign(
        tasks, batches, store=store, conduct=conduct, until=until, name="claims", unit="point"
    )


def _calls(point: Point) -> int:
    return point.calls


def _summary(value: Mapping[str, Any]) -> Summary:
    return Summary(
        value["cycles"],
        value["traps"],
        tuple(value["rates"]),
        tuple(value["costs"]),
        value["entries"],
    )


def _findings(variant: Variant, store: Store) -> list[Finding]:
    known = store.read()
    lab = variant.lab
    for point in plan(variant):
        lab.known[point] = _summary(known[key_of(variant, point)])
    return evaluate(lab, variant.chosen)


def _touched(
    variants: Iterable[Variant], base: Variant, store: Store
) -> dict[Variant, list[Point]]:
    """The points of each variant that its changed costs can touch. The others' results are the
    base's, and are kept as such."""
    known = store.read()
    work: dict[Variant, list[Point]] = {}
    for variant in variants:
        changed = {name for name, _ in set(variant.changes) ^ set(base.changes)}
        work[variant] = []
        for point in plan(variant):
            summary, key = known[key_of(base, point)], key_of(variant, point)
            if changed.intersection(summary["costs"]):
                work[variant].append(point)
            elif key not in known:
                store.add(key, summary)
    return work


def controls(
    device: str, flavour: Flavour = Flavour.RISCV, costs: Costs | None = None
) -> dict[str, Variant]:
    """The experiments of `CONTROLS`, on ``costs`` in place of those of costs.toml."""
    costs = costs or load_costs()
    return {
        name: Variant(
            device=device,
            changes=costs.changed({changed: costs[source]}).differences,
            every_n=CONTROL_N,
            flavour=flavour,
        )
        for name, (changed, source) in CONTROLS.items()
    }


def _variations(device: str, flavour: Flavour, costs: Costs) -> dict[tuple[str, float], Variant]:
    """Each cost at half and at double."""
    return {
        (name, factor): Variant(
            device=device,
            changes=costs.scaled(name, factor).differences,
            every_n=A_FEW_N,
            flavour=flavour,
        )
        for name in sorted(costs)
        for factor in FACTORS
    }


def run_claims(
    device: str,
    *,
    sensitivity: bool,
    store: Store,
    conduct: Conduct,
    seeds: Sequence[int] = tuple(range(1, SEEDS + 1)),
    flavour: Flavour = Flavour.RISCV,
    costs: Costs | None = None,
    claims: tuple[str, ...] = (),
    show: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Evaluate claims on ``device`` with every seed; with ``sensitivity``, the controls and
    each cost at half and at double too, with the first seed on the reference device, whose runs
    are those of the others, cycle for cycle.

    Parameters
    ----------
    store : takes finished points, and gives those that were finished before
    flavour : family of user interrupts
    costs : of software work, instead of those of costs.toml
    claims : which, by name; none named: all
    show : prints a line

    Returns the record that docs/data/claims.json holds.

    Raises
    ------
    Whatever `run_campaign` does.
    """
    costs = costs or load_costs()
    own = Variant(device=device, changes=costs.differences, flavour=flavour, claims=claims)
    measured = [replace(own, seed=seed) for seed in seeds]
    base = replace(own, device="reference", every_n=A_FEW_N)
    same_work = controls("reference", flavour, costs) if sensitivity else {}
    varied = _variations("reference", flavour, costs) if sensitivity else {}
    until = None if conduct.minutes is None else time.monotonic() + 60 * conduct.minutes
    first = [*measured, *same_work.values(), *([base] if sensitivity else ())]
    _run_points({variant: plan(variant) for variant in first}, store, conduct, until)
    if sensitivity:
        _run_points(_touched(varied.values(), base, store), store, conduct, until)
    findings = over_seeds([_findings(variant, store) for variant in measured])
    show(f"{len(seeds)} seeds; a claim holds if its worst does")
    show("verdict     worst  range                target  what is measured")
    for finding in findings:
        bound = "" if finding.bound is None else f" (bound {finding.bound:.3f})"
        verdict = "holds" if finding.holds else "MISSED"
        span = f"{finding.low:.3f} to {finding.high:.3f}"
        head = f"{verdict:7} {finding.value:9.3f}  {span:19}  {finding.target:<6g}  "
        text = textwrap.wrap(f"{finding.text}{bound}", 100 - len(head))
        show(head + f"\n{' ' * len(head)}".join(text))
    record: dict[str, Any] = {
        "device": device,
        "flavour": flavour.value,
        "commit": source_commit(),
        "seeds": list(seeds),
        **({"costs": dict(costs.differences)} if costs.differences else {}),
        "claims": [asdict(finding) for finding in findings],
    }
    if not sensitivity:
        return record
    record["controls"] = [
        {
            "name": name,
            "costs": dict(variant.changes),
            "claims": {f.name: _brief(f) for f in _findings(variant, store)},
        }
        for name, variant in same_work.items()
    ]
    for control in record["controls"]:
        missed = [name for name, claim in control["claims"].items() if not claim["holds"]]
        show(f"{control['name']}: {len(missed)} claims fail: {', '.join(missed) or 'none'}")
    few = _findings(base, store)
    record["sensitivity"] = []
    for (name, factor), variant in varied.items():
        found = _findings(variant, store)
        record["sensitivity"].append(
            {
                "cost": name,
                "factor": factor,
                "values": {f.name: round(f.value, 4) for f in found},
                "flips": {key: round(value, 4) for key, value in flips(few, found).items()},
            }
        )
    flipped = [row for row in record["sensitivity"] if row["flips"]]
    show(f"{len(varied)} variations of one cost each, {len(flipped)} change a verdict")
    for row in flipped:
        show(f"  {row['cost']} x {row['factor']}: {row['flips']}")
    return record


def _brief(finding: Finding) -> dict[str, Any]:
    short = replace(finding, value=round(finding.value, 4))
    return {"value": short.value, "bound": short.bound, "holds": short.holds}

"""Evaluates the claims: plans the points they need, runs them in parallel, keeps what is done.

Every finished point is a line of a file of its own, so a run that was stopped goes on where it was.
"""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rel4.machine.costs import Costs, load_costs
from rel4.machine.device import Device, find_device
from uintr.registers import Flavour

from .claims import A_FEW_N, EVERY_N, Finding, Lab, Summary, evaluate, flips, summarise
from .point import Point
from .results import source_commit
from .sweep import split_evenly

__all__ = ["CONTROLS", "Store", "UnfinishedError", "Variant", "controls", "plan", "run_claims"]

CONTROLS = {
    "kernel.async_call as kernel.invocation": ("kernel.async_call", "kernel.invocation"),
    "kernel.invocation as kernel.async_call": ("kernel.invocation", "kernel.async_call"),
}
"""Experiments in which the kernel's work for a call is the same both ways: what is set, to what."""
CONTROL_N = tuple(n for n in EVERY_N if n <= 64)
FACTORS = (0.5, 2.0)
BATCHES = 8
"""Batches for each process: so many that a stop loses little, so few that devices start rarely."""


class UnfinishedError(Exception):
    """Time was up: what is finished is kept, and the same command goes on with the rest."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One evaluation of all claims.

    Parameters
    ----------
    device : name of a device
    changes : costs that differ from costs.toml, by name
    every_n : what "every N" means
    flavour : family of user interrupts
    """

    device: str
    changes: tuple[tuple[str, int], ...] = ()
    every_n: tuple[int, ...] = EVERY_N
    flavour: Flavour = Flavour.RISCV

    @property
    def costs(self) -> Costs:
        """The costs it runs with."""
        return load_costs().changed(dict(self.changes))


class _Planner(Lab):
    """Runs nothing, and notes what would be run."""

    def run(self, policy: str, n: int, **shape: Any) -> Summary:
        return self.known.setdefault(self.point(policy, n, **shape), Summary(1, 0, (1.0,)))


def plan(variant: Variant) -> list[Point]:
    """The points that the claims need. A claim that stops at the first N that satisfies it may need
    more; it runs them itself."""
    planner = _Planner(variant.device, variant.costs, variant.every_n, variant.flavour)
    evaluate(planner)
    return list(planner.known)


class Store:
    """Finished points in a file, one JSON line each, appended by the processes that ran them.

    Lines of other source code than the present one are not seen.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()  # a device's job may run in another working folder
        self._source = _source_hash()

    def key(self, variant: Variant, point: Point) -> str:
        """Says which point this is; the same text, the same result."""
        about = {
            "source": self._source,
            "device": variant.device,
            "changes": dict(variant.changes),
            "point": asdict(point),
        }
        return json.dumps(about, sort_keys=True)

    def add(self, key: str, summary: Summary) -> None:
        """Keep a result."""
        line = json.dumps({"key": key, "summary": asdict(summary)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read(self) -> dict[str, Summary]:
        """All results, by key. A line that was cut off is none."""
        found: dict[str, Summary] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue
                parts = entry["summary"]
                found[entry["key"]] = Summary(
                    parts["cycles"], parts["traps"], tuple(parts["rates"]), tuple(parts["costs"])
                )
        return found


def _source_hash() -> str:
    """Of every source file that can change a result."""
    digest = hashlib.sha256()
    for package in ("uintr", "rel4", "uintr_cosim"):
        spec = find_spec(package)
        for folder in sorted(spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in (".py", ".toml", ".v", ".sv", ".cpp"):
                    digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


# --- running --------------------------------------------------------------------------------------


async def _batch(variant: Variant, points: list[Point], store: Store, device: Device) -> None:
    costs = variant.costs
    for point in points:
        await device.reset()
        store.add(store.key(variant, point), await summarise(point, costs, device))


def _run_batch(variant: Variant, points: list[Point], store: Store) -> None:
    """In a process of its own: points of one hardware, one after the other."""
    find_device(variant.device)(points[0].config, partial(_batch, variant, points, store))


def _run_points(
    work: Mapping[Variant, Iterable[Point]], store: Store, jobs: int, until: float | None
) -> None:
    """Run what ``store`` does not hold yet, beginning nothing after ``until`` (monotonic clock)."""
    known = store.read()
    batches: list[tuple[Variant, list[Point]]] = []
    keys = set()
    for variant, points in work.items():
        alike = defaultdict(list)
        for point in points:
            key = store.key(variant, point)
            keys.add(key)
            if key not in known:
                alike[point.config].append(point)
        parts = jobs * BATCHES if variant.device != "reference" else jobs
        batches += [(variant, b) for group in alike.values() for b in split_evenly(group, parts)]
    if not batches:
        return
    with (
        tqdm(total=len(keys), initial=len(keys & known.keys()), unit="point", desc="claims") as bar,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
    ):
        running = {pool.submit(_run_batch, variant, points, store) for variant, points in batches}
        try:
            while running:
                if until is not None and time.monotonic() >= until:
                    raise UnfinishedError(
                        f"time is up, {bar.n} of {len(keys)} points are finished: the same command "
                        "goes on with the rest"
                    )
                finished, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                bar.update(len(keys & store.read().keys()) - bar.n)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _findings(variant: Variant, store: Store) -> list[Finding]:
    known = store.read()
    lab = Lab(variant.device, variant.costs, variant.every_n, variant.flavour)
    for point in plan(variant):
        lab.known[point] = known[store.key(variant, point)]
    return evaluate(lab)


def _touched(
    variants: Iterable[Variant], base: Variant, store: Store
) -> dict[Variant, list[Point]]:
    """The points of each variant that its changed costs can touch. The others' results are the
    base's, and are kept as such."""
    known = store.read()
    work: dict[Variant, list[Point]] = {}
    for variant in variants:
        changed = {name for name, _ in variant.changes}
        work[variant] = []
        for point in plan(variant):
            summary, key = known[store.key(base, point)], store.key(variant, point)
            if changed.intersection(summary.costs):
                work[variant].append(point)
            elif key not in known:
                store.add(key, summary)
    return work


def controls(device: str, flavour: Flavour = Flavour.RISCV) -> dict[str, Variant]:
    """The experiments of `CONTROLS`."""
    costs = load_costs()
    return {
        name: Variant(
            device=device,
            changes=((changed, costs[source]),),
            every_n=CONTROL_N,
            flavour=flavour,
        )
        for name, (changed, source) in CONTROLS.items()
    }


def _variations(device: str, flavour: Flavour) -> dict[tuple[str, float], Variant]:
    """Each cost at half and at double."""
    costs = load_costs()
    return {
        (name, factor): Variant(
            device=device,
            changes=((name, round(costs[name] * factor)),),
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
    jobs: int,
    store: Store,
    minutes: float | None = None,
    flavour: Flavour = Flavour.RISCV,
    show: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Evaluate every claim on ``device``; with ``sensitivity``, the controls and each cost at half
    and at double too, on the reference device, whose runs are those of the others, cycle for cycle.

    Parameters
    ----------
    jobs : processes at a time
    store : takes finished points, and gives those that were finished before
    minutes : after which no further points are begun
    flavour : family of user interrupts
    show : prints a line

    Returns the record that docs/data/claims.json holds.

    Raises
    ------
    UnfinishedError : time was up.
    """
    measured = Variant(device=device, flavour=flavour)
    base = Variant(device="reference", every_n=A_FEW_N, flavour=flavour)
    same_work = controls("reference", flavour) if sensitivity else {}
    varied = _variations("reference", flavour) if sensitivity else {}
    until = None if minutes is None else time.monotonic() + 60 * minutes
    first = [measured, *same_work.values(), *([base] if sensitivity else ())]
    _run_points({variant: plan(variant) for variant in first}, store, jobs, until)
    if sensitivity:
        _run_points(_touched(varied.values(), base, store), store, jobs, until)
    findings = _findings(measured, store)
    for finding in findings:
        bound = "" if finding.bound is None else f" (bound {finding.bound:.3f})"
        verdict = "holds" if finding.holds else "MISSED"
        show(f"{verdict:6} {finding.value:8.3f}  target {finding.target:<6g} {finding.text}{bound}")
    record: dict[str, Any] = {
        "device": device,
        "flavour": flavour.value,
        "commit": source_commit(),
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

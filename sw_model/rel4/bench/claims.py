"""What this system is said to do better than the published one, each claim as a measurement.

A claim is evaluated on a *lab*, which runs points on a device with a table of costs and remembers
them. With other costs the same claims show how far a conclusion depends on an assumption.

"Gain" is synchronous cycles / cycles of the policy, same workload, harts as each needs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from rel4.machine.costs import Cost, Costs, load_costs
from rel4.machine.device import Device, find_device
from rel4.machine.events import Mark
from uintr.registers import Flavour

from .analysis import window
from .point import Point, simulate
from .policies import POLICIES
from .workload import BEGIN, END

__all__ = [
    "CLAIMS",
    "A_FEW_N",
    "EVERY_N",
    "Claim",
    "Finding",
    "Lab",
    "Summary",
    "evaluate",
    "flips",
    "over_seeds",
    "summarise",
]

EVERY_N = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""N at which claims about every N are checked."""
A_FEW_N = (1, 4, 16)
"""The same where many evaluations are needed."""


@dataclass(frozen=True)
class Summary:
    """What the claims need of one point.

    Parameters
    ----------
    cycles : from the first client's begin to the last one's end
    traps : system-call traps in that time
    rates : calls per cycle of each client, over its own time
    costs : names of the costs that the run looked at; no other cost can have changed it
    entries : all entries into the kernel but those of the timer: system calls, and interrupts that
        harts or receivers raise
    """

    cycles: int
    traps: int
    rates: tuple[float, ...]
    costs: tuple[str, ...] = ()
    entries: int = 0


async def summarise(point: Point, costs: Costs, device: Device) -> Summary:
    """Run one point on a device that was just reset."""
    watched = _WatchedCosts(costs.table)
    log = await simulate(point, device, watched)
    begins = {event.hart: event.cycle for event in log if _is_mark(event, BEGIN)}
    ends = {event.hart: event.cycle for event in log if _is_mark(event, END)}
    measured = window(log)
    each = point.calls / point.clients
    rates = tuple(each / (ends[h] - begins[h]) for h in begins)
    return Summary(
        measured.cycles,
        measured.traps("ecall"),
        rates,
        tuple(sorted(watched.seen)),
        measured.traps("ecall", "ipi", "uipi"),
    )


class _WatchedCosts(Costs):
    """Costs that note which of them were looked at."""

    def __init__(self, table: Mapping[str, Cost]) -> None:
        super().__init__(table)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> int:
        self.seen.add(name)
        return super().__getitem__(name)


def _is_mark(event: object, name: str) -> bool:
    return isinstance(event, Mark) and event.name == name


class Lab:
    """Runs points and remembers them.

    Parameters
    ----------
    device : name of a device
    costs : default costs.toml
    every_n : what "every N" means here
    flavour : family of user interrupts
    seed : of the timers' phases

    Members
    -------
    known : points that were run
    """

    def __init__(
        self,
        device: str = "reference",
        costs: Costs | None = None,
        every_n: tuple[int, ...] = EVERY_N,
        flavour: Flavour = Flavour.RISCV,
        seed: int = 1,
    ) -> None:
        self._device = device
        self._flavour = flavour
        self._seed = seed
        self.every_n = every_n
        self.costs = costs or load_costs()
        self.known: dict[Point, Summary] = {}

    def point(
        self, policy: str, n: int, *, harts: int = 1, clients: int = 1, workload: str = "published"
    ) -> Point:
        """A point of this flavour."""
        return Point(
            policy=policy,
            harts=harts,
            concurrency=n,
            clients=clients,
            workload=workload,
            flavour=self._flavour,
            seed=self._seed,
        )

    def run(self, policy: str, n: int, **shape: Any) -> Summary:
        """The summary of `point`."""
        point = self.point(policy, n, **shape)
        if point not in self.known:
            job = partial(summarise, point, self.costs)
            self.known[point] = find_device(self._device)(point.config, job)
        return self.known[point]

    def gain(self, policy: str, n: int, *, harts: int = 1) -> float:
        """Synchronous cycles on one hart / cycles of ``policy``."""
        return self.run("sync", n).cycles / self.run(policy, n, harts=harts).cycles


@dataclass(frozen=True)
class Claim:
    """A number and what it is claimed to reach.

    Parameters
    ----------
    name : short and stable
    text : what is measured
    target : the least (or, if ``most``, the greatest) value that makes the claim true
    measure : the number, from a lab
    bound : best value that any policy of this kind could reach under the lab's costs, or None
    """

    name: str
    text: str
    target: float
    measure: Callable[[Lab], float]
    most: bool = False
    bound: Callable[[Lab], float] | None = None

    def holds(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        return value <= self.target if self.most else value >= self.target


@dataclass(frozen=True)
class Finding:
    """A claim with the number measured: with one seed, or (`over_seeds`) the worst of several.

    Parameters
    ----------
    value : the worst, by which the claim is judged
    bound : best value that any policy of this kind could reach, in the worst case
    low, high : the range
    """

    name: str
    text: str
    target: float
    value: float
    bound: float | None
    holds: bool
    low: float = 0.0
    high: float = 0.0


def _user_work(costs: Costs) -> int:
    """Cycles of the user's side of one call where replies are handed over directly."""
    parts = ("user.fill_and_send", "user.look", "user.get_reply", "user.resume")
    return sum(costs[part] for part in parts)


def _one_hart_bound(lab: Lab) -> float:
    """No trap, no waiting: synchronous cycles / (user's work + kernel's work)."""
    per_call = lab.run("sync", 16).cycles / 320
    return per_call / (_user_work(lab.costs) + lab.costs["kernel.async_call"])


def _two_hart_bound(lab: Lab) -> float:
    """The slower of user and kernel side works all the time."""
    per_call = lab.run("sync", 16).cycles / 320
    return per_call / max(_user_work(lab.costs), lab.costs["kernel.async_call"])


def _break_even(lab: Lab) -> float:
    return next((float(n) for n in lab.every_n if lab.gain("inline", n) >= 1), float("inf"))


FIXED = tuple(name for name in POLICIES if name != "adaptive")
ONE_HART = ("sync", "tick", "inline", "uipi", "poll")
"""Fixed policies that differ on one hart: `tick-smp` and `ipi` are `tick`, `spread` is `uipi`."""
FAIR = ("inline", "uipi", "poll", "adaptive")
"""Policies that are claimed to be fair: those that bound what a handler takes of a hart that has
threads of its own."""


def _worst_adaptive(lab: Lab) -> float:
    return min(lab.gain("adaptive", n) for n in lab.every_n)


def _adaptive_to_best(lab: Lab) -> float:
    def share(n: int) -> float:
        best = min(lab.run(policy, n).cycles for policy in ONE_HART)
        return best / lab.run("adaptive", n).cycles

    return min(share(n) for n in lab.every_n)


def _mixed_to_best(lab: Lab, harts: int) -> float:
    def share(n: int) -> float:
        run = partial(lab.run, n=n, harts=harts, workload="mixed")
        return min(run(policy).cycles for policy in FIXED) / run("adaptive").cycles

    return min(share(n) for n in (1, 4, 16))


def _fairness(lab: Lab) -> float:
    def fairness(policy: str, n: int) -> float:
        rates = lab.run(policy, n, harts=4, clients=4).rates
        return min(rates) / float(np.mean(rates))

    return min(fairness(policy, n) for policy in FAIR for n in (4, 16))


def _four_clients(lab: Lab) -> float:
    run = partial(lab.run, n=16, harts=4, clients=4)
    return run("sync").cycles / run("adaptive").cycles


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "inline-break-even",
        "one hart: smallest N at which inline is no slower than synchronous calls (published: 8)",
        4,
        _break_even,
        most=True,
    ),
    Claim(
        "inline-saturated",
        "one hart: gain of inline at N = 64 (published system, saturated: 1.277)",
        1.277,
        lambda lab: lab.gain("inline", 64),
        bound=_one_hart_bound,
    ),
    Claim(
        "adaptive-never-slower",
        "one hart: least gain of adaptive over all N",
        0.97,
        _worst_adaptive,
    ),
    Claim(
        "adaptive-near-best",
        "one hart: adaptive's throughput in parts of the best fixed policy's, least over all N",
        0.97,
        _adaptive_to_best,
    ),
    Claim(
        "uipi-no-trap",
        "two harts: system-call traps of uipi after registration, over all N",
        0,
        lambda lab: float(sum(lab.run("uipi", n, harts=2).traps for n in lab.every_n)),
        most=True,
    ),
    Claim(
        "uipi-1",
        "two harts: gain of uipi at N = 1",
        0.95,
        lambda lab: lab.gain("uipi", 1, harts=2),
    ),
    Claim(
        "uipi-4",
        "two harts: gain of uipi at N = 4",
        1.5,
        lambda lab: lab.gain("uipi", 4, harts=2),
        bound=_two_hart_bound,
    ),
    Claim(
        "uipi-16",
        "two harts: least gain of uipi at N = 16 and above",
        1.9,
        lambda lab: min(lab.gain("uipi", n, harts=2) for n in lab.every_n if n >= 16),
        bound=_two_hart_bound,
    ),
    Claim(
        "four-clients",
        "four harts, four threads, N = 16 each: throughput of adaptive over synchronous calls",
        1.0,
        _four_clients,
    ),
    Claim(
        "fairness",
        "four harts, four threads: slowest rate over the mean, least over our policies",
        0.8,
        _fairness,
    ),
    Claim(
        "mixed-one-hart",
        "one hart, mixed load: adaptive's throughput in parts of the best fixed policy's",
        0.97,
        partial(_mixed_to_best, harts=1),
    ),
    Claim(
        "mixed-two-harts",
        "two harts, mixed load: adaptive's throughput in parts of the best fixed policy's",
        0.97,
        partial(_mixed_to_best, harts=2),
    ),
)


def evaluate(lab: Lab, claims: tuple[Claim, ...] = CLAIMS) -> list[Finding]:
    """Measure every claim."""
    findings = []
    for claim in claims:
        value = claim.measure(lab)
        bound = claim.bound(lab) if claim.bound else None
        findings.append(
            Finding(
                claim.name,
                claim.text,
                claim.target,
                value,
                bound,
                claim.holds(value),
                value,
                value,
            )
        )
    return findings


def over_seeds(found: Sequence[Sequence[Finding]]) -> list[Finding]:
    """One finding a claim from those of several seeds: the range, and the verdict of the worst."""
    most = {claim.name: claim.most for claim in CLAIMS}
    worst = []
    for same in zip(*found, strict=True):
        values = [finding.value for finding in same]
        pick = max if most[same[0].name] else min
        one = pick(same, key=lambda finding: finding.value)
        worst.append(
            replace(one, low=min(values), high=max(values), holds=all(each.holds for each in same))
        )
    return worst


def flips(base: list[Finding], other: list[Finding]) -> Mapping[str, float]:
    """Claims whose verdict differs between two evaluations, with the other's value."""
    verdicts = {finding.name: finding.holds for finding in base}
    return {f.name: f.value for f in other if f.holds != verdicts[f.name]}

"""``rel4 validate``: the model with measured costs against the same points as machine code."""

import argparse
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from rel4.kernel.async_runtime import Policy
from rel4.kernel.policies import Poll
from rel4.machine.costs import Costs, chosen_costs, measured_with
from rel4.machine.device import Device, find_device
from uintr.program import Parser, say

from .analysis import window
from .batched import batched
from .compiled import ring_capacity
from .cost_options import add_costs, costs_of
from .measure import MEASURED, ONE_REQUEST, TWO_HARTS, N
from .point import Point, simulate
from .policies import find_policy
from .results import PointRecord, read_results

__all__ = ["Comparison", "compare", "define", "own_software", "render"]

MEAN_PCT, WORST_PCT, EVENTS_PCT = 5.0, 10.0, 5.0
"""Aims: error of cycles in the mean and at worst; of traps and of user interrupts."""


@dataclass(frozen=True)
class Comparison:
    """One point: what was measured and what the model says, in cycles and events per call."""

    record: PointRecord
    cycles: float
    traps: float
    interrupts: float

    @property
    def measured(self) -> float:
        """Cycles per call of the machine code."""
        return self.record.cycles / self.record.syscalls

    @property
    def error_pct(self) -> float:
        """Of the model's cycles, in percent of what was measured."""
        return 100 * (self.cycles / self.measured - 1)

    @property
    def events_pct(self) -> float:
        """Error of traps or of user interrupts, whichever is larger, in percent of the calls."""
        record = self.record
        measured = (record.traps_per_syscall, record.user_interrupts / record.syscalls)
        model = (self.traps, self.interrupts)
        return max(100 * abs(a - b) for a, b in zip(measured, model, strict=True))

    @property
    def tuned(self) -> bool:
        """Costs were measured on this very policy and N: agreement proves little."""
        alone = self.record.harts == 1 and self.record.policy in ("sync", "inline", "tick")
        beside = self.record.harts > 1 and self.record.policy in ("sync", "uipi")
        single = self.record.policy in ONE_REQUEST and self.record.concurrency == 1
        return (self.record.concurrency == N and (alone or beside)) or single


async def _events(point: Point, software: "Software", device: Device) -> tuple[float, float, float]:
    log = await simulate(
        point,
        device,
        software.costs,
        kernel=software.kernel,
        capacity=ring_capacity(point.concurrency),
    )
    measured = window(log)
    calls = point.calls
    return (
        measured.cycles / calls,
        measured.traps("ecall") / calls,
        measured.user_interrupts / calls,
    )


@dataclass(frozen=True)
class Software:
    """What the model runs with: costs, and the kernel's side of the policy if it is not the usual
    one."""

    costs: Costs
    kernel: type[Policy] | None = None


def own_software(record: PointRecord, choice: str = "measured") -> Software:
    """The costs of a set for the memory, the root switch and the harts of ``record``; with the
    measured ones, a policy that serves on a hart of the kernel's own does so in batches.

    Raises
    ------
    ValueError : they were not measured there.
    """
    switch = re.search(r"-DROOT_SWITCH=(\d+)", record.flags or "")
    chosen = partial(
        chosen_costs,
        choice,
        memory_latency=record.memory_latency or 1,
        cache_kib=record.cache_kib or 4,
        root_switch=int(switch[1]) if switch else 0,
    )
    costs = chosen(harts=record.harts)
    if choice == "published" or record.harts == 1:
        return Software(costs)
    if record.policy not in BATCHES:  # requests are served on the hart that makes them
        own = chosen(harts=1)
        return Software(costs.changed({name: own[name] for name in _BESIDE}))
    alone, woken = (_measured(record, choice, name) for name in ONE_REQUEST.values())
    if alone is None or woken is None:
        return Software(costs)
    # A hart that waits in the kernel switches no table.
    beside = chosen(harts=record.harts, root_switch=0)
    # each + once / batch, through what was measured in batches of one and in those of N coroutines.
    many = beside["kernel.async_call"]
    once = max(0.0, (alone - many) / (1 - 1 / _BATCH))
    if once > _BATCH * many:  # the memory is so slow that who polled slept before the request came
        return Software(costs)
    costs = costs.changed(
        {name: beside[name] for name in _BESIDE}
        | {
            "kernel.async_call": round(many - once / _BATCH),
            "kernel.wake": max(0, round(woken - alone) - beside["trap.entry"]),
        }
    )
    policy = batched(find_policy(record.policy).kernel, round(once), BATCHES[record.policy])
    if issubclass(policy, Poll):
        policy.LEAST = POLL_LEAST
    return Software(costs, policy)


BATCHES: dict[str, int | None] = {"ipi": None, "uipi": 8, "poll": 8, "adaptive": 8}
"""Requests that the compiled kernel serves in a batch at most, by the policies that serve on a hart
of the kernel's own."""
_BESIDE = [each.cost for each in TWO_HARTS if each.run == "uipi" and "(" not in each.cost]
"""Costs of two harts that are those of another hart's service."""
POLL_LEAST = 1024
"""Cycles for which a compiled handler looks at least (policies.c)."""
_BATCH = N / 2
"""How many it serves at a time where costs are measured: while one half is served, the other half
is made."""


def _measured(record: PointRecord, choice: str, name: str) -> float | None:
    """A measure of two harts with the memory of ``record``: on a line between the latencies on both
    sides."""
    file = MEASURED if choice == "measured" else Path(choice)
    rows = {
        row["memory_latency"]: row["measures"][name]["value"]
        for row in tomllib.loads(file.read_text("utf-8")).get("at", [])
        if row["cache_kib"] == record.cache_kib and name in row.get("measures", {})
    }
    latency = record.memory_latency or 1
    below = max((each for each in rows if each <= latency), default=None)
    above = min((each for each in rows if each >= latency), default=None)
    if record.harts == 1 or below is None or above is None:
        return None
    part = (latency - below) / (above - below) if above > below else 0.0
    return float(rows[below] + part * (rows[above] - rows[below]))


def compare(
    records: Iterable[PointRecord], software_of: Callable[[PointRecord], Software] = own_software
) -> list[Comparison]:
    """Run every point of compiled ``records`` on the model, with its costs, rings and batches.

    Points that were made with the compiler and the flags of the costs alone.
    """
    run = find_device("reference")
    made = measured_with()
    chosen = [each for each in records if (each.compiler, each.flags) in made]
    if chosen:
        say(f"points to run on the model: {len(chosen)}")
    found = []
    for record in chosen:
        point = Point.of(record)
        events = partial(_events, point, software_of(record))
        found.append(Comparison(record, *run(point.config, events)))
    return found


def render(found: Sequence[Comparison]) -> str:
    """The table, and errors in the mean and at worst, without points used for costs too."""
    lines = [
        "policy     harts    N   cache  latency |  measured     model   error % |  traps   model",
        "-" * 87,
    ]
    for each in found:
        record = each.record
        lines.append(
            f"{record.policy:10} {record.harts:5} {record.concurrency:4} {record.cache_kib:5}K "
            f"{record.memory_latency:8} | {each.measured:9.0f} {each.cycles:9.0f} "
            f"{each.error_pct:+9.1f} | {record.traps_per_syscall:6.3f} {each.traps:7.3f}"
            f"{'  (costs)' if each.tuned else ''}"
        )
    for title, chosen in (
        ("all", found),
        ("not used for costs", [each for each in found if not each.tuned]),
        ("of these, one hart", [each for each in found if not each.tuned and _one(each)]),
        ("of these, N up to 32", [each for each in found if not each.tuned and _few(each)]),
        ("two harts", [each for each in found if not each.tuned and not _one(each)]),
    ):
        if chosen:
            errors = [abs(each.error_pct) for each in chosen]
            lines.append(
                f"{title}: {len(chosen)} points, error of cycles {fmean(errors):.1f} % in the mean "
                f"(aim {MEAN_PCT:.0f}), {max(errors):.1f} % at worst (aim {WORST_PCT:.0f}); "
                f"traps and user interrupts within {EVENTS_PCT:.0f} % of the calls at "
                f"{sum(each.events_pct <= EVENTS_PCT for each in chosen)} points"
            )
    return "\n".join(lines)


def _one(each: Comparison) -> bool:
    return each.record.harts == 1


def _few(each: Comparison) -> bool:
    return _one(each) and each.record.concurrency <= 32


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Run the points of a compiled sweep on the model, with the costs that were measured on the "
        "compiled system, and print how far it is off. Each point has the costs of its own memory, "
        "unless a memory latency or a cache is given for all of them.",
        """
        rel4 validate docs/data/compiled.jsonl             every stored point
        rel4 validate docs/data/holdout.jsonl              those that nothing was chosen by
        rel4 validate docs/data/compiled.jsonl --costs published
        """,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="results.jsonl of compiled runs")
    add_costs(parser, default="measured")


def _run(options: argparse.Namespace) -> int:
    records = read_results(options.file)
    if options.memory_latency is None and options.cache is None:
        found = compare(records, partial(own_software, choice=options.costs or "measured"))
    else:
        same = Software(costs_of(options, default="measured"))
        found = compare(records, lambda record: same)
    if not found:
        raise ValueError(
            f"{options.file} must have runs made with the compiler of the costs, but has none"
        )
    print(render(found))
    return 0

"""``rel4 validate``: the model with measured costs against the same points as machine code."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from rel4.machine.costs import Costs, measured_costs, measured_with
from rel4.machine.device import Device, find_device
from uintr.program import Parser
from uintr.registers import Flavour

from .analysis import window
from .measure import N
from .point import Point, simulate
from .results import PointRecord, read_results

__all__ = ["Comparison", "compare", "define", "render"]

MEAN_PCT, WORST_PCT = 5.0, 10.0
"""Aims: error of cycles in the mean and at worst."""


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
    def tuned(self) -> bool:
        """Costs were measured on this very policy and N: agreement proves little."""
        return self.record.concurrency == N and self.record.policy in ("sync", "inline", "tick")


async def _events(point: Point, costs: Costs, device: Device) -> tuple[float, float, float]:
    measured = window(await simulate(point, device, costs))
    calls = point.calls
    return (
        measured.cycles / calls,
        measured.traps("ecall") / calls,
        measured.user_interrupts / calls,
    )


def compare(records: Iterable[PointRecord]) -> list[Comparison]:
    """Run every point of compiled ``records`` on the model, with the costs of its memory.

    Points that were made with the compiler and the flags of the costs alone.
    """
    run = find_device("reference")
    made = measured_with()
    found = []
    for record in records:
        if (record.compiler, record.flags) not in made:
            continue
        costs = measured_costs(
            memory_latency=record.memory_latency or 1, cache_kib=record.cache_kib or 4
        )
        point = Point(
            policy=record.policy,
            harts=record.harts,
            concurrency=record.concurrency,
            rounds=record.rounds,
            timer_period=record.timer_period,
            seed=record.seed,
            flavour=Flavour(record.flavour),
        )
        found.append(Comparison(record, *run(point.config, partial(_events, point, costs))))
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
    ):
        if chosen:
            errors = [abs(each.error_pct) for each in chosen]
            lines.append(
                f"{title}: {len(chosen)} points, error of cycles {fmean(errors):.1f} % in the mean "
                f"(aim {MEAN_PCT:.0f}), {max(errors):.1f} % at worst (aim {WORST_PCT:.0f})"
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
        "compiled system, and print how far it is off.",
        """
        rel4 validate docs/data/compiled.jsonl             every stored point
        """,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="results.jsonl of compiled runs")


def _run(options: argparse.Namespace) -> int:
    found = compare(read_results(options.file))
    if not found:
        raise ValueError(
            f"{options.file} must have runs made with the compiler of the costs, but has none"
        )
    print(render(found))
    return 0

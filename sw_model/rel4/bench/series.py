"""Points grouped into the curves of a figure, and what is read off a curve."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .published import published_points
from .results import PointRecord, sort_records

__all__ = ["Curve", "CurveKey", "break_even", "curves", "gain_pct", "published_curve"]


@dataclass(frozen=True)
class CurveKey:
    """What all points of a curve have in common."""

    device: str
    policy: str
    harts: int
    rounds: int
    timer_period: int


@dataclass(frozen=True)
class Curve:
    """The points of one key. `points` maps each concurrency, rising, to its runs (one a seed)."""

    key: CurveKey
    points: Mapping[int, list[PointRecord]]

    @property
    def cycles(self) -> dict[int, float]:
        """Cycles per round over concurrency, the mean of the runs."""
        return self._means("cycles_per_round")

    @property
    def traps(self) -> dict[int, float]:
        """Traps per system call over concurrency, the mean of the runs."""
        return self._means("traps_per_syscall")

    def _means(self, field: str) -> dict[int, float]:
        return {
            n: float(np.mean([getattr(run, field) for run in runs]))
            for n, runs in self.points.items()
        }

    @property
    def published(self) -> bool:
        """Whether any point has a published one to be compared with."""
        return any(r.published_cycles_per_round for runs in self.points.values() for r in runs)


def curves(records: Iterable[PointRecord]) -> list[Curve]:
    """All curves in ``records``, in the order of `sort_records`."""
    groups: dict[CurveKey, dict[int, list[PointRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in sort_records(records):
        key = CurveKey(
            record.device, record.policy, record.harts, record.rounds, record.timer_period
        )
        groups[key][record.concurrency].append(record)
    return [Curve(key, dict(points)) for key, points in groups.items()]


def published_curve(policy: str) -> dict[int, float]:
    """Published cycles per round over concurrency, on the FPGA; empty where there are none."""
    return {p.concurrency: float(p.cycles_per_round) for p in published_points(policy)}


def break_even(asynchronous: Mapping[int, float], sync: Mapping[int, float]) -> int | None:
    """The first concurrency at which ``asynchronous`` takes no more cycles than ``sync``, among
    those that both have; None when there is none."""
    return next((n for n in sorted(asynchronous) if n in sync and asynchronous[n] <= sync[n]), None)


def gain_pct(
    asynchronous: Mapping[int, float], sync: Mapping[int, float], concurrency: int
) -> float | None:
    """Throughput of ``asynchronous`` at ``concurrency`` in percent of that of ``sync``; None where
    one of them has no such point."""
    if concurrency not in asynchronous or concurrency not in sync:
        return None
    return 100 * sync[concurrency] / asynchronous[concurrency]

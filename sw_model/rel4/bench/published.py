"""The published points of the experiment, from ``published.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = [
    "CALLS_PER_ROUND",
    "PLATFORMS",
    "ROUNDS",
    "TIMER_PERIOD",
    "PublishedPoint",
    "caveats",
    "citation",
    "published_harts",
    "published_point",
    "published_points",
    "published_policies",
]


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("published.toml").read_text(encoding="utf-8"))


_workload = _document()["workload"]

CALLS_PER_ROUND: int = _workload["calls_per_round"]
"""System calls of one round of one coroutine: map, unmap."""

ROUNDS: int = _workload["rounds"]
"""Rounds of each coroutine in the published runs."""

TIMER_PERIOD: int = _workload["timer_period"]
"""Timer ticks between two timer interrupts in the published runs."""

PLATFORMS: tuple[str, ...] = tuple(_document()["platform"])
"""Names of the platforms there are published points for."""


@dataclass(frozen=True, kw_only=True)
class PublishedPoint:
    """One published measurement.

    Parameters
    ----------
    platform : ``fpga`` or ``qemu``
    policy : our name of the policy
    harts : harts that the policy was run with
    concurrency : number of coroutines, N
    cycles_per_round : timer ticks per round of two system calls
    traps : traps in the whole run, or None where only their frequency is known
    traps_per_syscall : traps divided by the 20 N system calls of the run
    """

    platform: str
    policy: str
    harts: int
    concurrency: int
    cycles_per_round: int
    traps: int | None
    traps_per_syscall: float


@cache
def _points() -> dict[tuple[str, str, int], PublishedPoint]:
    points = {}
    for series in _document()["series"]:
        traps_of = series.get("traps", [None] * len(series["concurrency"]))
        for n, cycles, traps in zip(
            series["concurrency"], series["cycles_per_round"], traps_of, strict=True
        ):
            calls = CALLS_PER_ROUND * ROUNDS * n
            points[series["platform"], series["policy"], n] = PublishedPoint(
                platform=series["platform"],
                policy=series["policy"],
                harts=series["harts"],
                concurrency=n,
                cycles_per_round=cycles,
                traps=traps,
                # Only the synchronous version comes without counts; its frequency is 1 throughout.
                traps_per_syscall=1.0 if traps is None else traps / calls,
            )
    return points


def published_point(
    policy: str, concurrency: int, *, platform: str = "fpga"
) -> PublishedPoint | None:
    """The published measurement of ``policy`` at ``concurrency``, or None where there is none."""
    return _points().get((platform, policy, concurrency))


def published_points(policy: str, *, platform: str = "fpga") -> list[PublishedPoint]:
    """All published measurements of ``policy``, by rising concurrency; empty if there are none."""
    found = [p for p in _points().values() if (p.platform, p.policy) == (platform, policy)]
    return sorted(found, key=lambda point: point.concurrency)


def published_policies(*, platform: str = "fpga") -> list[str]:
    """The policies with published points, in the order of the publication."""
    return list(dict.fromkeys(p.policy for p in _points().values() if p.platform == platform))


def published_harts(policy: str, *, platform: str = "fpga") -> int | None:
    """The number of harts that ``policy`` was published with, or None where it was not."""
    points = published_points(policy, platform=platform)
    return points[0].harts if points else None


def citation(platform: str = "fpga") -> str:
    """Where the points of ``platform`` come from, in one line.

    Raises
    ------
    ValueError : there is no such platform.
    """
    if platform not in PLATFORMS:
        raise ValueError(f"platform must be one of {', '.join(PLATFORMS)}, not {platform!r}")
    source = _document()["source"]
    return f"{source['where']}, {source['title']}; {_document()['platform'][platform]['name']}"


def caveats(platform: str = "fpga") -> list[str]:
    """What stands between the points of ``platform`` and a fair comparison, a sentence each."""
    return list(_document()["platform"][platform]["caveats"])

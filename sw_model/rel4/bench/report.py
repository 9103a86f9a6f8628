"""``rel4 report``: one HTML page that shows a sweep and everything behind it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, cast

from rel4.machine.costs import load_costs
from rel4.trace.logfile import read_about, read_events
from uintr.files import check_file, write_atomically
from uintr.program import say

from . import page
from .analysis import IDLE, Quantiles, breakdown, calls, quantiles
from .charts import Series, bar_chart, line_chart, swatch
from .looks import Look, look_of
from .point import log_name
from .policies import find_policy, policy_names
from .published import caveats, citation, published_points
from .results import PointRecord, read_results
from .series import Curve, curves
from .table import points_sheet, summary_sheet

IDLE_STYLE = "fill:#e3e6e9;stroke:#8a929b;stroke-dasharray:3 3"

__all__ = ["Times", "report_page", "write_report"]


@dataclass(frozen=True)
class Times:
    """What the event log of a point says: latency of its calls, and cycles of each hart by what
    they were spent on."""

    latency: Quantiles
    harts: Sequence[Mapping[str, int]]


def write_report(
    folder: Path, *, out: Path | None = None, show: Callable[[str], None] = print
) -> Path:
    """Write ``report.html`` (or ``out``) from the results and event logs in ``folder``.

    Raises
    ------
    ValueError : ``folder`` holds no results of a sweep, or an event log is not readable.
    """
    results = folder / "results.jsonl"
    if not results.is_file():
        raise ValueError(f"{folder} must hold the results of a sweep, but has no results.jsonl")
    records = read_results(results)
    if not records:
        raise ValueError(f"{results} must hold at least one point, not none")
    target = check_file(out if out is not None else folder / "report.html")
    times: dict[int, Times] = {}
    # A record has all that a log's name is made of.
    logs = {id(record): folder / log_name(cast(Any, record)) for record in records}
    found = [record for record in records if logs[id(record)].exists()]
    for record in found:
        _check_same_run(logs[id(record)], record)
    if len(found) > 2:
        say(f"reading {len(found)} event logs")
    for record in found:
        times[id(record)] = _times(logs[id(record)], record.harts)
    write_atomically(target, report_page(records, times).encode())
    show(f"{target}: {len(records)} points, {len(times)} with an event log")
    return target


def _check_same_run(log: Path, record: PointRecord) -> None:
    run = read_about(log).get("run", "")
    if not record.run or run != record.run:
        raise ValueError(
            f"{log} must be the log of the run in results.jsonl, {record.run or 'without a name'}, "
            f"and is of {run or 'a run without a name'}; sweep again, or remove it"
        )


def _times(log: Path, harts: int) -> Times:
    events = read_events(log)
    try:
        latency = quantiles(call.cycles for call in calls(events))
    except ValueError as error:
        raise ValueError(f"{log} must be a whole event log: {error}") from None
    if latency is None:
        raise ValueError(f"{log} must hold at least one system call, not none")
    return Times(latency, breakdown(events, harts))


def report_page(records: Sequence[PointRecord], times: Mapping[int, Times]) -> str:
    """The page. ``times`` is by the ``id`` of the record; records may be without."""
    found = curves(records)
    looks = {curve.key: look_of(curve.key.policy) for curve in found}
    body = [
        "<h1>Asynchronous system calls over user interrupts</h1>",
        f'<p class="soft">{escape(_subtitle(records))}</p>',
        "<p>Filled markers are this model; hollow ones are the published FPGA points "
        f"({escape(citation())}). Point at a marker, or touch it, for its value.</p>",
        page.legend(_legend(found, looks)),
        '<div class="pair">',
        page.figure("Cycles per round of two calls", _curves_chart(found, looks, cycles=True)),
        page.figure("Traps per system call", _curves_chart(found, looks, cycles=False)),
        "</div>",
    ]
    if times:
        body += _latency_section(found, looks, times) + _breakdown_section(found, times)
    else:
        body.append(
            "<p>There are no event logs beside the results (the sweep ran with --no-log), so "
            "latencies and the breakdown of cycles are missing.</p>"
        )
    body += _comparison_section(found) + _configuration_section(found) + _costs_section()
    return page.document("rel4: asynchronous system calls", body)


def _subtitle(records: Sequence[PointRecord]) -> str:
    def every(name: str) -> str:
        return ", ".join(dict.fromkeys(str(getattr(record, name)) for record in records))

    return (
        f"{len(records)} points on device {every('device')}, {every('rounds')} rounds, timer "
        f"period {every('timer_period')} cycles, seed {every('seed')}; version {every('version')}, "
        f"commit {every('commit')}"
    )


def _name(curve: Curve) -> str:
    key = curve.key
    return f"{key.policy}, {key.harts} hart{'s' if key.harts > 1 else ''}"


def _legend(found: Iterable[Curve], looks: Mapping[Any, Look]) -> list[tuple[str, str]]:
    entries = []
    for curve in found:
        look = looks[curve.key]
        entries.append((swatch(look), _name(curve)))
        if curve.published:
            entries.append((swatch(look, hollow=True), f"{curve.key.policy}, published"))
    return entries


def _curves_chart(found: Sequence[Curve], looks: Mapping[Any, Look], *, cycles: bool) -> str:
    unit = "cycles" if cycles else "traps per call"
    shown = {n for curve in found for n in curve.points}
    series = []
    for curve in found:
        look = looks[curve.key]
        ours = curve.cycles if cycles else curve.traps
        series.append(Series(name=_name(curve), look=look, points=ours))
        if curve.published:
            theirs = {
                p.concurrency: float(p.cycles_per_round) if cycles else p.traps_per_syscall
                for p in published_points(curve.key.policy)
                if p.concurrency in shown
            }
            name = f"{curve.key.policy}, published"
            series.append(Series(name=name, look=look, points=theirs, hollow=True))
    return line_chart(series, label=f"{unit} over N", unit=unit)


def _timed(curve: Curve, times: Mapping[int, Times]) -> dict[int, Times]:
    """The first run of each N that has an event log."""
    timed = {}
    for n, runs in curve.points.items():
        of_n = [times[id(run)] for run in runs if id(run) in times]
        if of_n:
            timed[n] = of_n[0]
    return timed


def _latency_section(
    found: Sequence[Curve], looks: Mapping[Any, Look], times: Mapping[int, Times]
) -> list[str]:
    medians: list[Series] = []
    tails: list[Series] = []
    rows: list[list[str]] = []
    blocks: list[int] = []
    for curve in found:
        timed = _timed(curve, times)
        if not timed:
            continue
        look, name = looks[curve.key], _name(curve)
        blocks.append(len(rows))
        for series, quantile in ((medians, "p50"), (tails, "p99")):
            points = {n: float(getattr(t.latency, quantile)) for n, t in timed.items()}
            series.append(Series(name=f"{name}, {quantile}", look=look, points=points))
        rows += [
            [name, str(n), f"{t.latency.count:,}", f"{t.latency.mean:,.0f}"]
            + [f"{getattr(t.latency, q):,}" for q in ("p50", "p90", "p99", "most")]
            for n, t in timed.items()
        ]
    return [
        "<h2>Latency of a call</h2>",
        "<p>From submission to the moment in which its coroutine runs with the reply; of "
        "synchronous calls, from the stub's begin to its end. Coroutines wait for one another, so "
        "latency grows with N while the time of a call falls.</p>",
        '<div class="pair">',
        *(
            page.figure(
                f"{name}, in cycles",
                line_chart(series, label=f"{name} over N", unit="cycles", log=True),
            )
            for name, series in (("Median (p50)", medians), ("Tail (p99)", tails))
        ),
        "</div><p></p>",
        page.table(
            [
                *("policy", "N", "calls"),
                *(f"{name}, cycles" for name in ("mean", "p50", "p90", "p99", "max")),
            ],
            rows,
            blocks=blocks,
        ),
    ]


def _breakdown_section(found: Sequence[Curve], times: Mapping[int, Times]) -> list[str]:
    bars: dict[int, list[tuple[str, dict[str, float]]]] = {}
    for curve in found:
        timed = _timed(curve, times)
        for n in {min(timed), max(timed)} if timed else set():
            rounds = curve.key.rounds * n
            for hart, parts in enumerate(timed[n].harts):
                scaled = {name: cycles / rounds for name, cycles in parts.items()}
                bars.setdefault(n, []).append((f"{curve.key.policy}, hart {hart}", scaled))
    looks = _part_looks(name for rows in bars.values() for _, one in rows for name in one)
    figures = [
        page.figure(
            f"N = {n}",
            bar_chart(rows, looks, label=f"cycles of a round, N = {n}", unit="cycles"),
            "cycles per round of two calls",
        )
        for n, rows in sorted(bars.items())
    ]
    return [
        "<h2>Where the cycles go</h2>",
        "<p>Every cycle of every hart between begin and end, divided by the rounds. Blue is the "
        "user's side, orange and violet the kernel; user.other is waiting and polling, single "
        "accesses and the user-interrupt hardware. Touch a part, or point at it, for its value."
        "</p>",
        page.chips((look, name) for name, look in looks.items()),
        '<div class="pair">',
        *figures,
        "</div>",
    ]


def _part_looks(parts: Iterable[str]) -> dict[str, str]:
    """A style for each part, no two alike: the user's, then the kernel's, idle last."""
    found = set(parts)
    names = sorted(found - {IDLE})
    user = [name for name in names if name.startswith("user.") and name != "user.other"]
    kernel = [name for name in names if not name.startswith("user.")]
    looks = {name: _shade(205, 60, n, len(user)) for n, name in enumerate(user)}
    looks |= {"user.other": "fill:#b9c2cb"} if "user.other" in names else {}
    half = (len(kernel) + 1) // 2
    for n, name in enumerate(kernel):
        first = n < half
        looks[name] = _shade(22, 80, n, half) if first else _shade(310, 38, n - half, half)
    return looks | ({IDLE: IDLE_STYLE} if IDLE in found else {})


def _shade(hue: int, saturation: int, number: int, of: int) -> str:
    """One of so many shades from dark to light."""
    lightness = 28 + 50 * number / max(of - 1, 1)
    return f"fill:hsl({hue} {saturation}% {lightness:.0f}%)"


def _comparison_section(found: Sequence[Curve]) -> list[str]:
    notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in caveats())
    return [
        "<h2>Against the published points</h2>",
        f"<p>Source: {escape(citation())}. Where nothing comparable was published there is a dash."
        f'</p><ul class="soft">{notes}</ul>',
        page.sheet(summary_sheet(found)),
        "<p></p>",
        page.sheet(points_sheet(found)),
    ]


def _configuration_section(found: Sequence[Curve]) -> list[str]:
    rows = []
    for curve in found:
        key = curve.key
        known = find_policy(key.policy) if key.policy in policy_names() else None
        rows.append(
            [
                key.policy,
                str(key.harts),
                key.device,
                str(key.rounds),
                f"{key.timer_period:,}",
                known.summary if known is not None else "not installed here",
            ]
        )
    head = ["policy", "harts", "device", "rounds", "timer period, cycles", "what it does"]
    return ["<h2>Configuration</h2>", page.table(head, rows, text=(0, 2), wrap=(5,))]


def _costs_section() -> list[str]:
    rows = [
        [name, f"{cost.value:,}", cost.provenance, cost.source]
        for name, cost in load_costs().table.items()
    ]
    return [
        "<h2>Costs of software work</h2>",
        "<p>In cycles. Time of the user-interrupt hardware is not here: it comes from the device. "
        "No cost depends on N or on the policy.</p>",
        page.table(["cost", "cycles", "provenance", "source"], rows, text=(0, 2), wrap=(3,)),
    ]

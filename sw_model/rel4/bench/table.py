"""A sweep as a table of plain text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .results import PointRecord
from .series import Curve, break_even, curves, gain_pct, published_curve

__all__ = ["Sheet", "points_sheet", "render_sheet", "render_table", "summary_sheet"]

_POINT_HEAD = (
    ("policy", "harts", "N"),
    ("cycles\nper round", "published\ncycles", "error\n%"),
    ("traps\nper call", "published\ntraps", "error\n%"),
)
_SUMMARY_HEAD = (
    ("policy", "harts"),
    ("cycles:\nmean\nerror %", "largest\n%"),
    ("traps:\nmean\nerror %", "largest\n%"),
    ("break\neven N", "published\nN"),
    ("gain\nat N", "ours\n%", "published\n%"),
)


@dataclass(frozen=True)
class Sheet:
    """A table of finished cells.

    Parameters
    ----------
    head : names of the columns with their units, in the groups that a rule sets apart; a name may
        have two lines
    rows : the cells
    blocks : indices of the rows that begin a new block
    """

    head: tuple[tuple[str, ...], ...]
    rows: list[list[str]]
    blocks: set[int]


def render_table(records: Iterable[PointRecord]) -> str:
    """The whole sweep as plain text: a line a point, then a line a curve. Ends without a newline.

    Several seeds of one point make one line with their mean. Where nothing comparable was published
    the cell is ``-``. The gain is the throughput in percent of that of the synchronous version.
    """
    found = curves(records)
    if not found:
        return "no points"
    parts = []
    for device in dict.fromkeys(curve.key.device for curve in found):
        mine = [curve for curve in found if curve.key.device == device]
        parts += [
            f"device: {device}",
            render_sheet(points_sheet(mine)),
            render_sheet(summary_sheet(mine)),
        ]
    return "\n\n".join(parts)


def points_sheet(found: Sequence[Curve]) -> Sheet:
    """A row a point, a block a curve; the mean where there are several runs of a point."""
    rows: list[list[str]] = []
    blocks = set()
    for curve in found:
        blocks.add(len(rows))
        for n, runs in curve.points.items():
            rows.append(
                [
                    curve.key.policy,
                    str(curve.key.harts),
                    str(n),
                    _number(curve.cycles[n], 0),
                    _number(runs[0].published_cycles_per_round, 0),
                    _number(_mean([r.error_pct for r in runs]), 1, signed=True),
                    _number(curve.traps[n], 4),
                    _number(runs[0].published_traps_per_syscall, 4),
                    _number(_mean([r.traps_error_pct for r in runs]), 1, signed=True),
                ]
            )
    return Sheet(_POINT_HEAD, rows, blocks)


def summary_sheet(found: Sequence[Curve]) -> Sheet:
    """A row a curve: errors against the published points, the first concurrency at which it is as
    fast as the synchronous version, and its throughput at the highest one in percent of that."""
    rows = []
    for curve in found:
        cycles = _errors(curve, lambda record: record.error_pct)
        traps = _errors(curve, lambda record: record.traps_error_pct)
        sync = _sync_beside(curve, found)
        even = published_even = gain = published_gain = last = None
        if curve.key.policy != "sync" and sync is not None:
            even = break_even(curve.cycles, sync.cycles)
            last = max((n for n in curve.points if n in sync.points), default=None)
            if last is not None:
                gain = gain_pct(curve.cycles, sync.cycles, last)
            if curve.published:
                # At our concurrencies only, so that a partial sweep does not seem late.
                theirs = {
                    n: cycles
                    for n, cycles in published_curve(curve.key.policy).items()
                    if n in curve.points
                }
                published_even = break_even(theirs, published_curve("sync"))
                if last is not None:
                    published_gain = gain_pct(theirs, published_curve("sync"), last)
        rows.append(
            [
                curve.key.policy,
                str(curve.key.harts),
                _number(_mean(cycles), 2),
                _number(max(cycles, default=None), 2),
                _number(_mean(traps), 2),
                _number(max(traps, default=None), 2),
                _number(even, 0),
                _number(published_even, 0),
                _number(last, 0),
                _number(gain, 1),
                _number(published_gain, 1),
            ]
        )
    return Sheet(_SUMMARY_HEAD, rows, {0})


def _sync_beside(curve: Curve, found: Sequence[Curve]) -> Curve | None:
    """The synchronous curve that ``curve`` is to be compared with: the published number of harts
    makes no difference to it, rounds and timer period do."""
    for other in found:
        if other.key.policy == "sync" and (other.key.rounds, other.key.timer_period) == (
            curve.key.rounds,
            curve.key.timer_period,
        ):
            return other
    return None


def _errors(curve: Curve, of: Callable[[PointRecord], float | None]) -> list[float]:
    """Absolute errors of a curve's points, the mean of the runs of each."""
    means = (_mean([of(record) for record in runs]) for runs in curve.points.values())
    return [abs(value) for value in means if value is not None]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _number(value: float | None, digits: int, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    # A rounded-away deviation has no sign.
    return text.lstrip("+-") if signed and not text.strip("+-0.") else text


def render_sheet(sheet: Sheet) -> str:
    """The table as plain text of fixed width, ending without a newline."""
    names = [name.split("\n") for group in sheet.head for name in group]
    tall = max(map(len, names))
    heads = list(zip(*([""] * (tall - len(name)) + name for name in names), strict=True))
    widths = [max(map(len, column)) for column in zip(*heads, *sheet.rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        fitted = [
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        groups = ("  ".join(fitted[i] for i in columns) for columns in _columns(sheet.head))
        return " | ".join(groups).rstrip()

    rule = "-+-".join(
        "-" * (sum(widths[i] for i in columns) + 2 * (len(columns) - 1))
        for columns in _columns(sheet.head)
    )
    lines = [line(head) for head in heads]
    for number, row in enumerate(sheet.rows):
        if number in sheet.blocks:
            lines.append(rule)
        lines.append(line(row))
    return "\n".join(lines)


def _columns(head: Sequence[Sequence[str]]) -> list[list[int]]:
    groups, at = [], 0
    for group in head:
        groups.append(list(range(at, at + len(group))))
        at += len(group)
    return groups

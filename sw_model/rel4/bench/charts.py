"""Charts as SVG for a page: drawn with the page's own colours, so that they follow light and dark.

Text is 13 units high in a drawing 480 wide, so it can still be read where a phone shows it in 340
pixels. Classes: ``c0`` … ``c7`` series, ``axis``, ``grid``, ``line``, ``hollow``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Series", "bar_chart", "line_chart", "swatch"]

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 12, 10, 44
SERIES_COLOURS = 8
_MARKS = ("circle", "square", "diamond", "triangle", "down", "cross")


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line.

    Parameters
    ----------
    name : for the tooltip
    look : colour and marker, a small number
    points : value over N
    hollow : markers only, without a line, as for what others published
    dashed : a dashed line
    """

    name: str
    look: int
    points: Mapping[int, float]
    hollow: bool = False
    dashed: bool = False


def line_chart(series: Sequence[Series], *, label: str, unit: str, log: bool = False) -> str:
    """Lines over N, which is drawn on a logarithmic axis. ``log``: the values too.

    Raises
    ------
    ValueError : there is nothing to draw.
    """
    ns = sorted({n for one in series for n in one.points})
    values = [value for one in series for value in one.points.values()]
    if not ns:
        raise ValueError("series must have at least one point, not none")
    low, ticks = _log_ticks(values) if log else (0.0, _ticks(max(values)))
    high = ticks[-1]

    def x(n: int) -> float:
        span = math.log2(ns[-1] / ns[0]) or 1
        return LEFT + 12 + (WIDTH - LEFT - RIGHT - 24) * math.log2(n / ns[0]) / span

    def y(value: float) -> float:
        if log:
            share = math.log10(max(value, low) / low) / math.log10(high / low)
        else:
            share = value / high
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [_open(WIDTH, HEIGHT, label)]
    for tick in ticks:
        parts.append(
            f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="axis" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">'
            f"{_short(tick) if log else format(tick, ',.10g')}</text>"
        )
    for n in ns:
        parts.append(
            f'<text class="axis" x="{x(n):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{n}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" '
        'text-anchor="middle">N, coroutines</text>'
    )
    for one in series:
        colour = f"c{one.look % SERIES_COLOURS}"
        points = sorted(one.points.items())
        if not one.hollow:
            path = "L".join(f"{x(n):.1f} {y(value):.1f}" for n, value in points)
            dashed = " dashed" if one.dashed else ""
            parts.append(f'<path class="line {colour}{dashed}" d="M{path}"/>')
        for n, value in points:
            title = f"{one.name}, N = {n}: {value:,.6g} {unit}"
            parts.append(_mark(x(n), y(value), one.look, one.hollow, colour, title))
    return "".join([*parts, "</svg>"])


def bar_chart(
    bars: Sequence[tuple[str, Mapping[str, float]]],
    looks: Mapping[str, str],
    *,
    label: str,
    unit: str,
) -> str:
    """Stacked horizontal bars of one scale: each a title and its parts, drawn in the order of
    ``looks``, which gives each part its class."""
    row, gap = 20, 22
    height = len(bars) * (row + gap) + 36
    total = max((sum(parts.values()) for _, parts in bars), default=0) or 1
    ticks = _ticks(total)
    scale = (WIDTH - 20) / ticks[-1]
    svg = [_open(WIDTH, height, label)]
    for tick in ticks:
        at = 8 + tick * scale
        anchor = "start" if tick == 0 else "end" if tick == ticks[-1] else "middle"
        svg.append(
            f'<path class="grid" d="M{at:.1f} 0V{height - 24}"/>'
            f'<text class="axis" x="{at:.1f}" y="{height - 8}" text-anchor="{anchor}">'
            f"{tick:,.10g}</text>"
        )
    for number, (title, parts) in enumerate(bars):
        top = number * (row + gap)
        svg.append(f'<text class="title" x="8" y="{top + 15}">{escape(title)}</text>')
        at = 8.0
        for name, look in looks.items():
            width = parts.get(name, 0) * scale
            if width <= 0:
                continue
            tip = f"{title}: {name} {parts[name]:,.0f} {unit}"
            svg.append(
                f'<rect class="{look}" x="{at:.2f}" y="{top + gap - 2}" width="{width:.2f}" '
                f'height="{row}"><title>{escape(tip)}</title></rect>'
            )
            at += width
    return "".join([*svg, "</svg>"])


def swatch(look: int, *, hollow: bool = False, dashed: bool = False) -> str:
    """The marker of a series for a legend."""
    colour = f"c{look % SERIES_COLOURS}"
    line = "" if hollow else f'<path class="line {colour}{" dashed" * dashed}" d="M0 8H26"/>'
    mark = _mark(13, 8, look, hollow, colour, "")
    return f'<svg class="swatch" viewBox="0 0 26 16" aria-hidden="true">{line}{mark}</svg>'


def _open(width: int, height: int, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'


def _mark(x: float, y: float, look: int, hollow: bool, colour: str, title: str) -> str:
    r = 6.5 if hollow else 4.0
    match _MARKS[look % len(_MARKS)]:
        case "square":
            shape = f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z"
        case "diamond":
            d = r * 1.3
            shape = f"M{x:.1f} {y - d:.1f}l{d} {d}l{-d} {d}l{-d} {-d}z"
        case "triangle":
            shape = f"M{x:.1f} {y - r * 1.2:.1f}l{r * 1.2} {r * 2.1}h{-r * 2.4}z"
        case "down":
            shape = f"M{x:.1f} {y + r * 1.2:.1f}l{r * 1.2} {-r * 2.1}h{-r * 2.4}z"
        case "cross":
            shape = f"M{x - r:.1f} {y - r / 2.5:.1f}h{2 * r}v{r / 1.25}h{-2 * r}z"
        case _:
            shape = f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
    tip = f"<title>{escape(title)}</title>" if title else ""
    return f'<path class="{"hollow" if hollow else "mark"} {colour}" d="{shape}">{tip}</path>'


def _ticks(most: float) -> list[float]:
    """0 and rising round numbers, the last at or above ``most``."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    return [step * n for n in range(math.ceil(most / step - 1e-9) + 1)]


def _short(value: float) -> str:
    """A power of ten in few letters: 1, 10, 100, 1k, … 1M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"


def _log_ticks(values: Sequence[float]) -> tuple[float, list[float]]:
    positive = [value for value in values if value > 0]
    low = 10.0 ** math.floor(math.log10(min(positive, default=1)))
    high = 10.0 ** math.ceil(math.log10(max(positive, default=10)))
    if high <= low:
        high = low * 10
    return low, [low * 10**n for n in range(round(math.log10(high / low)) + 1)]

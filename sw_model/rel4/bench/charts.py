"""Charts as SVG for a page: drawn with the page's own colours, so that they follow light and dark.

Text is 13 units high in a drawing 480 wide, so it can still be read where a phone shows it in 340
pixels. What a point or a part of a bar stands for is shown while it is pointed at, touched or
focused, in the first line of the drawing: classes ``point`` and ``tip``. Colours are those of
`rel4.bench.looks`, as the properties ``--c`` on light ground and ``--d`` on dark.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from .looks import Look

__all__ = ["Series", "bar_chart", "line_chart", "swatch"]

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 12, 28, 44
LEAST_STEP = 30
"""Units between two labels of the axis at least."""
_TOUCH = 11
"""Radius of what can be touched of a point."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line.

    Parameters
    ----------
    name : for the tooltip
    look : colour, marker, dashes
    points : value over N
    hollow : markers only, without a line, as for what others published
    """

    name: str
    look: Look
    points: Mapping[int, float]
    hollow: bool = False


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
            f"{_short(tick)}</text>"
        )
    last = -math.inf
    for n in ns:
        if x(n) - last < LEAST_STEP:
            continue  # labels must not touch
        last = x(n)
        parts.append(
            f'<text class="axis" x="{x(n):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{n}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" '
        'text-anchor="middle">N, coroutines</text>'
    )
    # Solid lines first: of two that coincide the dashed one lets the other show through.
    for one in sorted(series, key=lambda one: bool(one.look.dashes)):
        points = sorted(one.points.items())
        if not one.hollow:
            path = "L".join(f"{x(n):.1f} {y(value):.1f}" for n, value in points)
            parts.append(f'<path class="line"{_style(one.look)} d="M{path}"/>')
    # Above all lines, the large ones first: of points that coincide each is seen.
    marks = [(one, n, value) for one in series for n, value in one.points.items()]
    for one, n, value in sorted(marks, key=lambda m: (not m[0].hollow, -m[0].look.size)):
        tip = f"{one.name}, N = {n}: {value:,.6g} {unit}"
        at = (x(n), y(value))
        touch = f'<circle class="touch" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{_TOUCH}"/>'
        parts.append(_point(touch + _mark(*at, one.look, hollow=one.hollow), tip))
    return "".join([*parts, "</svg>"])


def bar_chart(
    bars: Sequence[tuple[str, Mapping[str, float]]],
    looks: Mapping[str, str],
    *,
    label: str,
    unit: str,
) -> str:
    """Stacked horizontal bars of one scale: each a title and its parts, drawn in the order of
    ``looks``, which gives each part its style (`rel4.bench.page.chips` shows it)."""
    row, gap, head = 20, 22, 20
    height = head + len(bars) * (row + gap) + 36
    total = max((sum(parts.values()) for _, parts in bars), default=0) or 1
    ticks = _ticks(total)
    scale = (WIDTH - 20) / ticks[-1]
    svg = [_open(WIDTH, height, label)]
    for tick in ticks:
        at = 8 + tick * scale
        anchor = "start" if tick == 0 else "end" if tick == ticks[-1] else "middle"
        svg.append(
            f'<path class="grid" d="M{at:.1f} {head}V{height - 24}"/>'
            f'<text class="axis" x="{at:.1f}" y="{height - 8}" text-anchor="{anchor}">'
            f"{_short(tick)}</text>"
        )
    for number, (title, parts) in enumerate(bars):
        top = head + number * (row + gap)
        svg.append(f'<text class="title" x="8" y="{top + 15}">{escape(title)}</text>')
        at = 8.0
        for name, look in looks.items():
            width = parts.get(name, 0) * scale
            if width <= 0:
                continue
            tip = f"{title}: {name} {parts[name]:,.0f} {unit}"
            bar = (
                f'<rect style="{look}" x="{at:.2f}" y="{top + gap - 2}" width="{width:.2f}" '
                f'height="{row}"/>'
            )
            svg.append(_point(bar, tip))
            at += width
    return "".join([*svg, "</svg>"])


def swatch(look: Look, *, hollow: bool = False) -> str:
    """The marker of a series for a legend."""
    line = "" if hollow else f'<path class="line"{_style(look)} d="M0 8H30"/>'
    mark = _mark(15, 8, look, hollow=hollow)
    return f'<svg class="swatch" viewBox="0 0 30 16" aria-hidden="true">{line}{mark}</svg>'


def _open(width: int, height: int, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'


def _point(shape: str, tip: str) -> str:
    """A shape that shows ``tip`` while it is pointed at, touched or focused."""
    text = escape(tip)
    return (
        f'<g class="point" tabindex="0" aria-label="{text}">{shape}'
        f'<text class="tip" x="4" y="15">{text}</text></g>'
    )


def _style(look: Look) -> str:
    dashes = f";stroke-dasharray:{' '.join(map(str, look.dashes))}" if look.dashes else ""
    return f' style="--c:{look.colour};--d:{look.dark}{dashes}"'


def _mark(x: float, y: float, look: Look, *, hollow: bool) -> str:
    r = 7.5 if hollow else look.size * 0.72
    if look.marker == "circle":
        shape = (
            f"M{x - r:.1f} {y:.1f}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z"
        )
    else:
        corners = (f"{x + r * dx:.1f} {y + r * dy:.1f}" for dx, dy in _corners(look.marker))
        shape = f"M{'L'.join(corners)}z"
    colours = f"--c:{look.colour};--d:{look.dark}"
    return f'<path class="{"hollow" if hollow else "mark"}" style="{colours}" d="{shape}"/>'


def _corners(marker: str) -> list[tuple[float, float]]:
    """Corners of a marker of about radius 1."""
    match marker:
        case "square":
            return [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
        case "triangle":
            return [(0, -1.2), (1.15, 0.9), (-1.15, 0.9)]
        case "down":
            return [(0, 1.2), (1.15, -0.9), (-1.15, -0.9)]
        case "plus":
            arm = [(0.38, -1.2), (0.38, -0.38), (1.2, -0.38)]
            return _turned(arm, 4, math.pi / 2)
        case "cross":
            arm = [(0.38, -1.2), (0.38, -0.38), (1.2, -0.38)]
            return [_rotated(x, y, math.pi / 4) for x, y in _turned(arm, 4, math.pi / 2)]
        case "star":
            return _turned([(0, -1.4), (0.35, -0.48)], 5, 2 * math.pi / 5)
        case "hexagon":
            return _turned([(0, -1.15)], 6, math.pi / 3)
        case "pentagon":
            return _turned([(0, -1.15)], 5, 2 * math.pi / 5)
        case _:
            return [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)]


def _turned(
    arm: Sequence[tuple[float, float]], count: int, angle: float
) -> list[tuple[float, float]]:
    """The corners of one arm, ``count`` times round."""
    return [_rotated(x, y, angle * n) for n in range(count) for x, y in arm]


def _rotated(x: float, y: float, angle: float) -> tuple[float, float]:
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos - y * sin, x * sin + y * cos


def _ticks(most: float) -> list[float]:
    """0 and rising round numbers, the last at or above ``most``."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    return [step * n for n in range(math.ceil(most / step - 1e-9) + 1)]


def _short(value: float) -> str:
    """A number in few letters: 0.5, 100, 2.5k, 1M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.10g}{letter}"
    return f"{value:.10g}"


def _log_ticks(values: Sequence[float]) -> tuple[float, list[float]]:
    positive = [value for value in values if value > 0]
    low = 10.0 ** math.floor(math.log10(min(positive, default=1)))
    high = 10.0 ** math.ceil(math.log10(max(positive, default=10)))
    if high <= low:
        high = low * 10
    return low, [low * 10**n for n in range(round(math.log10(high / low)) + 1)]

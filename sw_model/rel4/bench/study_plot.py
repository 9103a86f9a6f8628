"""The figure of a study: time and tail latency over the parameter that has the most values."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from .looks import MARKERS, look_of
from .plots import new_figure, save_figure, steady_style
from .study import Study

__all__ = ["plot_study"]

Row = Mapping[str, Any]
SHOWN = (
    ("cycles_per_round", "cycles per round"),
    ("latency_p99", "latency of a call, p99, cycles"),
)
_DASHES = ("-", (0, (5, 2)), (0, (1, 2)), (0, (6, 2, 1, 2)), (0, (3, 1)))
MOST_LINES = 40


def plot_study(study: Study, rows: Sequence[Row], out: Path) -> list[Path]:
    """Draw ``figure.png`` and ``.svg`` into ``out``: a line for each combination of the other
    parameters, points alone if the design is random. Colour and marker say the policy, dashes and
    names the rest. Returns the paths; none if no number varies.
    """
    good = [row for row in rows if not row["error"]]
    values = {name: sorted({_key(row[name]) for row in good}) for name in study.names}
    axis = _axis(values)
    if axis is None:
        return []
    others = [name for name in study.names if name != axis and len(values[name]) > 1]
    random = len(good) != _product(values)
    named = others if not random else [name for name in others if name == "policy"]
    lines: dict[tuple[Any, ...], list[Row]] = {}
    for row in good:
        lines.setdefault(tuple(row[name] for name in named), []).append(row)
    with steady_style():
        figure = new_figure(2)
        figure.suptitle(f"{len(good)} trials on device {study.device}", x=0.01, ha="left")
        for axes, (metric, label) in zip(figure.axes, SHOWN, strict=True):
            _draw(axes, lines, named, axis, metric, line="none" if random else "-")
            axes.set_ylabel(label)
        if 1 < len(lines) <= MOST_LINES:
            figure.legend(
                *figure.axes[0].get_legend_handles_labels(),
                loc="outside lower left",
                ncols=4,
                frameon=False,
                fontsize=8,
            )
        return save_figure(figure, out / "figure")


def _draw(
    axes: Axes,
    lines: Mapping[tuple[Any, ...], Sequence[Row]],
    names: Sequence[str],
    axis: str,
    metric: str,
    line: str,
) -> None:
    dashes: dict[str, Any] = {}
    cycle = itertools.cycle(_DASHES)
    numbers = sorted({row[axis] for rows in lines.values() for row in rows})
    for key, rows in lines.items():
        ordered = sorted(rows, key=lambda row: float(row[axis]))
        look = look_of(str(ordered[0]["policy"]))
        rest = ", ".join(
            f"{name} {value}" for name, value in zip(names, key, strict=True) if name != "policy"
        )
        style = dashes.setdefault(rest, next(cycle)) if rest not in dashes else dashes[rest]
        title = ", ".join(filter(None, [str(ordered[0]["policy"]), rest]))
        axes.plot(
            [row[axis] for row in ordered],
            [row[metric] for row in ordered],
            color=look.colour,
            marker=MARKERS[look.marker],
            markersize=look.size,
            linewidth=1.4,
            linestyle=style if line != "none" else "none",
            label=title,
        )
    axes.set_xlabel(axis.replace("_", " "))
    axes.set_ylim(bottom=0)
    if numbers[0] > 0 and numbers[-1] >= 8 * numbers[0]:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(visible=True, color="#DDDDDD", linewidth=0.8)


def _axis(values: Mapping[str, Sequence[Any]]) -> str | None:
    """The number with the most values; of equals the one that is not N, then the first."""
    numbers = [
        name
        for name, found in values.items()
        if len(found) > 1 and all(isinstance(value, int) for value in found)
    ]
    return max(numbers, key=lambda n: (len(values[n]), n != "concurrency"), default=None)


def _key(value: Any) -> Any:
    return value if not isinstance(value, bool) else str(value)


def _product(values: Mapping[str, Sequence[Any]]) -> int:
    count = 1
    for found in values.values():
        count *= len(found)
    return count

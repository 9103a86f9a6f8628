"""The two figures of a sweep: cycles per round, and traps per system call, over concurrency."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from uintr.files import write_atomically

from .looks import MARKERS, Look, look_of
from .published import citation, published_points
from .results import PointRecord
from .series import Curve, curves

__all__ = ["draw_curve", "new_figure", "plot_sweep", "save_figure", "steady_style"]


_MORE_DASHES: tuple[tuple[float, ...], ...] = ((1, 2), (6, 2, 1, 2), (1, 4))
"""Of further curves of one policy."""

_STYLE: dict[Any, Any] = {
    # SVG ids come from this instead of from chance; glyphs are paths, so no font is needed to view.
    "svg.hashsalt": "rel4-uintr",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def plot_sweep(records: Iterable[PointRecord], out_dir: str | Path) -> list[Path]:
    """Draw ``cycles`` and ``traps``, each as ``.png`` and ``.svg``, into ``out_dir``.

    Lines with filled markers are the points of ``records``, the mean where there are several seeds
    and a bar from least to most; hollow markers are the published FPGA points of the same policies.
    The same records give the same bytes. Returns the paths.

    Raises
    ------
    ValueError : there are no records.
    """
    found = curves(records)
    if not found:
        raise ValueError("records must be at least one point, not none")
    out = Path(out_dir)
    paths: list[Path] = []
    with steady_style():
        paths += save_figure(_cycles_figure(found), out / "cycles")
        paths += save_figure(_traps_figure(found), out / "traps")
    return paths


@contextmanager
def steady_style() -> Iterator[None]:
    """Our style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(columns: int = 1) -> Figure:
    """An empty figure with axes side by side, drawn without a screen."""
    figure = Figure(figsize=(7.2 if columns == 1 else 11, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.subplots(1, columns)
    return figure


def _cycles_figure(found: Sequence[Curve]) -> Figure:
    title = "Time of two system calls (map, unmap)"
    figure, axes = _drawn(found, title, "cycles", "cycles_per_round")
    axes.set_ylabel("cycles per round")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure


def _traps_figure(found: Sequence[Curve]) -> Figure:
    figure, axes = _drawn(found, "Traps per system call", "traps", "traps_per_syscall")
    axes.set_ylabel("traps per system call")
    return figure


def _drawn(found: Sequence[Curve], title: str, means: str, field: str) -> tuple[Figure, Axes]:
    """A figure of one ``field`` of records and published points, whose ``means`` a curve has."""
    figure, axes = _figure(found, title)
    for curve, look in _looks(found):
        spread = {n: [getattr(run, field) for run in runs] for n, runs in curve.points.items()}
        _draw(axes, getattr(curve, means), spread, look, _label(curve, found))
    for policy, look in _compared(found):
        theirs = {p.concurrency: getattr(p, field) for p in published_points(policy)}
        _draw_published(axes, theirs, look, policy)
    axes.set_ylim(bottom=0)
    _legend(axes)
    return figure, axes


def _figure(found: Sequence[Curve], title: str) -> tuple[Figure, Axes]:
    figure = new_figure()
    (axes,) = figure.axes
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    axes.set_xscale("log", base=2)
    ticks = sorted({n for curve in found for n in curve.points})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("concurrency N (coroutines)")
    axes.grid(visible=True, color="#DDDDDD", linewidth=0.8)
    key = found[0].key
    devices = ", ".join(dict.fromkeys(curve.key.device for curve in found))
    note = (
        f"Filled: this model on device {devices}, {key.rounds} rounds, "
        f"timer period {key.timer_period:,} cycles."
    )
    if _compared(found):
        note += f"\nHollow: published FPGA points ({citation()})."
    figure.supxlabel(_wrap(note), x=0.01, ha="left", fontsize=7, color="#444444")
    return figure, axes


def _wrap(note: str, width: int = 136) -> str:
    return "\n".join(
        textwrap.fill(line, width, break_on_hyphens=False) for line in note.splitlines()
    )


def _looks(found: Sequence[Curve]) -> list[tuple[Curve, Look]]:
    """Each curve with its look: colour and marker say the policy, the dashes tell curves of one
    policy apart."""
    seen: dict[str, int] = {}
    result = []
    for curve in found:
        look = look_of(curve.key.policy)
        nth = seen.setdefault(curve.key.policy, 0)
        seen[curve.key.policy] += 1
        if nth:
            look = replace(look, dashes=_MORE_DASHES[(nth - 1) % len(_MORE_DASHES)])
        result.append((curve, look))
    return result


def _compared(found: Sequence[Curve]) -> list[tuple[str, Look]]:
    """The policies of which a curve may be set beside published points."""
    return list(
        {curve.key.policy: look for curve, look in _looks(found) if curve.published}.items()
    )


def _label(curve: Curve, found: Sequence[Curve]) -> str:
    """Policy and harts, and whatever else tells this curve from another of the same policy."""
    key = curve.key
    label = f"{key.policy}, {key.harts} hart{'s' if key.harts > 1 else ''}"
    rivals = [other.key for other in found if other.key.policy == key.policy]
    if len({rival.device for rival in rivals}) > 1:
        label += f", {key.device}"
    if len({rival.rounds for rival in rivals}) > 1:
        label += f", {key.rounds} rounds"
    if len({rival.timer_period for rival in rivals}) > 1:
        label += f", period {key.timer_period:,}"
    return label


def draw_curve(axes: Axes, values: Mapping[int, float], look: Look, **style: Any) -> None:
    """Values over N in the colour and with the marker of a policy; ``style`` as `Axes.plot` has it,
    which goes before the look's."""
    looks: dict[str, Any] = {
        "color": look.colour,
        "marker": MARKERS[look.marker],
        "markersize": look.size,
    }
    axes.plot(list(values), list(values.values()), **(looks | style))


def _draw(
    axes: Axes,
    values: Mapping[int, float],
    spread: Mapping[int, Sequence[float]],
    look: Look,
    label: str,
) -> None:
    draw_curve(
        axes,
        values,
        look,
        linewidth=1.6,
        linestyle=(0, look.dashes) if look.dashes else "-",
        label=label,
    )
    several = {n: runs for n, runs in spread.items() if len(runs) > 1}
    if several:
        axes.vlines(
            list(several),
            [min(runs) for runs in several.values()],
            [max(runs) for runs in several.values()],
            color=look.colour,
            linewidth=1.2,
        )


def _draw_published(axes: Axes, values: Mapping[int, float], look: Look, policy: str) -> None:
    low, high = axes.get_xlim()
    shown = {n: value for n, value in values.items() if low <= n <= high}
    draw_curve(
        axes,
        shown,
        look,
        markersize=11,
        markerfacecolor="none",
        markeredgewidth=1.1,
        linestyle="none",
        label=f"{policy}, published",
    )


def _legend(axes: Axes) -> None:
    """Above the axes, where it hides no point: a column a policy, ours above the published."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: (_policy_rank(labels, i), i))
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        ncols=3,
        frameon=False,
        fontsize=9,
    )


def _policy_rank(labels: Sequence[str], index: int) -> int:
    """Position of the first label of the same policy; a label begins with its policy."""
    policies = [label.split(",")[0] for label in labels]
    return policies.index(policies[index])


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as PNG and SVG, without dates or versions, so that the bytes repeat."""
    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix[1:], metadata=metadata)
        path = stem.with_suffix(suffix)
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths

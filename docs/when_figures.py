"""The figures of docs/when.md, from stored compiled runs and measured costs.

``python docs/when_figures.py`` writes ``when_gain`` and ``when_cycles`` into docs/img.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from rel4.bench.looks import look_of
from rel4.bench.plots import draw_curve, new_figure, save_figure, steady_style
from rel4.bench.published import published_point
from rel4.bench.results import PointRecord, read_results
from rel4.bench.when_page import BATCH, POLICIES
from rel4.machine.costs import Costs, measured_costs, measured_with

__all__ = ["cycles_per_call", "gains", "published_gains", "write_figures"]

HERE = Path(__file__).parent
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PLACES = (
    *(("4 KiB\nlatency 1", 1, 4, 0), ("4 KiB\nlatency 30", 30, 4, 0)),
    *(("16 KiB\nlatency 1", 1, 16, 0), ("16 KiB\nlatency 30", 30, 16, 0)),
    *(("4 KiB, 1\nswitch", 1, 4, 1), ("4 KiB, 1\nforget", 1, 4, 2)),
)
"""Label, memory latency, cache and root switch of the bars."""
PARTS = {
    "trap": "#d55e00",
    "kernel's work": "#0072b2",
    "once a batch": "#56b4e9",
    "user's work": "#b57400",
}


def gains(records: Sequence[PointRecord], policy: str, harts: int) -> dict[int, float]:
    """Of gcc -O2, 4 KiB and memory latency 1, by N, over synchronous calls on one hart."""
    made = {each for each in measured_with() if "ROOT_SWITCH" not in each[1]}
    cycles = {
        (record.policy, record.harts, record.concurrency): record.cycles / record.syscalls
        for record in records
        if (record.cache_kib, record.memory_latency) == (4, 1)
        and (record.compiler, record.flags) in made
    }
    return {
        n: cycles["sync", 1, n] / cycles[policy, harts, n]
        for n in NUMBERS
        if (policy, harts, n) in cycles and ("sync", 1, n) in cycles
    }


def published_gains(policy: str) -> dict[int, float]:
    """The same of the published table."""
    pairs = {n: (published_point("sync", n), published_point(policy, n)) for n in NUMBERS}
    return {
        n: sync.cycles_per_round / own.cycles_per_round
        for n, (sync, own) in pairs.items()
        if sync and own
    }


def cycles_per_call(costs: Costs) -> dict[str, dict[str, float]]:
    """Where a call's cycles go, synchronously and in a batch of `BATCH` in one trap (`inline`)."""
    trap = costs["trap.entry"] + costs["trap.exit"]
    user = ("user.fill_and_send", "user.look", "user.get_reply", "user.resume")
    return {
        "sync": {
            "trap": trap,
            "kernel's work": costs["kernel.invocation"],
            "once a batch": 0,
            "user's work": costs["user.invoke"],
        },
        "inline": {
            "trap": trap / BATCH,
            "kernel's work": costs["kernel.async_call"],
            "once a batch": costs["kernel.wake"] / BATCH,
            "user's work": sum(costs[name] for name in user),
        },
    }


def write_figures(records: Sequence[PointRecord], out: Path) -> list[Path]:
    """Draw both, as ``.png`` and ``.svg``; the same data give the same bytes."""
    with steady_style():
        figure = new_figure(2)
        for axes, harts in zip(figure.axes, (1, 2), strict=True):
            _draw_gains(axes, records, harts)
        paths = save_figure(figure, out / "when_gain")
        figure = new_figure()
        _draw_cycles(figure.axes[0])
        return paths + save_figure(figure, out / "when_cycles")


def _draw_gains(axes: Axes, records: Sequence[PointRecord], harts: int) -> None:
    for policy in (name for name, number in POLICIES if number == harts):
        _curve(axes, policy, gains(records, policy, harts), f"{policy}, compiled")
    published = "tick" if harts == 1 else "tick-smp"
    _curve(axes, published, published_gains(published), f"{published}, published", hollow=True)
    axes.axhline(1, color="#888888", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.set_xticks(NUMBERS, [str(n) for n in NUMBERS])
    axes.set_ylim(0, 2.15)
    axes.set_xlabel("coroutines, N")
    axes.set_ylabel("gain over synchronous calls on one hart")
    axes.set_title("one hart" if harts == 1 else "two harts")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(fontsize=8, frameon=False, loc="lower right" if harts == 1 else "upper left")


def _curve(
    axes: Axes, policy: str, values: Mapping[int, float], label: str, *, hollow: bool = False
) -> None:
    look = look_of(policy)
    draw_curve(
        axes,
        values,
        look,
        markerfacecolor="none" if hollow else look.colour,
        linewidth=1.2,
        linestyle=":" if hollow else "-",
        label=label,
    )


def _draw_cycles(axes: Axes) -> None:
    labels, ticks = [], []
    for number, (label, latency, cache, switch) in enumerate(PLACES):
        found = cycles_per_call(
            measured_costs(
                memory_latency=latency,
                cache_kib=cache,
                root_switch=switch,
            )
        )
        for side, (policy, parts) in enumerate(found.items()):
            place = number + 0.36 * side - 0.18
            bottom = 0.0
            for part, colour in PARTS.items():
                axes.bar(
                    place,
                    parts[part],
                    width=0.3,
                    bottom=bottom,
                    color=colour,
                    label=part if number == side == 0 else None,
                )
                bottom += parts[part]
            axes.annotate(policy, (place, bottom), ha="center", va="bottom", fontsize=7)
        ticks.append(number)
        labels.append(label)
    axes.set_xticks(ticks, labels, fontsize=8)
    axes.set_ylim(0, 1600)
    axes.set_ylabel("cycles of a call")
    axes.set_title(f"Where the cycles go: synchronous, and in batches of {BATCH}", fontsize=11)
    axes.legend(fontsize=8, frameon=False, loc="upper right")


if __name__ == "__main__":
    for path in write_figures(read_results(HERE / "data" / "compiled.jsonl"), HERE / "img"):
        print(path)
    sys.exit(0)

"""Bring the measured part of both READMEs and of a page up to date: ``docs/readme_page.py``.

What is measured stands between two marker lines and comes from a committed ``results.jsonl`` and
from nowhere else: the READMEs have what is read off the curves, the page every point. The committed
figures are drawn from the same file.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from marked import markdown, replace_between

from rel4.bench.plots import plot_sweep
from rel4.bench.results import PointRecord, read_results
from rel4.bench.series import Curve, curves
from rel4.bench.table import points_sheet, summary_sheet
from uintr.files import write_atomically

__all__ = [
    "BEGIN",
    "END",
    "main",
    "render_measured",
    "render_points",
    "replace_measured",
    "words_for",
]

BEGIN = "<!-- measured: begin (`make readme` writes what follows) -->"
END = "<!-- measured: end -->"


@dataclass(frozen=True, kw_only=True)
class Words:
    """What stands around the numbers, in one language."""

    head: str
    seeds: tuple[str, str]
    spread: str
    summary: str
    columns: tuple[str, ...]
    figures: tuple[str, str]


ENGLISH = Words(
    head="Device `{device}`, {rounds} rounds, timer period {period:,} cycles, {seeds}, "
    "commit {commits}.",
    seeds=("1 seed", "{} seeds"),
    spread=" A figure is the mean of the seeds, which lie {worst:.1f} % apart at worst ({where}).",
    summary="**In short**",
    columns=(
        "policy",
        "harts",
        "cycles: mean error %",
        "largest",
        "traps: mean error %",
        "largest",
        "break-even N",
        "published",
        "gain % at N",
        "ours",
        "published",
    ),
    figures=(
        "cycles per round of two calls over concurrency",
        "traps per system call over concurrency",
    ),
)

CHINESE = Words(
    head="设备 `{device}`，{rounds} 轮，时钟中断周期 {period:,} 个周期，{seeds}，提交 {commits}。",
    seeds=("1 个种子", "{} 个种子"),
    spread="数值是各种子的平均；各种子之间最多相差 {worst:.1f} %（{where}）。",
    summary="**小结**",
    columns=(
        "策略",
        "hart 数",
        "周期：平均误差 %",
        "最大",
        "陷入：平均误差 %",
        "最大",
        "盈亏平衡 N",
        "已发表",
        "增益 %，N =",
        "我们的",
        "已发表",
    ),
    figures=("每轮（两次调用）的周期数随并发度的变化", "每次系统调用的陷入次数随并发度的变化"),
)


def words_for(readme: Path) -> Words:
    """Chinese for ``README.zh.md``, else English."""
    return CHINESE if readme.suffixes[:1] == [".zh"] else ENGLISH


def _spread(found: Sequence[Curve], words: Words) -> str:
    """How far the seeds lie apart, at worst; nothing if there is one seed."""
    worst, where = 0.0, ""
    for curve in found:
        for n, runs in curve.points.items():
            cycles = [run.cycles_per_round for run in runs]
            spread = 100 * (max(cycles) - min(cycles)) / curve.cycles[n]
            if len(runs) > 1 and spread >= worst:
                worst, where = spread, f"{curve.key.policy}, N = {n}"
    return words.spread.format(worst=worst, where=where) if where else ""


def _by_device(records: Iterable[PointRecord]) -> Iterator[list[Curve]]:
    found = curves(records)
    for device in dict.fromkeys(curve.key.device for curve in found):
        yield [curve for curve in found if curve.key.device == device]


def _head(found: Sequence[Curve], words: Words) -> str:
    runs = [run for curve in found for point in curve.points.values() for run in point]
    seeds = len({run.seed for run in runs})
    return words.head.format(
        device=found[0].key.device,
        rounds=found[0].key.rounds,
        period=found[0].key.timer_period,
        seeds=words.seeds[seeds > 1].format(seeds),
        commits=", ".join(sorted({run.commit or "unknown" for run in runs})),
    ) + _spread(found, words)


def render_measured(records: Iterable[PointRecord], words: Words = ENGLISH) -> str:
    """What a sweep says in short, as Markdown: a row a policy with what is read off its curve, and
    the figures. Ends without a newline."""
    parts = []
    for found in _by_device(records):
        parts += [
            _head(found, words),
            words.summary,
            markdown(words.columns, summary_sheet(found).rows),
        ]
    if parts:
        parts += [
            f"![{words.figures[0]}](docs/img/cycles.svg)",
            f"![{words.figures[1]}](docs/img/traps.svg)",
        ]
    return "\n\n".join(parts)


def render_points(records: Iterable[PointRecord]) -> str:
    """Every point of a sweep as Markdown: cycles and traps with a row a concurrency and a column a
    policy. Ends without a newline."""
    parts = []
    for found in _by_device(records):
        parts += [
            _head(found, ENGLISH),
            "**Cycles per round of two calls**: ours / published / error in %",
            _by_concurrency(found, columns=(3, 4, 5)),
            "**Traps per system call**: ours / published / error in %",
            _by_concurrency(found, columns=(6, 7, 8)),
        ]
    return "\n\n".join(parts)


def replace_measured(text: str, measured: str) -> str:
    """``text`` with everything between the marker lines replaced.

    Raises
    ------
    ValueError : the markers are not there, once each and in order.
    """
    return replace_between(text, measured, BEGIN, END)


def _by_concurrency(found: Sequence[Curve], *, columns: tuple[int, int, int]) -> str:
    """A row a concurrency, a column a curve; a cell is the given columns of `points_sheet`."""
    cells: dict[int, dict[int, str]] = {}
    for index, curve in enumerate(found):
        for row in points_sheet([curve]).rows:
            cells.setdefault(int(row[2]), {})[index] = " / ".join(row[i] for i in columns)
    heads = [
        f"{curve.key.policy}, {curve.key.harts} hart{'s' if curve.key.harts > 1 else ''}"
        for curve in found
    ]
    rows = [[str(n), *(row.get(i, "-") for i in range(len(found)))] for n, row in cells.items()]
    return markdown(["N", *heads], sorted(rows, key=lambda row: int(row[0])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit status: 0 done or up to date, 1 out of date, 2 bad input."""
    parser = argparse.ArgumentParser(prog="docs/readme_page.py", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("docs/data/sweep.jsonl"))
    parser.add_argument(
        "--readme", type=Path, nargs="+", default=[Path("README.md"), Path("README.zh.md")]
    )
    parser.add_argument("--page", type=Path, default=Path("docs/published.md"))
    parser.add_argument("--figures", type=Path, default=Path("docs/img"))
    parser.add_argument("--check", action="store_true", help="change nothing, compare the tables")
    options = parser.parse_args(arguments)
    try:
        records = read_results(options.data)
        pages = [*options.readme, options.page]
        old = {page: page.read_text(encoding="utf-8") for page in pages}
        shown = {page: render_measured(records, words_for(page)) for page in options.readme}
        shown[options.page] = render_points(records)
        new = {page: replace_measured(old[page], shown[page]) for page in pages}
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.check:
        stale = [page for page in pages if old[page] != new[page]]
        for page in stale:
            print(f"{page} must show what {options.data} holds: run `make readme`")
        return int(bool(stale))
    for page, text in new.items():
        write_atomically(page, text.encode())
    plot_sweep(records, options.figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

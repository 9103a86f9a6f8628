from pathlib import Path

import pytest
from records import made_up

from rel4.bench.plots import plot_sweep
from rel4.bench.results import PointRecord


def sweep(*, timer_period: int = 20_000, seeds: tuple[int, ...] = (1,)) -> list[PointRecord]:
    return [
        made_up(
            policy=policy,
            harts=harts,
            concurrency=n,
            timer_period=timer_period,
            seed=seed,
            cycles=n * 10 * (cycles + 10 * seed) if policy == "sync" else 200_000 + n * 10 * cycles,
            traps=20 * n if policy == "sync" else 20 + n,
        )
        for policy, harts, cycles in (("sync", 1, 8_000), ("tick", 1, 6_000), ("inline", 3, 5_000))
        for n in (2, 8, 32)
        for seed in seeds
    ]


def test_two_figures_in_two_formats(tmp_path: Path) -> None:
    paths = plot_sweep(sweep(), tmp_path / "new")
    assert [path.name for path in paths] == ["cycles.png", "cycles.svg", "traps.png", "traps.svg"]
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")
        assert len(content) > 5_000


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = sweep(seeds=(1, 2))
    first = [path.read_bytes() for path in plot_sweep(records, tmp_path / "a")]
    second = [path.read_bytes() for path in plot_sweep(records[::-1], tmp_path / "b")]
    assert first == second
    assert b"<dc:date>" not in first[1]


def test_published_points_are_drawn_beside_what_may_be_compared(tmp_path: Path) -> None:
    like = plot_sweep(sweep(), tmp_path / "like")[1].read_bytes()
    unlike = plot_sweep(sweep(timer_period=10_000), tmp_path / "unlike")[1].read_bytes()
    # Glyphs are paths, but matplotlib writes each text as a comment before them.
    assert b"<!-- tick, published -->" in like
    assert b"<!-- inline, published -->" not in like
    assert b"published" not in unlike


def test_curves_of_one_policy_are_told_apart(tmp_path: Path) -> None:
    both = sweep() + sweep(timer_period=10_000)
    content = plot_sweep(both, tmp_path)[1].read_bytes()
    assert b"<!-- tick, 1 hart, period 10,000 -->" in content
    assert b"<!-- tick, 1 hart, period 20,000 -->" in content


def test_the_users_own_style_changes_nothing(tmp_path: Path) -> None:
    import matplotlib

    plain = plot_sweep(sweep(), tmp_path / "a")[1].read_bytes()
    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 20.0}):
        assert plot_sweep(sweep(), tmp_path / "b")[1].read_bytes() == plain
        assert matplotlib.rcParams["lines.linewidth"] == 9.0


def test_nothing_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="^records must be at least one point, not none$"):
        plot_sweep([], tmp_path)

import csv
import json
import os
import stat
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from records import made_up

from rel4.bench.results import (
    PointRecord,
    read_results,
    sort_records,
    source_commit,
    write_results,
)
from uintr.files import write_atomically


def point(**changes: Any) -> PointRecord:
    values = {"policy": "tick", "concurrency": 2, "traps": 20, "timer_traps": 24}
    return made_up(24_000, **values | {"user_interrupts": 20, "wall_s": 0.25} | changes)


def test_derived_and_published_figures() -> None:
    record = point()
    assert record.cycles_per_round == 24_000
    assert record.traps_per_syscall == 0.5
    assert record.published_cycles_per_round == 23_670
    assert record.published_traps_per_syscall == 0.525
    assert record.error_pct == pytest.approx(100 * 330 / 23_670, abs=1e-3)
    assert record.traps_error_pct == pytest.approx(100 * (0.5 - 0.525) / 0.525, abs=1e-3)
    assert record.version


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "inline"},
        {"concurrency": 3},
        {"harts": 2},
        {"rounds": 2},
        {"timer_period": 10_000},
    ],
)
def test_only_like_is_compared_with_like(change: dict[str, Any]) -> None:
    record = point(**change)
    assert record.published_cycles_per_round is None
    assert record.published_traps_per_syscall is None
    assert record.error_pct is None
    assert record.traps_error_pct is None


@pytest.mark.parametrize("name", ["concurrency", "rounds", "syscalls"])
def test_a_divisor_is_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, not 0$"):
        point(**{name: 0})


def test_files_hold_every_field_and_read_back(tmp_path: Path) -> None:
    records = [point(concurrency=3), point(policy="sync", traps=40)]
    paths = write_results(records, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["results.jsonl", "results.csv"]
    assert read_results(paths[0]) == sort_records(records)
    with paths[1].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(asdict(records[0]))
    assert [row["policy"] for row in rows] == ["sync", "tick"]
    assert rows[1]["error_pct"] == ""
    lines = paths[0].read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1])["error_pct"] is None


def test_order_does_not_depend_on_what_finished_first(tmp_path: Path) -> None:
    records = [
        point(policy=policy, harts=harts, concurrency=n, seed=seed)
        for policy, harts in (("sync", 1), ("tick", 1), ("tick-smp", 2), ("inline", 1))
        for n in (2, 16, 128)
        for seed in (1, 2)
    ]
    assert sort_records(reversed(records)) == records
    first = [path.read_bytes() for path in write_results(records, tmp_path / "a")]
    second = [path.read_bytes() for path in write_results(records[::-1], tmp_path / "b")]
    assert first == second


def test_no_points_make_empty_files(tmp_path: Path) -> None:
    jsonl, table = write_results([], tmp_path)
    assert read_results(jsonl) == []
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 1 must be a JSON object, not '\[1\]'$"):
        read_results(path)
    path.write_text('{"device"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="line 1 must be a JSON object, not "):
        read_results(path)
    row = asdict(point())
    del row["seed"]
    good = json.dumps(asdict(point()))
    path.write_text(f"{good}\n{json.dumps({**row, 'colour': 1})}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 must have exactly .* not 'colour, seed' missing"):
        read_results(path)


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_results_are_as_readable_as_any_new_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


def test_the_commit_is_a_hash_or_unknown() -> None:
    commit = source_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 12


def test_a_record_is_plain_data() -> None:
    assert replace(point(), wall_s=1.0) == replace(point(wall_s=9.0), wall_s=1.0)

from pathlib import Path

import pytest

from rel4.bench.merge import main
from rel4.bench.results import PointRecord, make_record, read_results, write_results


def point(seed: int, cycles_per_round: int) -> PointRecord:
    """A made-up point, measured by nobody."""
    return make_record(
        device="reference",
        policy="tick",
        harts=1,
        concurrency=2,
        rounds=10,
        timer_period=20_000,
        seed=seed,
        cycles=cycles_per_round * 20,
        syscalls=40,
        traps=20,
        timer_traps=0,
        user_interrupts=0,
        wall_s=0.1,
    )


def test_seeds_become_one_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, cycles in ((1, 23_000), (2, 25_000)):
        write_results([point(seed, cycles)], tmp_path / str(seed))
    assert main([str(tmp_path / name) for name in ("all", "1", "2")]) == 0
    assert [record.seed for record in read_results(tmp_path / "all" / "results.jsonl")] == [1, 2]
    assert (tmp_path / "all" / "cycles.svg").exists()
    assert "24000" in capsys.readouterr().out


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "all"), str(tmp_path / "none")]) == 2
    assert "none/results.jsonl" in capsys.readouterr().err

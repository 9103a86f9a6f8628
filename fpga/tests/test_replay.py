"""A record of the reference, played on an emulated board in batches."""

from pathlib import Path

from emulated_board import BAUD

from uintr_fpga.replay import record_point, replay_file


def test_batched_replay(board: str, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl.gz"
    steps = record_point(
        device="reference",
        policy="tick-smp",
        harts=2,
        concurrency=4,
        rounds=2,
        port=None,
        path=path,
    )
    outcome = replay_file(path, device="uart", port=board, baud=BAUD)
    assert outcome.difference is None
    assert outcome.steps == steps > 100
    assert outcome.line_seconds > 0

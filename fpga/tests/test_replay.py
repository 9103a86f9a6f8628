"""A record of the reference, played on an emulated board in batches."""

from pathlib import Path

import pytest
from emulated_board import BAUD

from rel4.bench.point import Point
from uintr.registers import Flavour
from uintr_fpga.record import read_record
from uintr_fpga.replay import record_point, replay_file

pytestmark = pytest.mark.sim


def test_a_record_of_the_intel_flavour_is_played_on_that_flavour(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl.gz"
    steps = record_point(
        Point(policy="tick", harts=1, concurrency=2, rounds=1, flavour=Flavour.INTEL),
        device="reference",
        path=path,
    )
    config, _ = read_record(path)
    assert config.flavour is Flavour.INTEL
    outcome = replay_file(path, device="reference", port=None, baud=None)
    assert (outcome.difference, outcome.steps) == (None, steps)


def test_batched_replay(board: str, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl.gz"
    steps = record_point(
        Point(policy="tick-smp", harts=2, concurrency=4, rounds=2),
        device="reference",
        path=path,
    )
    outcome = replay_file(path, device="uart", port=board, baud=BAUD)
    assert outcome.difference is None
    assert outcome.steps == steps > 100
    assert outcome.line_seconds > 0

"""The experiment on the RTL: same event log as on the reference device, and the command itself."""

from pathlib import Path

import pytest

from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from rel4.bench.results import read_results
from rel4.cli import main
from uintr.registers import Flavour

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(
    ("policy", "harts", "concurrency", "jump"),
    [
        ("sync", 1, 2, True),
        ("tick", 1, 2, True),
        ("tick-smp", 2, 2, True),
        ("tick", 1, 16, True),
        ("tick-smp", 2, 16, True),
        ("tick", 1, 128, True),
        ("tick-smp", 2, 4, False),
    ],
)
def test_reference_and_rtl_agree_cycle_for_cycle(
    policy: str, harts: int, concurrency: int, jump: bool
) -> None:
    """Without time jumps the RTL ticks every cycle, and the reference jumps."""
    point = Point(policy=policy, harts=harts, concurrency=concurrency)
    ticked = Point(policy=policy, harts=harts, concurrency=concurrency, jump=jump)
    expected = event_lines(point, "reference")
    assert len(expected) > 100
    assert first_difference(expected, event_lines(ticked, "rtl")) is None


@pytest.mark.parametrize(
    ("policy", "harts", "concurrency"), [("tick", 1, 2), ("inline", 1, 16), ("uipi", 2, 16)]
)
def test_intel_reference_and_rtl_agree_cycle_for_cycle(
    policy: str, harts: int, concurrency: int
) -> None:
    """Kernel and runtime above the other flavour."""
    point = Point(
        policy=policy, harts=harts, concurrency=concurrency, flavour=Flavour.INTEL, rounds=4
    )
    expected = event_lines(point, "reference")
    assert len(expected) > 100
    assert first_difference(expected, event_lines(point, "rtl")) is None


def test_a_small_sweep_on_rtl_from_a_relative_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["sweep", "--device", "rtl", "--concurrency", "2,4", "--rounds", "2", "--jobs", "1"]
    assert main([*arguments, "--policy", "sync,tick", "--out", "sweep"]) == 0
    assert "4 points, every request answered once" in capsys.readouterr().out
    records = read_results("sweep/results.jsonl")
    assert [record.device for record in records] == ["rtl"] * 4
    assert len(list(Path("sweep").glob("*.jsonl.gz"))) == 4

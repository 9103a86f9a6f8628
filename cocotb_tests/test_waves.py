"""A traced run on RTL: the waveform's cycles are those of the event log."""

import json
from pathlib import Path

import pytest

from rel4 import cli

pytestmark = pytest.mark.sim


def test_waveform_and_log_have_the_same_cycles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UINTR_SIM", "verilator")
    arguments = ["--device", "rtl", "--concurrency", "2", "--rounds", "1", "--out", str(tmp_path)]
    assert cli.main(["trace", *arguments]) == 0
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    taken = [event["cycle"] for event in events if event["event"] == "UserTrap"]
    levels = signal(tmp_path / "waves.vcd", "hart__0__response__valid")
    # A user trap is logged in the cycle in which the hart unit answers it.
    assert taken
    assert all(levels[cycle] == "1" for cycle in taken)
    assert not all(levels[cycle - 1] == "1" for cycle in taken)
    assert (tmp_path / "waves.gtkw").exists()
    assert (tmp_path / "waves.sucl").exists()


def signal(vcd: Path, name: str) -> list[str]:
    """Level of a one-bit signal of the top in each cycle, as software sees it."""
    key, level, cycle = "", "x", 0
    levels: list[str] = []
    for line in vcd.read_text().splitlines():
        words = line.split()
        if words[:1] == ["$var"] and words[4] == name:
            key = key or words[3]
        elif line.startswith("b") and line.endswith(" _cycle"):
            cycle = int(words[0][1:], 2)
            levels += [level] * (cycle + 1 - len(levels))
        elif key and line[1:] == key:
            level = line[0]
    return levels

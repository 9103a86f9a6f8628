"""Full disks and missing permissions under every command of ``uintr`` and ``uintr-fpga``.

As `test_world_faults` has them for ``rel4``.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import test_world_faults
from bad_world import refused
from test_completion import commands
from test_world_faults import forbid, limit, sentence

pytest.importorskip("amaranth")
pytest.importorskip("cocotb")

FILLS = {
    "uintr generate": "uintr generate -o out/system.v",
    "uintr-fpga record": "uintr-fpga record --policy sync -o out/sync.jsonl",
    "uintr-fpga build": "uintr-fpga build --board icebreaker --out out/fpga",
    "uintr-fpga report": "uintr-fpga report --results empty.jsonl --write out/page.md",
    "uintr-fpga emulate": "uintr-fpga emulate --board icebreaker --link out/board",
}
PRINTS = {
    "uintr generate": "uintr generate -t header",
    "uintr completion": "uintr completion bash",
    "uintr-fpga report": "uintr-fpga report --results empty.jsonl",
    "uintr-fpga export": "uintr-fpga export --board icebreaker",
    "uintr-fpga completion": "uintr-fpga completion bash",
    "uintr-fpga replay": "uintr-fpga replay sync.jsonl --device reference",
}
NOTHING_OF_ITS_OWN = {"uintr-fpga program"}
"""Runs openFPGALoader, and neither writes nor prints."""
ENTRY = {"uintr": "uintr.entry", "uintr-fpga": "uintr_fpga.entry"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands read, where we are."""
    (tmp_path / "empty.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(typed: str, place: Path, **others: Any) -> "subprocess.CompletedProcess[str]":
    """Type it in ``place``."""
    program, _, words = typed.partition(" ")
    return test_world_faults.run(words, place, ENTRY[program], **others)


def test_every_command_is_tried() -> None:
    others = {f"{program} {command}" for program, command in commands() if program != "rel4"}
    assert FILLS.keys() | PRINTS.keys() | NOTHING_OF_ITS_OWN == others


@pytest.mark.parametrize("size", [0, 3000])
@pytest.mark.parametrize("name", FILLS)
def test_a_disk_that_is_full_is_one_sentence(
    name: str, size: int, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "uintr-fpga emulate":
        pytest.skip("makes a link, which takes no room")
    with limit(size):
        assert refused(FILLS[name], capsys)
    assert not [path for path in place.rglob("*") if path.is_file() and path.name[0] == "."]


@pytest.mark.parametrize("name", FILLS)
def test_a_folder_without_permission_is_one_sentence(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid(place / "out")
    assert refused(FILLS[name], capsys)


@pytest.mark.parametrize("name", PRINTS)
def test_an_output_that_is_full_is_one_sentence(name: str, place: Path) -> None:
    if "replay" in name:
        assert run("uintr-fpga record --policy sync -o sync.jsonl", place).returncode == 0
    with Path("/dev/full").open("w") as full:
        done = run(PRINTS[name], place, stdout=full)
    assert done.returncode == 2, done.stderr
    assert sentence(done).endswith(": the output must have room on its disk, which is full")

"""A folder of everything that can be wrong with files, and who is asked to work on it."""

import gzip
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rel4.cli import main

__all__ = ["LONG", "main_of", "make_world", "refused"]

PROGRAMS = {"rel4": "rel4.cli", "uintr": "uintr.cli", "uintr-fpga": "uintr_fpga.cli"}

LONG = "x" * 300
"""A name that no file system takes."""

_LOG = "sync-h1-n2-s1.jsonl.gz"


def main_of(program: str) -> Callable[[list[str]], int]:
    """The program, which some of the software model's users do not have."""
    if program != "rel4":
        pytest.importorskip("amaranth")
        pytest.importorskip("cocotb")
    main: Callable[[list[str]], int] = import_module(PROGRAMS[program]).main
    return main


def refused(typed: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Type it in this folder; it must refuse. The lines that it says."""
    program, *words = typed.split()
    status = main_of(program)(words)
    lines = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()
    assert status == 2, lines
    assert lines[-1].startswith(f"{program}: ")
    return lines


def make_world(root: Path) -> None:
    """Fill the empty folder ``root``. ``good`` is a sweep, from which damaged ones are made."""
    good = root / "good"
    arguments = ["--policy", "sync", "--concurrency", "2,3", "--rounds", "1", "--jobs", "1"]
    assert main(["sweep", *arguments, "--out", str(good)]) == 0
    for name in ("folder", "empty-folder"):
        (root / name).mkdir()
    (root / "file.txt").write_text("some words\n")
    (root / "empty.txt").write_text("")
    (root / "binary").write_bytes(bytes(range(256)) * 4)
    (root / "binary.gz").write_bytes(bytes(range(256)))
    (root / "main.c").write_text("int main(void) { return 0; }\n")
    (root / "loop").symlink_to("loop")
    (root / "good.toml").write_text('[parameters]\npolicy = ["sync"]\nconcurrency = [2]\n')
    (root / "fpga.jsonl").write_text("")
    with gzip.open(good / _LOG, "rt") as log:
        lines = log.readlines()
    (root / "plain-log.jsonl").write_text("".join(lines[1:]))
    _damaged_results(root, json.loads((good / "results.jsonl").read_text().splitlines()[0]))
    _damaged_logs(root, (good / "results.jsonl").read_text(), lines)
    for name, file in (
        ("damaged-store", ".parts/points.jsonl"),
        ("damaged-trials", "trials.jsonl"),
    ):
        path = root / name / file
        path.parent.mkdir(parents=True)
        path.write_text('{"key": "a", "value": 1}\nsome words\n')


def _damaged_results(root: Path, row: dict[str, Any]) -> None:
    def results(name: str, content: bytes | str) -> None:
        (root / f"results-{name}").mkdir()
        data = content.encode() if isinstance(content, str) else content
        (root / f"results-{name}" / "results.jsonl").write_bytes(data)

    def line(**changes: Any) -> str:
        return json.dumps(row | changes) + "\n"

    results("empty", "")
    results("binary", b"\xff\xfe\x00" * 20)
    results("text", "some words\n")
    results("list", "[1, 2]\n")
    results("missing-field", json.dumps({k: v for k, v in row.items() if k != "cycles"}) + "\n")
    results("unknown-field", line(colour="red"))
    results("text-number", line() + line(concurrency="3"))
    results("zero-concurrency", line(concurrency=0))
    results("zero-harts", line(harts=0))
    results("infinite", line(cycles_per_round=float("inf")))
    results("nan", line(wall_s=float("nan")))
    results("negative", line(traps=-1))
    results("null", line(policy=None))
    results("true", line(rounds=True))
    results("twice", line() + line())
    results("huge-number", '{"cycles": ' + "9" * 5000 + "}\n")
    (root / "results-folder" / "results.jsonl").mkdir(parents=True)


def _damaged_logs(root: Path, results: str, lines: list[str]) -> None:
    def log(name: str, content: bytes | str) -> None:
        folder = root / f"log-{name}"
        folder.mkdir()
        (folder / "results.jsonl").write_text(results)
        data = gzip.compress(content.encode()) if isinstance(content, str) else content
        (folder / _LOG).write_bytes(data)

    whole = "".join(lines)
    about = json.loads(lines[0])
    about["about"]["run"] = "0123456789abcdef"
    log("other-run", json.dumps(about, separators=(",", ":")) + "\n" + "".join(lines[1:]))
    log("without-run", "".join(lines[1:]))
    log("empty", b"")
    log("binary", bytes(range(256)))
    log("cut", gzip.compress(whole.encode())[:-40])
    log("text", lines[0] + "some words\n")
    log("half", "".join(lines[: len(lines) // 2]))
    log("no-marks", "".join(line for line in lines if '"Mark"' not in line))
    (root / "log-folder").mkdir()
    (root / "log-folder" / "results.jsonl").write_text(results)
    (root / "log-folder" / _LOG).mkdir()

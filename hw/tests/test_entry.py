"""The command without Amaranth, or interrupted before it has begun: one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from uintr.entry import main


def test_without_amaranth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("amaranth", "uintr."))]:
        if name != "uintr.entry":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    monkeypatch.delattr("uintr.cli", raising=False)
    assert main(["generate"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("uintr: amaranth must be installed")
    assert message.count("\n") == 1


def test_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "generate" in capsys.readouterr().out


PROGRAM = """
import atexit, os
from uintr.program import Parser, run_program

def interrupt():
    os.kill(os.getpid(), 2)

async def step():
    pass

def main(arguments):
    parser = Parser(prog="uintr")
    parser.describe(run, "")
    return run_program(lambda: parser, arguments)

"""
UNAWAITED = """
def run(options):
    kept = step()
    (step(), interrupt())
"""
AT_THE_END = """
def run(options):
    atexit.register(interrupt)
    return 5
"""


@pytest.mark.parametrize(
    ("program", "status", "sentence"),
    [
        ("interrupt()", 130, "uintr: interrupted before anything was begun"),
        (
            UNAWAITED,
            130,
            "uintr: interrupted; nothing of this run is kept; begin again with: uintr",
        ),
        (AT_THE_END, 5, ""),
    ],
    ids=["while it is imported", "between a coroutine and its first step", "when all is done"],
)
def test_interrupted(program: str, status: int, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM + program)
    text = "from uintr.entry import start; raise SystemExit(start('uintr', 'program', []))"
    words = [sys.executable, "-c", text]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.rstrip()) == (status, sentence)

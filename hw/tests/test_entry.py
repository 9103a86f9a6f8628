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


UNAWAITED = """
import os
from uintr.program import Parser, run_program

async def step():
    pass

def run(options):
    kept = step()
    (step(), os.kill(os.getpid(), 2))

def main(arguments):
    parser = Parser(prog="uintr")
    parser.describe(run, "")
    return run_program(lambda: parser, arguments)
"""


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import os; os.kill(os.getpid(), 2)", "interrupted before anything was begun"),
        (UNAWAITED, "interrupted; nothing of this run is kept; begin again with: uintr"),
    ],
    ids=["while it is imported", "between a coroutine and its first step"],
)
def test_interrupted(program: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program)
    text = "from uintr.entry import start; raise SystemExit(start('uintr', 'program', []))"
    words = [sys.executable, "-c", text]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.rstrip() == f"uintr: {sentence}"

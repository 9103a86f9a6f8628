"""The command without Amaranth, or interrupted before it has begun: one sentence."""

import subprocess
import sys
import tempfile
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


def test_interrupted_while_it_is_imported() -> None:
    text = "from uintr.entry import start; start('uintr', 'slow')"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "slow.py").write_text("import os; os.kill(os.getpid(), 2)")
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False
        )
    assert done.returncode == 130
    assert done.stderr == "uintr: interrupted before anything was begun\n"

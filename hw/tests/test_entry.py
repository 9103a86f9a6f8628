"""The command without Amaranth: one sentence and exit status 2."""

import sys

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
    assert message.startswith("uintr: Amaranth must be installed")
    assert message.count("\n") == 1


def test_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "generate" in capsys.readouterr().out

"""Shell completion and help."""

import shutil
import subprocess

import pytest

from rel4 import cli


def test_bash_completes(capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out

    def complete(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in words)
        call = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _rel4; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(
            ["bash", "-c", f"{script}\n{call}"], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert complete("rel4", "sw") == ["sweep"]
    assert complete("rel4", "sweep", "--conc") == ["--concurrency"]
    assert complete("rel4", "sweep", "--policy", "tick-") == ["tick-smp"]
    assert complete("rel4", "explore", "--memory", "") == ["sc", "rvwmo"]
    assert complete("rel4", "completion", "f") == ["fish"]
    assert "--out" in complete("rel4", "report", "--")


def test_other_shells(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "fish"]) == 0
    assert "complete -c rel4 -n __fish_use_subcommand -f -a trace" in capsys.readouterr().out
    assert cli.main(["completion", "zsh"]) == 0
    assert "bashcompinit" in capsys.readouterr().out
    assert cli.main(["completion", "tcsh"]) == 2
    assert "shell must be one of bash, zsh, fish, not 'tcsh'" in capsys.readouterr().err


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"  rel4 {command}" in capsys.readouterr().out.replace('eval "$(', "  ")

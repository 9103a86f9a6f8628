"""Shell completion and help, of all three programs."""

import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import import_module

import pytest

from rel4 import cli

PROGRAMS = {"rel4": "rel4.cli", "uintr": "uintr.cli", "uintr-fpga": "uintr_fpga.cli"}


def program(name: str) -> Callable[[list[str]], int]:
    if name != "rel4":
        pytest.importorskip("amaranth")
    main: Callable[[list[str]], int] = import_module(PROGRAMS[name]).main
    return main


@pytest.mark.parametrize(
    ("name", "words", "offered"),
    [
        ("rel4", ["sw"], ["sweep"]),
        ("rel4", ["sweep", "--conc"], ["--concurrency"]),
        ("rel4", ["sweep", "--policy", "tick-"], ["tick-smp"]),
        ("rel4", ["explore", "--memory", ""], ["sc", "rvwmo"]),
        ("rel4", ["completion", "f"], ["fish"]),
        ("rel4", ["report", "--ou"], ["--out"]),
        ("uintr", ["ge"], ["generate"]),
        ("uintr", ["generate", "-t", "sv"], ["svd"]),
        ("uintr", ["generate", "--features", "thr"], ["throttle"]),
        ("uintr-fpga", ["emulate", "--board", "u"], ["ulx3s"]),
        ("uintr-fpga", ["record", "--policy", "ada"], ["adaptive"]),
    ],
)
def test_bash_completes(
    name: str, words: list[str], offered: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    assert program(name)(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    typed = " ".join(f"'{word}'" for word in (name, *words))
    (function,) = re.findall(r"^complete .*-F (\w+)", script, re.MULTILINE)
    call = f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}; {function}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{call}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == offered


def test_other_shells(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "fish"]) == 0
    fish = capsys.readouterr().out
    for line in (
        ".* -a trace -d 'Run one policy",
        ".*_using trace' -l policy -xka \"sync tick ",
        ".*_using trace' -l out .*__fish_complete_path",
    ):
        assert re.search(f"^complete -c rel4 {line}", fish, re.MULTILINE), line
    assert cli.main(["completion", "zsh"]) == 0
    assert re.search(r"^ *compdef _shtab_rel4 .*rel4$", capsys.readouterr().out, re.MULTILINE)
    assert cli.main(["completion", "tcsh"]) == 2
    assert "shell must be one of bash, zsh, fish, not 'tcsh'" in capsys.readouterr().err


def commands() -> list[tuple[str, str]]:
    found = [("rel4", command) for command in cli.COMMANDS]
    found += [("uintr", command) for command in ("generate", "completion")]
    fpga = ("build", "report", "program", "emulate", "record", "replay", "export", "completion")
    return found + [("uintr-fpga", command) for command in fpga]


@pytest.mark.parametrize(("name", "command"), commands())
def test_help_has_examples(name: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = program(name)
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"  {name} {command}" in text.replace('eval "$(', "  ")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_say_version_and_where_help_is(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = program(name)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert re.fullmatch(rf"{name} \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"; see {name} --help\n")

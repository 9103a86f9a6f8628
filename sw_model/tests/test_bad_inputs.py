"""Whatever is wrong with a command or a file gets one sentence and status 2, and leaves nothing."""

import os
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from bad_world import LONG, main_of, make_world

TABLE = Path(__file__).with_name("bad_inputs.txt")
STUDY = "study.toml"


def table() -> list[tuple[str, str]]:
    """What is typed, and the sentence."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line and line[0] != "#"]
    return [(typed[2:], says) for typed, says in zip(lines[::2], lines[1::2], strict=True)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which everything is typed."""
    root = tmp_path_factory.mktemp("world")
    make_world(root)
    here = Path.cwd()
    os.chdir(root)
    yield root
    os.chdir(here)


def files(root: Path) -> dict[str, bytes]:
    """Everything in ``root``, with what files hold."""
    return {
        str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(root.rglob("*"))
    }


@pytest.mark.parametrize(("typed", "says"), table(), ids=[typed for typed, _ in table()])
def test_bad_input(
    typed: str,
    says: str,
    world: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("UINTR_PORT", raising=False)
    command, _, study = typed.partition(" <<< ")
    program, *words = shlex.split(command.replace("LONG", LONG))
    main = main_of(program)
    if study:
        (world / STUDY).write_text(study.replace("; ", "\n") + "\n")
        words.append(STUDY)
    before = files(world)
    try:
        status: object = main(words)
    except SystemExit as end:
        status = end.code
    printed = capsys.readouterr()
    assert (
        re.sub(r"\b[0-9a-f]{16}\b", "RUN", printed.err)
        == says.replace("X60", "x" * 60).replace("X30", "x" * 30).replace("LONG", LONG) + "\n"
    )
    assert (status, printed.out) == (2, "")
    assert files(world) == before


def test_the_table_is_of_every_command() -> None:
    commands = {tuple(typed.split()[:2]) for typed, _ in table()}
    for name in import_module("rel4.cli").COMMANDS:
        assert ("rel4", name) in commands
    assert len(table()) >= 250

"""Every command in README, documentation and examples: it can be typed as it is printed.

Each is read by the program's own parser, and every `make` target exists. What takes seconds and
needs no tool beyond this checkout is run, page by page in the order of the page.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MODULES = {"rel4": "rel4.cli", "uintr": "uintr.cli", "uintr-fpga": "uintr_fpga.cli"}
RUN = {
    "docs/tutorial.md": [
        "rel4 sweep --policy sync,tick --concurrency 2,8,64 --out build/first",
        "rel4 report build/first",
        "rel4 trace --policy tick --concurrency 4",
        "rel4 sweep --policy tick --concurrency 2 --timer-period 5000 --out build/second",
    ],
    "README.md": ["rel4 explore --protocol published --items 2"],
    "examples/README.md": ["python examples/ping_pong.py"],
}
"""What is run here, with exit status 0, or 1 where a search finds what it looks for."""
NOTHING_WRONG = {"rel4 explore --protocol published --items 2": 1}


def commands(page: Path) -> Iterator[str]:
    """Commands of the code blocks and of the inline code that names a program with arguments."""
    text = page.read_text(encoding="utf-8")
    block = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for found in block.findall(text):
        lines = found.replace("\\\n", " ").splitlines()
        yield from (re.sub(r"\s+(#.*|&(\s.*)?)$", "", line).strip() for line in lines)
    for found in re.findall(r"`([^`\n]+)`", block.sub("", text)):
        if found.split()[0] in (*MODULES, "make") and len(found.split()) > 1:
            yield found


def program_commands(page: Path) -> list[str]:
    """Those of our programs."""
    return [line for line in commands(page) if line.split() and line.split()[0] in MODULES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_can_be_typed_as_they_are_printed(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = []
    for line in program_commands(page):
        program, *words = ["1" if word == "N" else word for word in shlex.split(line)]
        if program != "rel4":
            pytest.importorskip("amaranth")
            pytest.importorskip("cocotb")
        module = import_module(MODULES[program])
        parser = module.whole_parser() if program == "rel4" else module._parser()
        if len(words) == 1 and not words[0].startswith("-"):
            words.append("--help")  # the command is mentioned, with arguments to be chosen
        try:
            parser.parse_args(words)
        except SystemExit as end:
            if end.code not in (0, None):
                wrong.append(line)
        capsys.readouterr()
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in commands(page):
        words = line.split()
        if words[:1] == ["make"]:
            assert words[1] in targets, f"{page.name}: {line}"


@pytest.mark.parametrize("name", RUN)
def test_what_takes_seconds_runs(name: str, tmp_path: Path) -> None:
    printed = list(commands(ROOT / name))
    for folder in ("examples", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for line in RUN[name]:
        assert line in printed
        done = subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == NOTHING_WRONG.get(line, 0), (line, done.stderr)

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
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md")),
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MODULES = {"rel4": "rel4.cli", "uintr": "uintr.cli", "uintr-fpga": "uintr_fpga.cli"}
PROGRAMS = (*MODULES, "make", "pip", "python")

RUN = {
    "README.md": [
        "uintr generate -o system.v",
        "rel4 sweep --policy sync,tick,uipi --concurrency 2,8,32 --out build/first",
        "rel4 explore --protocol published --items 2",
        "rel4 trace --policy tick",
    ],
    "docs/async.md": [
        "rel4 explore --protocol published --harts 2",
        "rel4 study examples/studies/wakeups.toml",
    ],
    "docs/tutorial.md": [
        "rel4 sweep --policy sync,tick --concurrency 2,8,64 --out build/first",
        "rel4 report build/first",
        "rel4 trace --policy tick --concurrency 4",
        "rel4 sweep --policy tick --concurrency 2 --timer-period 5000 --out build/second",
    ],
    "docs/compiled.md": ["uintr generate -t header"],
    "docs/hart.md": ["python -m rv64 --harts 2 -o soc.v"],
    "docs/intel.md": ["uintr generate --flavour intel"],
    "docs/studies.md": ["rel4 study examples/studies/tick_period.toml"],
    "examples/README.md": ["python examples/ping_pong.py"],
}
"""What is run here, with exit status 0, or 1 where a search finds what it looks for."""
SECONDS = (
    "README.md",
    *(f"docs/{page}.md" for page in ("async", "hart", "intel", "studies", "tutorial")),
)
"""Pages whose commands take more than a second or two."""
FOUND = ("rel4 explore --protocol published",)

ELSEWHERE = {
    "cocotb_tests/test_compiled_page.py": ("rel4 cc ", "rel4 run "),
    "cocotb_tests/test_soc_page.py": ("uintr generate --block ",),
    "cocotb_tests/test_own_bench.py": ("uintr generate --receivers 8",),
    "cocotb_tests/test_experiment.py": ("rel4 compare",),
    "sw_model/tests/test_examples.py": (
        "pip install ./examples/",
        "rel4 sweep --policy tick,tick-any",
        "rel4 sweep --policy tick-any",
        "rel4 sweep --device counted",
    ),
    "sw_model/tests/compiled/test_compiled_ipc.py": ("rel4 ipc --software compiled",),
    "sw_model/tests/test_pingpong.py": ("rel4 pingpong",),
}
"""Beginnings of what other tests run, on the simulator or in an environment of its own."""

NOT_RUN = {
    "long": (
        "make ",
        "rel4 claims",
        "rel4 explore --hostile N",
        "rel4 explore --kernel",
        "rel4 explore --protocol ours --harts 2",
        "rel4 study examples/studies/equal_work.toml",
        "rel4 sweep --software compiled",
        "rel4 validate docs/data/compiled.jsonl",
        "python -m rel4.bench.when_page",
        "python -m rel4.bench.when_runs",
        "python -m rv64_formal",
        "python -m rel4.bench.cpi",
        "python -m rel4.bench.measure",
        "python -m rv64_verify litmus",
        "python -m rv64_verify qemu",
        "python -m rv64_verify speed",
        "python -m uintr_formal",
        "python -m uintr_fpga.",
        "uintr-fpga build",
    ),
    "a board": ("uintr-fpga program", "rel4 sweep --device uart"),
    "an emulated board, as in fpga/tests": ("uintr-fpga emulate",),
    "a network": ("pip install",),
    "names to be chosen": (
        "rel4 sweep --policy NAMES",
        "rel4 compare --devices reference,yours",
    ),
    "reads what `make run` made, as docs/tutorial.md what a sweep did": (
        "rel4 report build/sweep",
    ),
}
"""Beginnings of what no test runs as it is printed, by what it needs. It is read by its parser."""


def commands(page: Path) -> Iterator[str]:
    """Commands of the code blocks and of the inline code that names a program with arguments."""
    text = page.read_text(encoding="utf-8")
    fence = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
    for language, block in fence.findall(text):
        lines = block.replace("\\\n", " ").splitlines() if language in ("", "sh") else ()
        yield from (re.sub(r"\s+(#.*|&(\s.*)?)$", "", line).strip() for line in lines)
    paragraphs = re.sub(r"(?<!\n)\n(?!\n)", " ", fence.sub("", text))  # a command may be broken
    for found in re.findall(r"`([^`\n]+)`", paragraphs):
        if found.split()[0] in PROGRAMS and len(found.split()) > 1:
            yield found


def test_blocks_of_every_kind_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nuintr one \\\n  two  # why\n```\n\n"
        "```{code-block} python\n:name: x\nrel4 = 1\n```\n"
        "`rel4\nthree` and `rel4`\n\n```\nrel4 four &\n```\n"
    )
    assert list(commands(page)) == ["uintr one    two", "rel4 four", "rel4 three"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_is_run_or_it_is_said_why_not(page: Path) -> None:
    run = {line for lines in RUN.values() for line in lines}
    others = tuple(
        begin for each in (ELSEWHERE, NOT_RUN) for some in each.values() for begin in some
    )
    unknown = [
        line
        for line in dict.fromkeys(commands(page))
        if line.split()[:1]
        and line.split()[0] in PROGRAMS
        # A command that is only mentioned, without arguments, is none to be typed.
        and not (line.split()[0] in MODULES and len(line.split()) == 2)
        and line not in run
        and not line.startswith(others)
    ]
    assert unknown == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_runs_elsewhere_does(name: str) -> None:
    """The test names the pages whose commands it runs, or the command's own words."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for begin in ELSEWHERE[name]:
        printed = {page.name for page in PAGES for line in commands(page) if line.startswith(begin)}
        assert printed, f"{begin!r} stands on no page"
        words = [word for word in re.split(r"[\s,/.]+", begin) if word and word not in PROGRAMS]
        named = all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)
        assert named or any(f'"{page}"' in text for page in printed), f"{name}: {begin!r}"


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
    makefile = (ROOT / "Makefile").read_text().replace("$(VENV)", ".venv")
    targets = [
        target.replace("%", "*")
        for target in re.findall(r"^([a-z.][^\s:=]*):", makefile, re.MULTILINE)
    ]
    made = [line.split()[1] for line in commands(page) if line.startswith("make ")]
    assert [name for name in made if not any(fnmatch(name, each) for each in targets)] == []


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=[pytest.mark.long] if each in SECONDS else []) for each in RUN],
)
def test_what_takes_seconds_runs(name: str, tmp_path: Path) -> None:
    printed = list(commands(ROOT / name))
    for folder in ("examples", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for line in RUN[name]:
        assert line in printed
        if line.startswith(("uintr ", "python -m rv64 ")):
            pytest.importorskip("amaranth")
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
        assert done.returncode == int(line.startswith(FOUND)), (line, done.stderr)


def test_the_guide_names_every_hook_of_a_policy() -> None:
    from rel4.kernel.async_runtime import Policy

    text = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    hooks = {name for name, value in vars(Policy).items() if callable(value) and name[0] != "_"}
    hooks.remove("kept")  # for inspection
    assert len(hooks) > 8
    assert {name for name in hooks if f"`{name}`" not in text} == set()


def test_the_theory_of_operation_shows_a_run(tmp_path: Path) -> None:
    """Drawings and numbers, which are read where nothing was built."""
    from diagrams import figures, write_diagrams

    for drawn in write_diagrams(tmp_path):
        stored = ROOT / "docs" / "img" / drawn.name
        assert stored.read_text() == drawn.read_text(), "python docs/diagrams.py docs/img"
    text = " ".join((ROOT / "docs" / "theory.md").read_text(encoding="utf-8").split())
    found = figures()
    for sentence in (
        "has its answer in cycle {answered}.",
        "in cycle {line} hart 1 sees its interrupt",
        "has the handler's address in cycle {handler}:",
        "`UIPI READ` ({read} cycles:",
    ):
        assert sentence.format(**found) in text


def test_a_page_that_is_read_unbuilt_has_no_placeholder() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "{{" not in text, page
        for image in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
            assert (page.parent / image).is_file(), (page, image)

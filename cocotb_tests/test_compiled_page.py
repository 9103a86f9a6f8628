"""Every command and program of docs/compiled.md runs, one after another in one folder, and so do
those of the first page that compile and run a program."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sim

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "compiled.md").read_text(encoding="utf-8")
REL4 = str(Path(sys.executable).with_name("rel4"))
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line
    for language, block in BLOCKS
    for line in block.splitlines()
    if not language and not line.startswith("pip ")
]
PORT = re.compile(r"\b3333\b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "examples" / "compiled", path, dirs_exist_ok=True)
    return path


def command(line: str) -> list[str]:
    """The words of a command, with this environment's rel4."""
    words = shlex.split(line)
    return [REL4, *words[1:]] if words[0] == "rel4" else words


def test_commands(folder: Path) -> None:
    assert len(COMMANDS) == 12
    port = ""
    debugged: subprocess.Popen[str] | None = None
    for line in COMMANDS:
        if "--gdb" in line:
            # A free port, lest somebody has the page's; it goes on beside the next command.
            debugged = subprocess.Popen(
                command(PORT.sub("0", line)), cwd=folder, stderr=subprocess.PIPE, text=True
            )
            assert debugged.stderr is not None
            said = debugged.stderr.readline()
            found = re.search(r"localhost:(\d+)", said)
            assert found is not None, said + debugged.communicate()[1]
            port = found[1]
            continue
        words = command(PORT.sub(port, line))
        if words[0].startswith("gdb"):
            assert debugged is not None
            if shutil.which(words[0]) is None:
                debugged.kill()
                debugged.communicate()
                pytest.skip(f"{words[0]} is not installed; all commands before it ran")
            words += ["-q", "-nx", "-batch"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=590)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if words[0].startswith("gdb"):
            assert "Breakpoint 1, next_thread" in done.stdout
    assert debugged is not None
    assert debugged.wait(60) == 0, "gdb has left, and the program went on to its end"
    debugged.communicate()
    assert {path.name for path in (folder / "traced").iterdir()} == {
        "events.jsonl",
        "trace.json",
        "functions.txt",
        "instructions.txt",
    }


def test_commands_of_the_first_page(tmp_path: Path) -> None:
    """From the project's folder, as they are printed there, in its order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"`(rel4 (?:cc|run) [^`]+)`", text)
    assert len(lines) == 4
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in lines:
        done = subprocess.run(
            command(line), cwd=tmp_path, capture_output=True, text=True, timeout=590
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_programs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (program,) = (block for language, block in BLOCKS if language == "python")
    (folder / "page.py").write_text(program)
    runpy.run_path(str(folder / "page.py"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("0 ")
    assert [line.split()[1:] for line in lines[-10:]] == [
        ["0", "1", str(count)] for count in range(1, 11)
    ]

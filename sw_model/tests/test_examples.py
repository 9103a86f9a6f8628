"""The examples run, say what they say they say, and reach the package through entry points."""

import runpy
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from rel4 import cli
from rel4.bench.policies import find_policy, policy_names
from rel4.bench.program import run_program
from rel4.machine.device import device_names
from rel4.user.root_task import SyscallError
from rel4.user.user_thread import UserThread

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both example distributions, installed as far as importlib.metadata can tell."""
    for folder in ("own_policy", "own_device"):
        project = tomllib.loads((EXAMPLES / folder / "pyproject.toml").read_text())["project"]
        info = tmp_path / f"{folder}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        groups = project["entry-points"].items()
        (info / "entry_points.txt").write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
                for group, points in groups
            )
        )
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
    monkeypatch.syspath_prepend(str(tmp_path))


def test_ping_pong(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run_example("ping_pong.py", capsys)
    assert lines[-1] == "10 user interrupts"
    assert [line.partition(": ")[2] for line in lines[:2]] == [
        "thread1 got vector 0",
        "root got vector 1",
    ]
    cycles = [int(line.split()[1].rstrip(":")) for line in lines[:-1]]
    assert all(0 < later - sooner < 1_000 for sooner, later in pairwise(cycles))
    assert len((EXAMPLES / "ping_pong.py").read_text().splitlines()) < 30


def test_async_calls(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run_example("async_calls.py", capsys)
    assert len(lines) == 9
    assert lines[-1] == "8 system calls, 1 trap"


@pytest.mark.usefixtures("install")
def test_own_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "tick-any" in policy_names()
    assert find_policy("tick-any").harts == 2
    sweep = ["--policy", "tick,tick-any", "--concurrency", "2", "--jobs", "1"]
    assert cli.main(["sweep", *sweep, "--out", str(tmp_path / "out")]) == 0
    assert "tick-any" in capsys.readouterr().out
    assert cli.main(["report", str(tmp_path / "out")]) == 0
    assert "handler at the next tick of any hart" in (tmp_path / "out/report.html").read_text()


@pytest.mark.usefixtures("install")
def test_own_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "counted" in device_names()
    sweep = ["--device", "counted", "--policy", "tick", "--concurrency", "2", "--jobs", "1"]
    assert cli.main(["sweep", *sweep, "--out", str(tmp_path / "out")]) == 0
    arguments = ["--devices", "reference,counted", "--policy", "tick", "--concurrency", "2"]
    assert cli.main(["compare", *arguments]) == 0
    out = capsys.readouterr().out
    assert "requests: " in out
    assert "identical" in out


def test_a_policy_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "odd-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rel4.policies]\nodd = sys:version\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="rel4.policies entry odd must be a PolicyInfo, not"):
        find_policy("odd")
    assert "odd" not in sys.modules


def test_errors_of_programs_name_call_object_and_rule() -> None:
    async def twice(me: UserThread) -> None:
        await me.receive_on(me.notifications[0])
        await me.receive_on(me.notifications[0])

    async def no_vector(me: UserThread) -> None:
        await me.connect(me.notifications[0], vector=64)

    with pytest.raises(SyscallError, match="TCB_BindNotification of root failed with"):
        run_program(twice, notifications=1)
    with pytest.raises(ValueError, match="vector must be below 64, not 64"):
        run_program(no_vector, notifications=1)
    with pytest.raises(ValueError, match="bodies must be at least one thread, not none"):
        run_program()


def test_programs_print_to_the_console() -> None:
    async def hello(me: UserThread) -> None:
        for character in "hi":
            await me.kernel.put_char(character)

    assert run_program(hello).console == "hi"

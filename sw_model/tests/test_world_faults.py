"""What happens around a run: full disks, missing permissions, interrupts, limits, two at a time.

Where it matters how a command ends, it runs as a process of its own, as a user starts it.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from bad_world import make_world, refused

from rel4.cli import COMMANDS, main
from uintr.files import claimed

SMALL = "--policy sync,tick --concurrency 2 --rounds 1 --jobs 1"
FILLS = {
    "sweep": f"sweep {SMALL} --out out",
    "report": "report good --out out/report.html",
    "trace": "trace --out out",
    "claims": "claims --seeds 1 --jobs 1 --store out/claims.jsonl",
    "study": "study many.toml --out out --jobs 1",
    "ipc": "ipc --rounds 1 --out out --jobs 1",
    "pingpong": "pingpong --rounds 1 --out out --jobs 1",
    "cc": "cc main.c -o out/main.elf",
}
"""A command that writes more than two blocks into ``out``, for each that writes files."""
PRINTS = {
    "sweep": f"sweep {SMALL} --out out",
    "report": "report good --out out/report.html",
    "trace": "trace --out out",
    "explore": "explore --items 1",
    "claims": "claims --only uipi-1 --seeds 1 --jobs 1 --store out/claims.jsonl",
    "study": "study good.toml --out out",
    "compare": "compare --devices reference,reference --policy sync --concurrency 2 --rounds 1",
    "ipc": "ipc --harts 1 --concurrency 1 --rounds 1 --out out",
    "pingpong": "pingpong --harts 1 --rounds 1 --out out",
    "completion": "completion bash",
    "cc": None,  # prints nothing
    "run": None,  # prints what the program does
    "validate": None,  # as long as all stored points take
}
LOADED = 3
"""Seconds that a computer with much else to do may take more."""
LONG_RUN = "sweep --policy sync --concurrency 2,512 --rounds 200 --jobs 2 --out out"
"""A short point and one that takes longer than any test waits."""
LONG_TRACE = "trace --concurrency 512 --rounds 500"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to work on."""
    root = tmp_path_factory.mktemp("world")
    make_world(root)
    costs = ", ".join(map(str, range(100, 140)))
    (root / "many.toml").write_text(
        f'[parameters]\npolicy = ["sync"]\nconcurrency = [1]\nrounds = [1]\n'
        f'"cost.user.invoke" = [{costs}]\n'
    )
    return root


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with links to the files, where we are."""
    for file in world.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(words: str, entry: str = "rel4.entry") -> list[str]:
    """As a user starts it."""
    start = f"from {entry} import main; raise SystemExit(main())"
    return [sys.executable, "-c", start, *words.split()]


def run(
    words: str, place: Path, entry: str = "rel4.entry", **others: Any
) -> subprocess.CompletedProcess[str]:
    """Run it to its end in ``place``."""
    return subprocess.run(
        command(words, entry),
        cwd=place,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
        **{"stdout": subprocess.PIPE, **others},
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The last line on standard error, after whatever was said about progress."""
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.replace("\r", "\n").strip().splitlines()[-1]


@contextmanager
def limit(size: int) -> Iterator[None]:
    """Files cannot grow beyond ``size``: a full disk that needs no disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def forbid(out: Path) -> None:
    """Make a folder where nobody may make a file."""
    if os.getuid() == 0:
        out.symlink_to("/sys/kernel")  # where not even root may
    else:
        out.mkdir(mode=0o555)


def left(place: Path) -> list[str]:
    """Files that have no place in a folder: parts and temporary ones."""
    return [
        path.name
        for path in (place / "out").rglob("*")
        if path.name.endswith(".part") or (path.name[0] == "." and path.name != ".parts")
        if path.name != ".points.jsonl"
    ]


@pytest.mark.parametrize("name", FILLS)
def test_a_disk_that_is_full_is_found_before_the_work(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with limit(0):
        said = refused(f"rel4 {FILLS[name]}", capsys)
    assert not any("/s]" in line for line in said), "no work was begun"
    assert not (place / "out").exists() or not any((place / "out").iterdir())


# The store of claims is that of study, and its first point alone takes long; pingpong writes less.
@pytest.mark.parametrize("name", [name for name in FILLS if name not in ("claims", "pingpong")])
def test_a_disk_that_gets_full_is_one_sentence_and_leaves_no_parts(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with limit(4200):
        assert "out" in refused(f"rel4 {FILLS[name]}", capsys)[-1]
    assert left(place) == []


@pytest.mark.parametrize(("name", "words"), [each for each in PRINTS.items() if each[1]])
def test_an_output_that_is_full_is_one_sentence(name: str, words: str, place: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(words, place, stdout=full)
    assert done.returncode == 2, done.stderr
    assert sentence(done) == "rel4: the output must have room on its disk, which is full"


def test_every_command_is_tried() -> None:
    assert PRINTS.keys() == COMMANDS.keys()
    assert set(FILLS) | {"explore", "compare", "completion", "run", "validate"} == set(COMMANDS)


@pytest.mark.parametrize("name", FILLS)
def test_a_folder_without_permission_is_found_before_the_work(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid(place / "out")
    said = refused(f"rel4 {FILLS[name]}", capsys)
    assert "can be written" in said[-1] or "permission is denied" in said[-1]
    assert not any("/s]" in line for line in said), "no work was begun"


# --- interrupts and limits ------------------------------------------------------------------------


@contextmanager
def running(words: str, place: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process group of its own, which is gone at the end."""
    process = subprocess.Popen(
        command(words),
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
        assert alone(process), "processes are left"
    finally:
        if not alone(process, seconds=0):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def alone(process: "subprocess.Popen[str]", seconds: float = 20) -> bool:
    """Whether nothing is left of the process group, soon."""
    until = time.monotonic() + seconds
    while process.poll() is None or any(alive_of(process.pid)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def alive_of(group: int) -> Iterator[str]:
    """States of its processes (proc(5)), without those that only wait to be looked after."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has gone meanwhile
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                yield state


def wait_for_result(store: Path, process: "subprocess.Popen[str]") -> None:
    """Until the short point is finished."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if store.exists() and store.read_bytes().endswith(b"\n"):
            return
        time.sleep(0.05)
    raise AssertionError("the short point must be finished by now")


def said(process: "subprocess.Popen[str]") -> str:
    """What it says when it is interrupted, which it must within two seconds of its own."""
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begun < 2 + LOADED, errors
    assert "Traceback" not in errors
    assert "Warning" not in errors
    assert process.returncode == 130, errors
    return errors.replace("\r", "\n").strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "store", "kept", "more"),
    [
        (LONG_RUN, "out/.parts/points.jsonl", "1 of 2 points are kept", " --resume"),
        *(
            pytest.param(*each, marks=pytest.mark.long)
            for each in (
                ("study long.toml --out out", "out/trials.jsonl", "1 of 2 trials are kept", ""),
                (
                    "ipc --rounds 500 --harts 1 --concurrency 1,64 --out out",
                    "out/.points.jsonl",
                    r"\d+ of \d+ points are kept",
                    " --resume",
                ),
                (
                    "explore --hostile 4000 --jobs 1 --store out/kept.jsonl",
                    "out/kept.jsonl",
                    r"\d+ of 4000 programs are kept",
                    "",
                ),
            )
        ),
    ],
)
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(
    words: str, store: str, kept: str, more: str, place: Path
) -> None:
    (place / "out").mkdir()
    (place / "long.toml").write_text(
        '[parameters]\npolicy = ["sync"]\nconcurrency = [2, 512]\nrounds = [200]\n'
    )
    with running(words, place) as process:
        wait_for_result(place / store, process)
        sentence = said(process)
    assert re.fullmatch(rf"rel4: interrupted; {kept}; go on with: .*{words}{more}", sentence)


@pytest.mark.parametrize("after", [0.3, 0.6, 1.2])
def test_an_interrupt_at_any_moment_is_one_sentence(after: float, place: Path) -> None:
    with ExitStack() as all_of_them:
        commands = (LONG_RUN, "explore --hostile 4000", LONG_TRACE)
        processes = [all_of_them.enter_context(running(words, place)) for words in commands]
        time.sleep(after)
        for process in processes:
            assert said(process).startswith("rel4: interrupted")


def test_a_time_limit_stops_the_workers(place: Path) -> None:
    with running(f"{LONG_RUN} --minutes 0.01", place) as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 3
    assert "time is up, " in errors
    assert errors.strip().endswith("--resume")


def test_workers_end_with_their_parent(place: Path) -> None:
    with running(LONG_RUN, place) as process:
        wait_for_result(place / "out" / ".parts" / "points.jsonl", process)
        process.kill()


def test_two_runs_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, store = tmp_path / "out", tmp_path / "claims.jsonl"
    with claimed(out), claimed(store, "store", file=True):
        for words in (
            f"sweep {SMALL} --out {out}",
            f"trace --out {out}",
            f"ipc --out {out}",
            f"pingpong --out {out}",
        ):
            assert main(words.split()) == 2
            assert "out must be a folder that no other run writes to" in capsys.readouterr().err
        assert main(["claims", "--store", str(store)]) == 2
        assert "store must be a file that no other run writes to" in capsys.readouterr().err


def test_a_sweep_replaces_an_earlier_one_with_its_logs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(f"sweep --policy sync --concurrency 2,3 --rounds 1 --out {out}".split()) == 0
    assert main(f"sweep --policy sync --concurrency 2 --rounds 2 --out {out}".split()) == 0
    assert [log.name for log in out.glob("*.gz")] == ["sync-h1-n2-s1.jsonl.gz"]
    assert main(["report", str(out)]) == 0
    row = json.loads((out / "results.jsonl").read_text())
    (out / "results.jsonl").write_text(json.dumps(row | {"run": "0" * 16}) + "\n")
    assert main(["report", str(out)]) == 2

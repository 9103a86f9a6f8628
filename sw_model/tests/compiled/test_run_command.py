"""`rel4 run`: a sentence and status 2 for everything that is not right, before a build begins."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rel4 import cli
from rel4.compiled import (
    Ending,
    Listener,
    Marker,
    Program,
    RunConfig,
    RunResult,
    command,
    compile_program,
)
from rel4.compiled import runner as runners
from rel4.compiled.runner import Miss, Retired
from rel4.machine.device import DeviceError


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "main.c").write_text("char big[3 << 20];\nint main(void) { return big[5]; }\n")
    compile_program([folder / "main.c"], folder / "main.elf")
    return folder / "main.elf"


BAD = (
    (["--harts", "0"], "harts must be 1 to 8, not 0"),
    (["--harts", "9"], "harts must be 1 to 8, not 9"),
    (["--memory", "0"], "memory must be 1 to 1024, not 0"),
    (["--memory", "3"], "memory must be at least 4 MiB for"),
    (["--memory-latency", "0"], "memory-latency must be 1 to 200, not 0"),
    (["--memory-latency", "201"], "memory-latency must be 1 to 200, not 201"),
    (["--jitter", "-1"], "jitter must be 0 to 200, not -1"),
    (["--seed", "-1"], "seed must be 0 to 4294967295, not -1"),
    (["--cache", "5"], "cache must be 4, 8 or 16 KiB, not 5"),
    (["--max-cycles", "0"], "max-cycles must be 1 to"),
    (["--gdb", "70000"], "gdb must be 0 to 65535, not 70000"),
    (["--device", "none"], "device must be one of rtl"),
    (["--device", "spike"], "device must be one of rtl"),
    (["--hart", "none"], "hart must be rtl or spike, not 'none'"),
    (["--input", "none"], "none must be a readable file: No such file or directory"),
    (["--instructions"], "instructions must have a folder to go to, but there is no --trace"),
    (["--trace", "file"], "trace must be a folder, and file is a file"),
)


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_bad_options(
    elf: Path,
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    assert cli.main(["run", str(elf), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rel4: {sentence}")


@pytest.mark.parametrize("word", ["--harts=two", "--max-cycles=1e6", "--gdb=", "--odd"])
def test_options_that_are_none(elf: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", str(elf), word])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("no program\n")
    for name, sentence in (
        ("none", "must be a readable file: No such file"),
        (".", "must be a readable file: Is a directory"),
        ("text", "must be a whole ELF file: Magic number"),
    ):
        assert cli.main(["run", str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f" {sentence}" in line


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ending, int | None], list[RunConfig]]:
    """Puts a runner in the place of ``rtl`` that ends at once, as it is told."""

    def use(ending: Ending, status: int | None) -> list[RunConfig]:
        asked: list[RunConfig] = []

        def run(program: Program, config: RunConfig, listener: Listener) -> RunResult:
            asked.append(config)
            listener.progress("building")
            listener.console(b"out\n")
            listener.retired(
                Retired(
                    *(5, 0, 0x8000_0000, 0x8000_0004, 0xF140_2473, 3, False, False, 0),
                    *(0, 8, 0, 0, 0, 0, 0, 0, 0, 0),
                )
            )
            listener.miss(Miss(4, 0, "icache"))
            return RunResult(
                ending=ending,
                sentence=f"{ending}: so it was",
                status=status,
                console=b"out\n",
                cycles=1234,
                instructions=(5, 6),
                marks=(Marker(6, 0, 1, 2),),
                seconds=0.5,
            )

        monkeypatch.setattr(runners, "find_runner", lambda name: run)
        return asked

    return use


@pytest.mark.parametrize(
    ("ending", "own", "status"),
    [
        (Ending.EXIT, 0, 0),
        (Ending.EXIT, 77, 77),
        (Ending.LIMIT, None, 124),
        (Ending.DOUBLE_FAULT, None, 125),
        (Ending.DEBUGGER, None, 0),
    ],
)
def test_exit_status_and_reason(
    elf: Path,
    ending: Ending,
    own: int | None,
    status: int,
    runner: Callable[[Ending, int | None], list[RunConfig]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    runner(ending, own)
    assert cli.main(["run", str(elf), "--stats"]) == status
    out, err = capfd.readouterr()
    assert out == "out\n"
    assert err.splitlines() == [
        "rel4: building",
        f"rel4: {ending}: so it was",
        "cycles 1,234; instructions 11 (hart 0 5, hart 1 6)",
        "0.50 s, 2,468 simulated cycles a second",
    ]


def test_options_reach_the_runner(
    elf: Path, tmp_path: Path, runner: Callable[[Ending, int | None], list[RunConfig]]
) -> None:
    asked = runner(Ending.EXIT, 0)
    (tmp_path / "keys").write_bytes(b"keys")
    words = "--harts 3 --memory 8 --memory-latency 7 --jitter 5 --seed 9 --cache 16 --max-cycles 99"
    out = tmp_path / "deep" / "out"
    arguments = ["run", str(elf), *words.split(), "--input", str(tmp_path / "keys")]
    assert cli.main([*arguments, "--trace", str(out), "--instructions"]) == 0
    assert asked == [
        RunConfig(
            harts=3,
            memory_mib=8,
            memory_latency=7,
            jitter=5,
            seed=9,
            cache_kib=16,
            max_cycles=99,
            trace=True,
            instructions=True,
            input=b"keys",
        )
    ]
    assert sorted(path.name for path in out.iterdir()) == [
        "events.jsonl",
        "functions.txt",
        "instructions.txt",
        "trace.json",
    ]
    kinds = [json.loads(line)["event"] for line in (out / "events.jsonl").read_text().splitlines()]
    assert kinds == ["CacheMiss", "FunctionEntered", "Mark"]


def test_a_runner_that_is_not_there(elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        raise DeviceError(f"{name} cannot be loaded: no simulator")

    monkeypatch.setattr(runners, "find_runner", find)
    assert cli.main(["run", str(elf)]) == 2


def test_every_status_has_its_meaning() -> None:
    assert set(command.STATUS) == set(Ending) - {Ending.EXIT}

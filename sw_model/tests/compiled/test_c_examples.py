"""The examples in C, by both compilers, on Spike where it is installed."""

from pathlib import Path

import pytest

from rel4.compiled import RunConfig, RunResult, compile_program, load_program, run_program
from rel4.compiled.compiler import COMPILERS, CompileError, find_compiler
from rel4.compiled.spike_library import missing

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "compiled"

if missing() is not None:
    pytest.skip(str(missing()), allow_module_level=True)


def run(folder: Path, by: str, harts: int, *names: str, optimise: str = "2") -> RunResult:
    try:
        find_compiler(by)
    except CompileError as reason:
        pytest.skip(str(reason))
    sources = [EXAMPLES / name for name in names]
    compile_program(sources, folder / "example.elf", compiler=by, optimise=optimise)
    program = load_program(folder / "example.elf")
    return run_program(program, RunConfig(harts=harts, max_cycles=5_000_000), runner="spike")


@pytest.mark.parametrize("by", COMPILERS)
def test_hello(tmp_path: Path, by: str) -> None:
    result = run(tmp_path, by, 3, "hello.c")
    assert (result.status, result.console) == (0, b"hello from one of 3 harts\n")


@pytest.mark.parametrize("by", COMPILERS)
def test_ping_pong(tmp_path: Path, by: str) -> None:
    result = run(tmp_path, by, 2, "ping_pong.c")
    assert result.status == 0
    assert result.console.decode().splitlines()[-1] == "10 and 10 user interrupts"
    assert [(mark.hart, mark.id, mark.value) for mark in result.marks] == [
        (0, 1, count) for count in range(1, 11)
    ]


def test_ping_pong_needs_two_harts(tmp_path: Path) -> None:
    result = run(tmp_path, "clang", 1, "ping_pong.c")
    assert (result.status, result.console) == (1, b"ping-pong needs two harts\n")


@pytest.mark.parametrize("by", COMPILERS)
def test_scheduler(tmp_path: Path, by: str) -> None:
    result = run(tmp_path, by, 1, "scheduler.c", "switch.S")
    assert result.status == 0
    assert result.console.decode().splitlines() == [
        f"thread {index}: {primes} primes, preempted" for index, primes in enumerate((46, 78, 139))
    ]


@pytest.mark.parametrize("optimise", ["0", "2", "s"])
@pytest.mark.parametrize("by", COMPILERS)
def test_register_and_send(tmp_path: Path, by: str, optimise: str) -> None:
    result = run(tmp_path, by, 2, "register_and_send.c", optimise=optimise)
    assert result.status == 0
    assert result.console.decode().splitlines()[-1] == "receiver: all three vectors came"

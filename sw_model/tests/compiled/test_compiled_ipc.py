"""IPC as machine code, on the functional model."""

from pathlib import Path

import pytest

from rel4.bench.compiled import Setup
from rel4.bench.compiled_ipc import check_answers, run_compiled_ipc
from rel4.bench.conservation import ConservationError
from rel4.bench.ipc import KINDS, IpcPoint, IpcRecord
from rel4.cli import main
from rel4.compiled.runner import Marker
from rel4.compiled.spike_library import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SPIKE = Setup(device="spike")


def record(kind: str, harts: int, concurrency: int) -> IpcRecord:
    point = IpcPoint(kind=kind, harts=harts, concurrency=concurrency, rounds=5)
    return run_compiled_ipc(point, SPIKE)


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_every_ipc_is_answered(kind: str, harts: int) -> None:
    found = record(kind, harts, 4)
    assert (found.ipcs, found.software, found.memory_latency) == (20, "compiled", 1)
    assert ("FASTPATH" in str(found.flags)) == (kind == "sync-fastpath")


def test_one_hart_traps_twice_for_each_synchronous_ipc() -> None:
    slow, fast = record("sync", 1, 4), record("sync-fastpath", 1, 4)
    assert (slow.traps, slow.user_interrupts) == (fast.traps, fast.user_interrupts) == (2, 0)
    assert fast.cycles < slow.cycles  # instructions, on Spike


def test_user_interrupts_replace_traps() -> None:
    alone, many = record("async", 1, 1), record("async", 1, 16)
    assert alone.traps == alone.user_interrupts == 2
    assert many.traps == many.user_interrupts == 2 / 16
    assert record("async", 2, 16).traps == 0


def test_the_command_runs_machine_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "ipc",
        "--software",
        "compiled",
        "--device",
        "spike",
        "--harts",
        "1",
        "--jobs",
        "1",
        "--rounds",
        "2",
    ]
    assert main([*words, "--concurrency", "2", "--out", str(tmp_path)]) == 0
    assert "3 points, every IPC answered" in capsys.readouterr().out
    for more, sentence in (
        (["--concurrency", "129"], "concurrency must be 1 to 128 for IPC as machine code"),
        (["--flavour", "intel"], "flavour must be riscv as machine code, not 'intel'"),
    ):
        assert main([*words, *more, "--out", str(tmp_path)]) == 2
        assert sentence in capsys.readouterr().err


def test_an_answer_that_is_missing_is_found() -> None:
    point = IpcPoint(kind="async", harts=1, concurrency=1, rounds=1)
    marks = tuple(Marker(n, 0, moment, 1) for n, moment in enumerate((3, 4)))
    with pytest.raises(ConservationError, match="must be replied 1 times"):
        check_answers(marks, point)

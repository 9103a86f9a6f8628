"""The IPC experiment: points, figures, command."""

import json
from functools import partial
from pathlib import Path

import pytest

from rel4.bench.ipc import IpcPoint, IpcRecord, render_ipc, run_ipc
from rel4.cli import main
from rel4.machine.costs import load_costs
from rel4.reference.device import run


def record(kind: str, harts: int, concurrency: int) -> IpcRecord:
    point = IpcPoint(kind=kind, harts=harts, concurrency=concurrency, rounds=5)
    found: IpcRecord = run(point.config, partial(run_ipc, point))
    return found


def test_a_synchronous_round_trip_costs_what_its_halves_cost() -> None:
    costs = load_costs()
    traps = 2 * (costs["trap.entry"] + costs["trap.exit"] + costs["user.ipc"])
    slow, fast = record("sync", 1, 4), record("sync-fastpath", 1, 4)
    assert slow.cycles - traps == pytest.approx(3 * costs["kernel.ipc"], rel=0.05)
    fastpath = costs["kernel.fastpath_call"] + costs["kernel.fastpath_reply_recv"]
    # Two threads share the hart, and each finds zeros in the eight registers of user interrupts
    # that the other may have written: two cycles a register and switch.
    hidden = 2 * 8 * 2
    assert fast.cycles - traps == pytest.approx(fastpath + hidden, rel=0.05)
    assert (slow.traps, slow.user_interrupts) == (2, 0)


@pytest.mark.parametrize("harts", [1, 2])
def test_user_interrupts_replace_traps(harts: int) -> None:
    alone, many = record("async", harts, 1), record("async", harts, 16)
    assert alone.user_interrupts == pytest.approx(2, abs=0.3)
    assert many.cycles < alone.cycles
    if harts == 2:
        assert alone.traps == many.traps == 0
    else:
        assert many.traps < alone.traps / 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kind": "x"}, "kind must be one of sync, sync-fastpath, async, not 'x'"),
        ({"harts": 3}, "harts must be 1 to 2, not 3"),
        ({"concurrency": 0}, "concurrency must be 1 to 4096, not 0"),
        ({"rounds": 0}, "rounds must be 1 to 1000000, not 0"),
    ],
)
def test_points_are_checked(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        IpcPoint(**{"kind": "sync", "harts": 1, "concurrency": 1, **arguments})  # type: ignore[arg-type]


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["ipc", "--harts", "1", "--concurrency", "1", "--rounds", "3"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out" / "ipc.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["sync", "sync-fastpath", "async"]
    assert "3 points, every IPC answered" in capsys.readouterr().out
    assert main([*arguments, "--harts", "5"]) == 2
    assert "harts must be 1 to 2, not 5" in capsys.readouterr().err


def test_the_table_sets_published_ratios_beside_ours() -> None:
    def made(kind: str, cycles: float) -> IpcRecord:
        return IpcRecord(
            flavour="riscv",
            kind=kind,
            harts=1,
            concurrency=1,
            ipcs=1,
            cycles=cycles,
            traps=2.0,
            user_interrupts=0.0,
        )

    table = render_ipc([made("sync", 300.0), made("async", 400.0)])
    assert "0.75       0.76" in table

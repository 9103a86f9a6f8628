"""The ping-pong experiment: what each way costs, and the command."""

import json
from functools import partial
from pathlib import Path

import pytest

from rel4.bench.pingpong import KINDS, PingPoint, PingRecord, render_pingpong, run_pingpong
from rel4.cli import main
from rel4.machine.costs import load_costs
from rel4.reference.device import run
from uintr.registers import Flavour

BOTH = pytest.mark.parametrize("flavour", Flavour)


def record(kind: str, harts: int, flavour: Flavour) -> PingRecord:
    point = PingPoint(kind=kind, harts=harts, rounds=10, flavour=flavour)
    found: PingRecord = run(point.config, partial(run_pingpong, point))
    return found


@BOTH
def test_on_two_harts_user_interrupts_need_no_trap_and_are_the_quickest(flavour: Flavour) -> None:
    by_kind = {kind: record(kind, 2, flavour) for kind in KINDS}
    assert by_kind["uintr"].traps == 0
    assert by_kind["uintr"].user_interrupts == 2
    assert min(by_kind.values(), key=lambda found: found.median).kind == "uintr"
    for kind in ("signal", "notification", "pipe"):
        assert by_kind[kind].traps >= 2
    assert by_kind["notification"].user_interrupts == by_kind["pipe"].user_interrupts == 0


@BOTH
def test_a_signal_is_a_user_interrupt_and_two_system_calls(flavour: Flavour) -> None:
    costs = load_costs()
    direct, signal = record("uintr", 2, flavour), record("signal", 2, flavour)
    assert (signal.traps, signal.user_interrupts) == (2, 2)
    # The way out of the kernel is beside the other thread's handler.
    calls = 2 * (costs["trap.entry"] + costs["kernel.signal"])
    assert signal.least - direct.least == pytest.approx(calls, rel=0.05)


@BOTH
def test_a_notification_on_one_hart_costs_its_four_system_calls(flavour: Flavour) -> None:
    costs = load_costs()
    found = record("notification", 1, flavour)
    assert found.traps == 4
    traps = 4 * (costs["trap.entry"] + costs["trap.exit"])
    assert found.least - traps == pytest.approx(4 * costs["kernel.signal"], rel=0.05)
    assert found.least <= found.median <= found.most


def test_points_are_checked() -> None:
    for arguments, sentence in (
        ({"kind": "x"}, f"kind must be one of {', '.join(KINDS)}, not 'x'"),
        ({"harts": 3}, "harts must be 1 to 2, not 3"),
        ({"rounds": 0}, "rounds must be 1 to 1000000, not 0"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            PingPoint(**{"kind": "uintr", "harts": 1, **arguments})  # type: ignore[arg-type]  # bad ones too


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["pingpong", "--harts", "2", "--rounds", "3", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in (out / "pingpong.jsonl").read_text("utf-8").splitlines()]
    assert [(row["flavour"], row["kind"]) for row in rows] == [
        (flavour, kind) for flavour in Flavour for kind in KINDS
    ]
    assert render_pingpong([PingRecord(**row) for row in rows]) in capsys.readouterr().out
    for arguments, sentence in (
        (["--harts", "3"], "harts must be 1 to 2, not 3"),
        (["--flavour", "arm"], "flavour must be one of riscv, intel, not 'arm'"),
    ):
        assert main(["pingpong", *arguments]) == 2
        assert capsys.readouterr().err == f"rel4: {sentence}\n"

"""The timeline: structure, balance, arrows; the waveform's numbers and views."""

import json
import shutil
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rel4 import cli
from rel4.bench.point import Point, simulate
from rel4.machine.device import run_sync
from rel4.machine.events import AsyncReplied, Event, Mark, Trap, UipiDone, UserTrap
from rel4.reference.device import ReferenceDevice
from rel4.trace.perfetto import CALLS, HARTS, chrome_trace
from rel4.trace.posts import deliveries
from rel4.trace.states import hart_states
from rel4.trace.waveform import align_waveform, to_fst, write_views

Records = list[dict[str, Any]]


@pytest.fixture(
    scope="module", params=[("tick", 1), ("tick-smp", 2), ("ipi", 2), ("inline", 1), ("uipi", 2)]
)
def run(request: pytest.FixtureRequest) -> tuple[list[Event], Records]:
    policy, harts = request.param
    point = Point(policy=policy, harts=harts, concurrency=4, rounds=2)
    events = run_sync(simulate(point, ReferenceDevice(point.config))).events
    return events, chrome_trace(events)["traceEvents"]


def slices(records: Records) -> dict[tuple[int, int], list[tuple[int, int, str]]]:
    """Begin, end and name of every slice of every track; fails where they do not balance."""
    found = defaultdict(list)
    open_: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    last: dict[tuple[int, int], int] = defaultdict(int)
    for record in records:
        track = (record["pid"], record["tid"])
        match record["ph"]:
            case "B":
                assert record["ts"] >= last[track]
                last[track] = record["ts"]
                open_[track].append((record["ts"], record["name"]))
            case "E":
                assert record["ts"] >= last[track]
                last[track] = record["ts"]
                begin, name = open_[track].pop()
                found[track].append((begin, record["ts"], name))
            case "X":
                assert record["dur"] >= 0
                found[track].append((record["ts"], record["ts"] + record["dur"], record["name"]))
            case _:
                pass
    assert not any(open_.values())
    return found


def test_every_record_has_what_the_format_asks_for(run: tuple[list[Event], Records]) -> None:
    for record in run[1]:
        assert record["ph"] in "BEXMisfbe"
        assert {"pid", "tid"} <= record.keys()
        assert record["ph"] == "M" or isinstance(record["ts"], int)
        assert record["ph"] == "E" or record["name"]


def test_slices_balance_and_nest(run: tuple[list[Event], Records]) -> None:
    for track in slices(run[1]).values():
        ordered = sorted(track, key=lambda s: (s[0], -s[1]))
        stack: list[int] = []
        for begin, end, _ in ordered:
            while stack and stack[-1] <= begin:
                stack.pop()
            assert not stack or end <= stack[-1]
            stack.append(end)


def test_every_trap_and_handler_is_a_slice(run: tuple[list[Event], Records]) -> None:
    events, records = run
    names = [
        name for (pid, _), track in slices(records).items() if pid == HARTS for *_, name in track
    ]
    for cause in ("ecall", "timer", "uipi"):
        traps = sum(isinstance(e, Trap) and e.cause == cause for e in events)
        assert names.count(f"kernel: {cause}") == traps
    handlers = [r for r in records if r["ph"] == "B" and "pc" in r.get("args", {})]
    assert len(handlers) == sum(isinstance(e, UserTrap) for e in events)
    batches = [r["args"]["calls"] for r in records if r.get("cat") == "batch"]
    assert sum(batches) == 16


def test_every_arrow_has_both_ends_and_they_lie_in_slices(
    run: tuple[list[Event], Records],
) -> None:
    events, records = run
    ends: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    for record in records:
        if record.get("cat") == "post":
            assert record["ph"] not in ends[record["id"]]
            ends[record["id"]][record["ph"]] = record
    assert len(ends) == len(deliveries(events))
    assert ends or not any(isinstance(e, UserTrap) for e in events)
    tracks = slices(records)
    for pair in ends.values():
        assert pair.keys() == {"s", "f"}
        assert pair["s"]["ts"] <= pair["f"]["ts"]
        for end in pair.values():
            track = tracks[end["pid"], end["tid"]]
            assert any(begin <= end["ts"] <= until for begin, until, _ in track)


def test_every_call_begins_and_ends_once(run: tuple[list[Event], Records]) -> None:
    events, records = run
    calls: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for record in records:
        if record["pid"] == CALLS and record["ph"] in "be":
            calls[record["id"]].append((record["ph"], record["name"]))
    assert len(calls) == sum(isinstance(e, AsyncReplied) for e in events)
    for steps in calls.values():
        (_, label), *_ = steps
        assert steps == [
            ("b", label),
            ("b", "waits for the kernel"),
            ("e", "waits for the kernel"),
            ("b", "waits for its reply"),
            ("e", "waits for its reply"),
            ("e", label),
        ]


def test_states_follow_the_hart(run: tuple[list[Event], Records]) -> None:
    for track in hart_states(run[0]).values():
        cycles = [cycle for cycle, _ in track]
        assert cycles == sorted(set(cycles))
        assert all(one[1] != other[1] for one, other in pairwise(track))


VCD = """$timescale 1ns $end
$scope module uintr_top $end
$var wire 1 a clk $end
$var wire 1 b hart__0__interrupt $end
$var wire 2 c hart__0__privilege [1:0] $end
$var wire 1 d $auto$backend.cc:1:dump$1 $end
$upscope $end
$enddefinitions $end
#0
0a
#1
1a
#2
0a
#3
1a
"""


def test_waveform_gets_cycle_numbers_and_states(tmp_path: Path) -> None:
    raw, vcd = tmp_path / "raw.vcd", tmp_path / "waves.vcd"
    raw.write_text(VCD)
    trap, mark = Trap("timer", "root"), Mark("begin")
    post = UipiDone(
        cycle=20, hart=0, function="SEND", operand=0, table=0, receiver=0, data=0, status="OK"
    )
    for event in (trap, mark):
        event.cycle, event.hart = 1, 0
    names = align_waveform(raw, vcd, [trap, mark])
    body = vcd.read_text().partition("$enddefinitions $end\n")[2].splitlines()
    assert body == [
        *("#0", "b0 _cycle", "skernel:boot _hart0", "0a"),
        *("#5", "1a"),
        *("#10", "b1 _cycle", "skernel:timer _hart0", "0a"),
        *("#15", "1a"),
    ]
    gtkwave, surfer = write_views(vcd, names, [trap, mark, post])
    assert "$auto" not in vcd.read_text()
    assert "[timestart] 80" in gtkwave.read_text().splitlines()
    assert '[dumpfile] "waves.vcd"' in gtkwave.read_text()
    assert "uintr_top.hart__0__privilege[1:0]" in gtkwave.read_text().splitlines()
    assert "variable_add uintr_top.hart__0__privilege" in surfer.read_text().splitlines()
    assert "cursor_set 80" in surfer.read_text().splitlines()


def test_no_vcd(tmp_path: Path) -> None:
    (tmp_path / "raw.vcd").write_text("something else\n")
    with pytest.raises(ValueError, match="the waveform must be a VCD with definitions"):
        align_waveform(tmp_path / "raw.vcd", tmp_path / "waves.vcd", [])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", "--out", str(tmp_path / "t")]) == 0
    trace = json.loads((tmp_path / "t" / "trace.json").read_text())
    assert trace["otherData"]["policy"] == "tick"
    assert "ui.perfetto.dev" in capsys.readouterr().out
    assert cli.main(["trace", "--concurrency", "2,4", "--out", str(tmp_path)]) == 2
    assert "trace must be of one policy, one N and one seed, not of 2" in capsys.readouterr().err


def test_stored_logs_are_traced_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    point = "--policy tick --concurrency 2 --rounds 1 --jobs 1"
    for name, period in (("a", 20_000), ("b", 20_000), ("c", 5_000)):
        words = f"sweep {point} --timer-period {period} --out {tmp_path / name}"
        assert cli.main(words.split()) == 0
    a, b, c = (str(tmp_path / name / "tick-h1-n2-s1.jsonl.gz") for name in "abc")
    capsys.readouterr()
    assert cli.main(["trace", a, "--out", str(tmp_path / "t")]) == 0
    trace = json.loads((tmp_path / "t" / "trace.json").read_text())
    assert trace["otherData"]["log"] == a
    events = capsys.readouterr().out.partition(" events")[0]
    assert cli.main(["compare", a, b]) == 0
    assert f"identical, {events} events" in capsys.readouterr().out
    assert cli.main(["compare", a, c]) == 2
    assert "logs must be of one point" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("vcd2fst") is None, reason="vcd2fst (GTKWave) is not installed")
def test_fst_is_made_by_gtkwaves_converter(tmp_path: Path) -> None:
    vcd = tmp_path / "waves.vcd"
    vcd.write_text(VCD)
    fst = to_fst(vcd)
    assert fst.suffix == ".fst"
    assert fst.stat().st_size > 0


def test_without_the_converter_fst_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcd = tmp_path / "waves.vcd"
    vcd.write_text(VCD)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="^vcd2fst must be installed for FST .* not in PATH$"):
        to_fst(vcd)

"""The experiment on the reference device: points, conservation, sweep and command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rel4.bench.compare import event_lines, first_difference
from rel4.bench.conservation import ConservationError, PendingAtEnd, check_conservation
from rel4.bench.device_batches import split_evenly
from rel4.bench.point import Point, simulate
from rel4.bench.policies import POLICIES
from rel4.bench.results import read_results
from rel4.cli import main
from rel4.machine import events as ev
from rel4.machine.costs import load_costs
from rel4.machine.device import Device, find_device
from rel4.machine.events import Event, EventLog
from rel4.trace.logfile import read_about, read_events
from uintr.registers import CSRS, Csr, Flavour

RECEIVER_0 = CSRS[Csr.SUIRS].pack(en=1, index=0)


# --- conservation ---------------------------------------------------------------------------------


def _good_run() -> list[Event]:
    """One request, its reply and the user interrupt that announces it."""
    return [
        ev.SenderEntryWritten(table=1, index=0, vector=5, receiver=0),
        ev.AsyncSubmitted(cid=3, label="PUT_CHAR"),
        ev.AsyncHandled(cid=3, label="PUT_CHAR", error="NO_ERROR"),
        ev.UipiDone("SEND", 0, 1, RECEIVER_0, 0, "OK"),
        ev.UserTrap("root", 4, 0x1000),
        ev.UipiDone("READ", 0, 1, RECEIVER_0, 1 << 5, "OK"),
        ev.UserReturn("root", 4),
        ev.AsyncReplied(cid=3),
    ]


def _check(events: list[Event], pending: PendingAtEnd | None = None) -> int:
    """Returns how many events it looked through."""
    log = EventLog()
    for cycle, event in enumerate(events):
        log.append(event, cycle=cycle, hart=0)
    check_conservation(log, pending or PendingAtEnd())
    return len(log.events)


def test_a_complete_run_is_conserved() -> None:
    assert _check(_good_run()) == 8


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda run: run.pop(1), "request of coroutine 3 was handled twice"),
        (lambda run: run.pop(2), "reply that nobody made"),
        (lambda run: run.pop(7), "coroutine 3: was not handled and replied"),
        (lambda run: run.pop(3), "bits 0x20 nobody posted"),
        (lambda run: run.pop(0), "entry 0 nobody wrote"),
        (lambda run: run.pop(6), "never returned from its user-interrupt handler"),
        (lambda run: run.pop(5), "a user interrupt came without a post"),
        (lambda run: run.insert(5, run[4]), "inside its handler"),
        (lambda run: run.insert(7, run[3]), "receiver 0 has 0x0 pending at the end"),
        (lambda run: run.insert(3, run[2]), "handled twice"),
    ],
)
def test_every_loss_and_every_invention_is_found(
    break_it: Callable[[list[Event]], object], sentence: str
) -> None:
    run = _good_run()
    break_it(run)
    with pytest.raises(ConservationError, match=sentence):
        _check(run)


def test_pending_bits_at_the_end_are_found() -> None:
    run = [*_good_run(), _good_run()[3]]
    with pytest.raises(ConservationError, match="still has 0x20 pending"):
        _check(run, PendingAtEnd({0: 1 << 5}))


def test_the_kernel_may_have_looked_before_it_was_told() -> None:
    """What tells it of a request that was answered by then waits for the hart's next tick."""
    assert _check([*_good_run(), _good_run()[3]], PendingAtEnd({0: 1 << 5}, kernel={0})) == 9


def test_a_client_may_end_while_the_next_hart_serves_no_more() -> None:
    """Its last wake-up is pending at a hart that spent its allowance and has its own client."""
    costs = load_costs().changed({"kernel.invocation": 1_129})
    point = Point(policy="poll", harts=4, clients=4, concurrency=4)
    log = find_device("reference")(point.config, lambda device: simulate(point, device, costs))
    assert sum(isinstance(event, ev.AsyncReplied) for event in log) == point.calls


def test_what_a_run_left_pending_is_not_the_next_ones() -> None:
    """Of Intel's receivers, which are memory, and survive a reset of the device."""

    async def both(device: Device) -> None:
        for policy, seed in (("poll", 6), ("adaptive", 7)):
            await device.reset()
            log = await simulate(replace(point, policy=policy, seed=seed), device)
            answered.append(sum(isinstance(event, ev.AsyncReplied) for event in log))

    answered: list[int] = []
    point = Point(policy="poll", harts=4, clients=4, concurrency=16, flavour=Flavour.INTEL)
    find_device("reference")(point.config, both)
    assert answered[0] == point.calls
    assert 0 < answered[1] <= point.calls


# --- points ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["sync", "tick", "tick-smp"])
def test_time_jumps_do_not_change_a_run(policy: str) -> None:
    jumps = Point(policy=policy, harts=2, concurrency=2, rounds=2)
    ticks = Point(policy=policy, harts=2, concurrency=2, rounds=2, jump=False)
    one, other = event_lines(jumps, "reference"), event_lines(ticks, "reference")
    assert len(one) > 50
    assert first_difference(one, other) is None


def test_runs_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "import hashlib;from rel4.bench.compare import event_lines;from rel4.bench.point import "
        "Point;p=Point(policy='tick-smp',harts=2,concurrency=8);"
        "print(hashlib.sha256('\\n'.join(event_lines(p,'reference')).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 65


@pytest.mark.parametrize("policy", ["sync", "tick", "inline"])
def test_in_the_experiment_every_path_costs_what_the_table_says(policy: str) -> None:
    """No path's operations exceed its published or derived total."""
    costs = load_costs()
    point = Point(policy=policy, harts=1, concurrency=8, rounds=3)
    lines = [json.loads(line) for line in event_lines(point, "reference")]
    begin, end = (line["cycle"] for line in lines if line["event"] == "Mark")
    done = [line for line in lines if line["event"] == "PathDone" and begin < line["cycle"] < end]
    assert len(done) > 50
    assert [line for line in done if line["cycles"] != costs[line["name"]]] == []


def test_another_seed_is_another_run() -> None:
    one, other = (
        event_lines(Point(policy="tick", harts=1, concurrency=4, seed=seed), "reference")
        for seed in (1, 2)
    )
    difference = first_difference(one, other)
    assert difference is not None
    assert difference.startswith("event ")


def test_work_is_split_evenly_and_completely() -> None:
    points = [Point(policy="tick", harts=1, concurrency=2**n) for n in range(1, 10)]
    lists = split_evenly(points, 2, lambda point: point.calls)
    assert sorted(p.concurrency for part in lists for p in part) == [2**n for n in range(1, 10)]
    sizes = [sum(p.calls for p in part) for part in lists]
    assert max(sizes) == 20 * 512


# --- the command ----------------------------------------------------------------------------------


def test_sweep_writes_everything_it_promises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    arguments = ["sweep", "--concurrency", "2,4", "--rounds", "2", "--out", str(out)]
    assert main([*arguments, "--policy", "sync,tick", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "4 points, every request answered once" in printed
    names = sorted(path.name for path in out.iterdir())
    logs = [name for name in names if name.endswith(".jsonl.gz")]
    assert logs == [f"{p}-h1-n{n}-s1.jsonl.gz" for p in ("sync", "tick") for n in (2, 4)]
    assert {"results.jsonl", "results.csv"} < set(names)
    assert len([name for name in names if name.endswith((".png", ".svg"))]) == 4
    records = read_results(out / "results.jsonl")
    sync = records[0]
    assert (sync.policy, sync.syscalls, sync.traps, sync.user_interrupts) == ("sync", 8, 8, 0)
    assert sync.cycles_per_round == pytest.approx(sync.cycles / 4)
    tick = records[-1]
    assert len(read_events(out / "tick-h1-n4-s1.jsonl.gz")) > 50
    assert read_about(out / "tick-h1-n4-s1.jsonl.gz")["run"] == tick.run
    assert 0 < tick.traps < tick.syscalls
    assert tick.user_interrupts > 0


def test_an_interrupted_sweep_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A finished point is kept beside a failed one, and taken over with --resume."""
    out = tmp_path / "sweep"
    base = ["sweep", "--rounds", "1", "--policy", "sync", "--jobs", "1", "--out", str(out)]
    parts = out / ".parts"
    out.mkdir()
    figure = out / "results.csv"
    figure.mkdir()  # writing the results fails, after the points are done
    assert main([*base, "--concurrency", "2"]) == 2
    assert f"{figure} must be a file, and is a folder" in capsys.readouterr().err
    assert "points.jsonl" in [path.name for path in parts.iterdir()]
    figure.rmdir()
    assert main([*base, "--concurrency", "2,3", "--resume"]) == 0
    assert "1 of 2 points were finished before" in capsys.readouterr().out
    assert not parts.exists()
    assert len(read_results(out / "results.jsonl")) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--policy", "magic"],
            f"policy must be one of {', '.join(POLICIES)}, not 'magic'",
        ),
        (["--concurrency", "0"], "concurrency must be 1 to 4096, not 0"),
        (["--concurrency", "4097"], "concurrency must be 1 to 4096, not 4097"),
        (["--concurrency", "2,two"], "concurrency must be whole numbers"),
        (["--concurrency", "2,2"], "concurrency must name each value once, not 2 twice"),
        (["--harts", "0"], "harts must be 1 to 64, not 0"),
        (["--harts", "65"], "harts must be 1 to 64, not 65"),
        (["--rounds", "0"], "rounds must be 1 to"),
        (["--timer-period", "10"], "timer-period must be 2000 to"),
        (["--device", "toaster"], "device must be one of"),
        (["--jobs", "0"], "jobs must be 1 to 256, not 0"),
        (["--out", __file__], "out must be a folder"),
    ],
)
def test_bad_requests_get_one_sentence_and_status_2(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert main(["sweep", *arguments, *where]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [[], ["sweep", "--harts", "two"], ["sweep", "--frob"], ["x"]])
def test_bad_options_get_one_sentence_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_compare_says_what_it_compared(capsys: pytest.CaptureFixture[str]) -> None:
    base = ["compare", "--policy", "tick", "--concurrency", "2", "--rounds", "1"]
    assert main([*base, "--devices", "reference,reference"]) == 0
    assert "tick N=2 harts=1: identical" in capsys.readouterr().out
    assert main([*base, "--devices", "reference"]) == 2
    assert main([*base, "--devices", "reference", "--no-jump"]) == 0

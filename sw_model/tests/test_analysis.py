"""Latencies and cycle breakdown, from real runs and from logs made by hand."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from rel4.bench.analysis import IDLE, LOCK, breakdown, calls, quantiles, window
from rel4.bench.point import Point, simulate
from rel4.bench.policies import POLICIES
from rel4.bench.workload import WORKLOADS
from rel4.machine.device import run_sync
from rel4.machine.events import (
    AsyncReplied,
    Event,
    EventLog,
    LockWait,
    Mark,
    PathDone,
    Trap,
    TrapReturn,
)
from rel4.reference.device import ReferenceDevice
from rel4.trace.logfile import read_about, read_events, write_log
from rel4.trace.posts import deliveries
from rel4.trace.reader import parse_events


def run(policy: str, *, harts: int = 1, concurrency: int = 4, rounds: int = 2) -> EventLog:
    point = Point(policy=policy, harts=harts, concurrency=concurrency, rounds=rounds)
    return run_sync(simulate(point, ReferenceDevice(point.config)))


@pytest.mark.parametrize(
    ("policy", "harts"),
    [("sync", 1), ("tick", 1), ("tick-smp", 2), ("ipi", 2), ("inline", 1), ("uipi", 2)],
)
def test_breakdown_adds_up_to_the_window_on_every_hart(policy: str, harts: int) -> None:
    events = run(policy, harts=harts).events
    measured = window(events)
    begin, end = measured.begin, measured.end
    parts = breakdown(events, harts)
    assert [sum(part.values()) for part in parts] == [end - begin] * harts
    assert all(cycles > 0 for part in parts for cycles in part.values())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_call_of_every_policy_is_found(policy: str, workload: str) -> None:
    point = Point(policy=policy, harts=4, concurrency=3, rounds=2, workload=workload)
    events = run_sync(simulate(point, ReferenceDevice(point.config))).events
    assert len(calls(events)) == point.calls
    measured = window(events)
    begin, end = measured.begin, measured.end
    assert all(begin <= call.begin < call.end <= end for call in calls(events))
    assert all(cycles > 0 for part in breakdown(events, 4) for cycles in part.values())


@pytest.mark.parametrize("policy", ["sync", "tick", "uipi"])
def test_several_clients(policy: str) -> None:
    point = Point(policy=policy, harts=4, concurrency=3, rounds=2, clients=2)
    events = run_sync(simulate(point, ReferenceDevice(point.config))).events
    measured = window(events)
    begin, end = measured.begin, measured.end
    # Only what ended before the last client began is missing.
    assert point.calls / 2 < len(calls(events)) <= point.calls
    parts = breakdown(events, 4)
    assert [sum(part.values()) for part in parts] == [end - begin] * 4
    assert all(cycles > 0 for part in parts for cycles in part.values())


def test_calls_of_both_kinds() -> None:
    asynchronous = calls(run("tick").events)
    assert len(asynchronous) == 16
    assert {call.label for call in asynchronous} == {"RISCV_PAGE_MAP", "RISCV_PAGE_UNMAP"}
    assert all(
        call.begin < (call.handled or 0) < (call.replied or 0) < call.end for call in asynchronous
    )
    synchronous = calls(run("sync").events)
    assert len(synchronous) == 16
    assert all(call.handled is None and call.cid == -1 for call in synchronous)
    # Calls that follow one another take the window between them, but for a few cycles.
    assert 0 <= window(run("sync").events).cycles - sum(call.cycles for call in synchronous) < 16


def test_reading_back_gives_the_same_events(tmp_path: Path) -> None:
    log = run("ipi", harts=2)
    write_log(log.lines(), tmp_path / "log.jsonl.gz", {"run": "x"})
    assert read_about(tmp_path / "log.jsonl.gz") == {"run": "x"}
    assert read_events(tmp_path / "log.jsonl.gz") == log.events


def test_a_line_that_is_no_event_is_named() -> None:
    with pytest.raises(ValueError, match="event 1 must be one of this version, not 'x'"):
        list(parse_events(["x"]))


def test_quantiles_are_values_that_occurred() -> None:
    assert quantiles([]) is None
    few = quantiles([7, 1, 100])
    assert few is not None
    assert (few.p50, few.p90, few.p99, few.most) == (7, 100, 100, 100)


def test_every_delivery_follows_its_post() -> None:
    found = deliveries(run("tick", concurrency=8).events)
    assert found
    assert all(d.sent <= d.taken <= d.read for d in found)


def test_a_post_to_the_kernel_ends_in_its_trap() -> None:
    events = run("uipi", harts=2).events
    traps = {e.cycle for e in events if isinstance(e, Trap) and e.cause == "uipi"}
    found = [d for d in deliveries(events) if d.taker == 1]
    assert found
    assert all(d.taken in traps and d.sender == 0 for d in found)


def stamped(log: EventLog, cycle: int, event: Event) -> None:
    log.append(event, cycle=cycle, hart=0)


def test_parts_are_clipped_to_the_window() -> None:
    log = EventLog()
    add = partial(stamped, log)
    add(10, TrapReturn("idle0"))
    add(100, Mark("begin"))
    add(120, Trap("timer", "idle0"))
    add(150, LockWait(20))
    add(160, PathDone("trap.entry", 10, 120))
    add(170, TrapReturn("root"))
    add(200, Mark("end"))
    add(210, PathDone("user.fetch", 40, 170))
    (part,) = breakdown(log.events, 1)
    assert part == {
        IDLE: 20,
        LOCK: 20,
        "trap.entry": 10,
        "kernel.other": 20,
        "user.fetch": 30,
    }


def test_a_log_that_does_not_fit_is_refused() -> None:
    log = EventLog()
    with pytest.raises(ValueError, match="events must have the marks begin and end, not"):
        window(log.events)
    stamped(log, 0, Mark("begin"))
    stamped(log, 5, AsyncReplied(3))
    stamped(log, 9, Mark("end"))
    with pytest.raises(ValueError, match="a reply to coroutine 3 answers no request"):
        calls(log.events)


def test_events_are_read_back_also_where_nothing_was_collected() -> None:
    """A dataclass with slots replaces its class; the replaced one lives on for a while."""
    program = (
        "import gc; gc.disable()\n"
        "from rel4.machine import events\n"
        "from rel4.trace.reader import parse_events\n"
        'line = \'{"cycle": 1, "hart": 0, "event": "Mark", "name": "begin"}\'\n'
        "(event,) = parse_events([line])\n"
        "assert isinstance(event, events.Mark)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")

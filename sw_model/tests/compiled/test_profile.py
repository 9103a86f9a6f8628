"""Cycles by function."""

from rel4.compiled.profile import function_cycles, render_functions
from rel4.machine.events import Event, EventLog, FunctionEntered, Mark


def log() -> EventLog:
    found = EventLog()
    events: list[tuple[int, int, Event]] = [
        (10, 0, FunctionEntered("main", "hart 0 M")),
        (20, 1, FunctionEntered("other", "hart 1 M")),
        (30, 0, FunctionEntered("leaf", "hart 0 M")),
        (34, 0, FunctionEntered("main", "hart 0 M")),
        (50, 0, Mark("mark 1: 0x0")),
    ]
    for cycle, hart, event in events:
        found.append(event, cycle=cycle, hart=hart)
    return found


def test_a_function_s_own_cycles() -> None:
    assert function_cycles(log()) == {
        (0, "hart 0 M", "main"): 36,
        (0, "hart 0 M", "leaf"): 4,
        (1, "hart 1 M", "other"): 30,
    }


def test_between_two_cycles() -> None:
    assert function_cycles(log(), 25, 32) == {
        (0, "hart 0 M", "main"): 5,
        (0, "hart 0 M", "leaf"): 2,
        (1, "hart 1 M", "other"): 7,
    }
    assert not function_cycles([])


def test_the_table() -> None:
    lines = render_functions(function_cycles(log())).splitlines()
    assert lines[1] == "   0           36  90.0%  hart 0 M      main"
    assert len(lines) == 4

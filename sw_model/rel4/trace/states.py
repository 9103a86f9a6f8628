"""What each hart runs, cycle by cycle: one word for any moment of a run."""

from collections import defaultdict
from collections.abc import Iterable

from rel4.machine.events import Event, Trap, TrapReturn, UserReturn, UserTrap

__all__ = ["hart_states"]


def hart_states(events: Iterable[Event]) -> dict[int, list[tuple[int, str]]]:
    """For each hart, the cycles in which what it runs changes, and to what.

    A state is ``kernel:CAUSE``, ``THREAD``, ``THREAD:handler`` or ``idleH``. Only the last change
    of a cycle is kept.
    """
    states: dict[int, list[tuple[int, str]]] = defaultdict(list)
    depth: dict[str, int] = defaultdict(int)

    def change(event: Event, state: str) -> None:
        track = states[event.hart]
        if track and track[-1][0] == event.cycle:
            track.pop()
        if not track or track[-1][1] != state:
            track.append((event.cycle, state))

    for event in events:
        states.setdefault(event.hart, [(0, "kernel:boot")])
        match event:
            case Trap():
                change(event, f"kernel:{event.cause}")
            case UserTrap():
                depth[event.thread] += 1
                change(event, f"{event.thread}:handler")
            case UserReturn():
                depth[event.thread] -= 1
                change(event, f"{event.thread}{':handler' if depth[event.thread] else ''}")
            case TrapReturn():
                change(event, f"{event.thread}{':handler' if depth[event.thread] else ''}")
            case _:
                pass
    return dict(states)

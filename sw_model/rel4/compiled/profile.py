"""Where the cycles went, by function: from the event log of a traced run."""

from collections import Counter
from collections.abc import Iterable

from rel4.machine.events import Event, FunctionEntered

__all__ = ["function_cycles", "render_functions"]


def function_cycles(
    events: Iterable[Event], first: int = 0, last: int | None = None
) -> Counter[tuple[int, str, str]]:
    """Cycles that each (hart, context, function) had from cycle ``first`` up to ``last``, or to the
    log's last event. A function's own: what it calls is counted for itself.
    """
    found: Counter[tuple[int, str, str]] = Counter()
    now: dict[int, tuple[int, str, str]] = {}
    since: dict[int, int] = {}
    cycle = 0

    def leave(hart: int, until: int) -> None:
        if hart in now:
            end = until if last is None else min(until, last)
            if end > (begin := max(since[hart], first)):
                found[now[hart]] += end - begin

    for event in events:
        cycle = event.cycle
        if isinstance(event, FunctionEntered):
            leave(event.hart, cycle)
            now[event.hart] = (event.hart, event.context, event.name)
            since[event.hart] = cycle
    for hart in now:
        leave(hart, cycle)
    return found


def render_functions(found: Counter[tuple[int, str, str]]) -> str:
    """A table, a line for each, those with the most cycles first."""
    totals: Counter[int] = Counter()
    for (hart, _, _), cycles in found.items():
        totals[hart] += cycles
    lines = [f"{'hart':>4} {'cycles':>12} {'share':>6}  context       function"]
    for (hart, context, name), cycles in sorted(
        found.items(), key=lambda each: (-each[1], each[0])
    ):
        share = 100 * cycles / totals[hart]
        lines.append(f"{hart:>4} {cycles:>12,} {share:>5.1f}%  {context:<12}  {name}")
    return "\n".join(lines) + "\n"

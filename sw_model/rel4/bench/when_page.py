"""The tables of docs/when.md, from stored compiled runs and measured costs:
``python -m rel4.bench.when_page``. What a run costs is never typed there by hand."""

import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rel4.machine.costs import Costs, measured_costs
from uintr.files import write_atomically

from .compiled import Setup
from .measure import MEASURED
from .published import published_point
from .results import PointRecord, read_results

__all__ = ["break_even_trap", "tables"]

DOCS = Path("docs")
BATCH = 8
"""Calls of a wake trap in the direct style, with that many coroutines or more."""
POLICIES = (
    *(("tick", 1), ("inline", 1), ("adaptive", 1), ("uipi", 2), ("poll", 2), ("tick-smp", 2)),
    *(("ipi", 2), ("adaptive", 2), ("sync", 2)),
)

Find = Callable[..., float | None]


def _finder(records: Iterable[PointRecord]) -> Find:
    """Cycles per call of a run, by policy, harts, N and what it was made with and ran on."""
    cycles = {}
    for record in records:
        family = "clang" if "clang" in (record.compiler or "") else "gcc"
        place = (record.cache_kib, record.memory_latency)
        key = (record.policy, record.harts, record.concurrency, family, record.flags, *place)
        cycles[key] = record.cycles / record.syscalls

    def find(
        policy: str,
        n: int,
        *,
        harts: int = 1,
        latency: int = 1,
        cache: int = 4,
        switch: int = 0,
        compiler: str = "gcc",
        level: str = "2",
    ) -> float | None:
        flags = Setup(optimise=level, root_switch=switch).flags
        return cycles.get((policy, harts, n, compiler, flags, cache, latency))

    return find


def _ratio(above: float | None, below: float | None) -> str:
    return "" if above is None or below is None else f"{above / below:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def _gains(find: Find) -> str:
    """Synchronous cycles of one hart over the policy's, and the published curves."""
    numbers = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    rows: list[list[object]] = [
        ["`sync`, cycles", 1, *(f"{find('sync', n) or 0:.0f}" for n in numbers)]
    ]
    for policy, harts in POLICIES:
        gains = [_ratio(find("sync", n), find(policy, n, harts=harts)) for n in numbers]
        rows.append([f"`{policy}`", harts, *gains])
    for policy, harts in (("tick", 1), ("tick-smp", 2)):
        published = [(published_point("sync", n), published_point(policy, n)) for n in numbers]
        gains = [
            _ratio(a.cycles_per_round, b.cycles_per_round) if a and b else "" for a, b in published
        ]
        rows.append([f"`{policy}`, published", harts, *gains])
    return _table(["policy", "harts", *(f"N = {n}" for n in numbers)], rows)


def break_even_trap(costs: Costs, batch: int = BATCH) -> float:
    """Cycles that a trap, entry and exit, must cost for a batch of asynchronous calls in one trap
    to be no slower than as many synchronous ones, everything else being as in ``costs``."""
    user = ("user.fill_and_send", "user.look", "user.get_reply", "user.resume")
    asynchronous = costs["kernel.async_call"] + sum(costs[name] for name in user)
    synchronous = costs["kernel.invocation"] + costs["user.invoke"]
    return (asynchronous + costs["kernel.wake"] / batch - synchronous) / (1 - 1 / batch)


def _surface(find: Find) -> str:
    """Break-even predicted from costs, and gains as measured."""
    rows = []
    for cache in (4, 16):
        for latency in (1, 10, 30, 100):
            predicted = []
            for switch in (0, 1, 2):
                costs = measured_costs(memory_latency=latency, cache_kib=cache, root_switch=switch)
                trap = costs["trap.entry"] + costs["trap.exit"]
                predicted.append(f"{trap} / {break_even_trap(costs):.0f}")
            gains = [
                _ratio(
                    find("sync", 16, latency=latency, cache=cache, switch=switch),
                    find("inline", n, latency=latency, cache=cache, switch=switch),
                )
                for switch in (0, 1, 2)
                for n in (8, 64)
            ]
            rows.append([cache, latency, *predicted, *gains])
    head = ["cache KiB", "latency", "costs / must cost", "switch", "forget", "N = 8", "N = 64"]
    return _table([*head, "8, switch", "64, switch", "8, forget", "64, forget"], rows)


def _compilers(find: Find) -> str:
    rows = []
    for compiler in ("gcc", "clang"):
        for level in ("2", "s"):
            made = {"compiler": compiler, "level": level}
            sync = find("sync", 16, **made)
            rows.append(
                [
                    f"{compiler} -O{level}",
                    "" if sync is None else f"{sync:.0f}",
                    *(_ratio(sync, find("inline", n, **made)) for n in (8, 64)),
                    _ratio(sync, find("uipi", 16, harts=2, **made)),
                    _ratio(sync, find("poll", 1, harts=2, **made)),
                ]
            )
    head = ["compiler", "`sync`, N = 16, cycles", "`inline` 8", "`inline` 64"]
    return _table([*head, "`uipi` 16", "`poll` 1"], rows)


def _second_hart(find: Find) -> str:
    rows = []
    for cache in (4, 16):
        for latency in (1, 10, 30, 100):
            place = {"latency": latency, "cache": cache}
            sync = find("sync", 16, **place)
            uipi = _ratio(sync, find("uipi", 16, harts=2, **place))
            poll = _ratio(sync, find("poll", 1, harts=2, **place))
            if uipi or poll:
                rows.append([cache, latency, uipi, poll])
    return _table(["cache KiB", "latency", "`uipi`, N = 16", "`poll`, N = 1"], rows)


def _costs() -> str:
    places = [(4, 1, 0), (4, 30, 0), (16, 1, 0), (16, 30, 0), (4, 1, 1), (4, 1, 2)]
    beside = measured_costs(memory_latency=1, cache_kib=4, harts=2)
    tables = [
        measured_costs(memory_latency=latency, cache_kib=cache, root_switch=switch)
        for cache, latency, switch in places
    ]
    names = {
        name
        for costs in (tables[0], beside)
        for name, cost in costs.table.items()
        if cost.provenance == "measured"
    }
    kinds = ("", ", switch", ", forget")
    head = [
        "cost",
        *(f"{cache} KiB, latency {latency}{kinds[kind]}" for cache, latency, kind in places),
        "4 KiB, latency 1, where two harts differ",
    ]

    def cell(costs: Costs, name: str) -> object:
        return costs[name] if costs.table[name].provenance == "measured" else ""

    def row(name: str) -> list[object]:
        other = beside[name] if beside.table[name] != tables[0].table[name] else ""
        return [f"`{name}`", *(cell(each, name) for each in tables), other]

    return _table(head, [row(name) for name in sorted(names)])


def _measures() -> str:
    """What two harts were seen to take, with its spread, that is no cost of the model's."""
    rows = [
        [name, row["cache_kib"], row["memory_latency"], *each["spread"], each["samples"]]
        for row in tomllib.loads(MEASURED.read_text("utf-8"))["at"]
        for name, each in row.get("measures", {}).items()
    ]
    head = ["", "cache KiB", "latency", "5 %", "median", "95 %", "samples"]
    return _table(head, sorted(rows, key=lambda row: str(row[0])))


def tables(records: Sequence[PointRecord]) -> dict[str, str]:
    """Every table of the page, by the name of its place."""
    find = _finder(records)
    return {
        "gains": _gains(find),
        "surface": _surface(find),
        "second hart": _second_hart(find),
        "costs": _costs(),
        "measures": _measures(),
        "compilers": _compilers(find),
    }


def filled(text: str, made: dict[str, str]) -> str:
    """The page with its tables between their marks.

    Raises
    ------
    ValueError : a mark is missing.
    """
    for name, table in made.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        if begin not in text or end not in text:
            raise ValueError(f"the page must have the marks of {name!r}")
        head, rest = text.split(begin, 1)
        text = f"{head}{begin}{table}\n{end}{rest.split(end, 1)[1]}"
    return text


def main() -> int:
    """Write the tables into docs/when.md."""
    page = DOCS / "when.md"
    made = tables(read_results(DOCS / "data" / "compiled.jsonl"))
    write_atomically(page, filled(page.read_text("utf-8"), made).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())

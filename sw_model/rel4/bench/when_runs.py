"""The stored runs of docs/when.md, made again: ``python -m rel4.bench.when_runs``.

Every point of docs/data/compiled.jsonl that is not of the present commit is run as it was, and
takes its place in the file. What is finished is kept when the run is interrupted.
"""

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from uintr.files import write_atomically
from uintr.program import Parser

from .compiled import Setup, compiled_name, run_compiled
from .point import Point
from .results import PointRecord, read_results, source_commit

__all__ = ["big", "hold_out", "setup_of"]

FILE = Path("docs") / "data" / "compiled.jsonl"
HOLD_OUT = Path("docs") / "data" / "holdout.jsonl"
HELD_OUT = (("sync", 1), ("inline", 1), ("tick", 1), ("sync", 2), ("uipi", 2), ("poll", 2))
GRIDS = ((20, (3, 12, 24)), (5, (5, 10, 40)))
"""Memory latency and numbers of coroutines that are held out."""


def setup_of(record: PointRecord) -> Setup:
    """What a stored run was made with and ran on."""
    switch = re.search(r"-DROOT_SWITCH=(\d+)", record.flags or "")
    level = re.search(r"-O(\w+)", record.flags or "")
    return Setup(
        memory_latency=record.memory_latency or 1,
        cache_kib=record.cache_kib or 4,
        compiler="clang" if "clang" in (record.compiler or "") else "gcc",
        optimise=level[1] if level else "2",
        root_switch=int(switch[1]) if switch else 0,
    )


def hold_out() -> list[tuple[Point, Setup]]:
    """Points that no cost, no definition of a cost and no layout was ever chosen by: other N, and a
    memory latency between those that costs are measured at."""
    return [
        (
            Point(policy=policy, harts=harts, concurrency=concurrency),
            Setup(compiler="gcc", memory_latency=latency),
        )
        for latency, numbers in GRIDS
        for policy, harts in HELD_OUT
        for concurrency in numbers
    ]


def big() -> list[tuple[Point, Setup]]:
    """The published policies up to N = 512."""
    return [
        (Point(policy=policy, harts=harts, concurrency=concurrency), Setup(compiler="gcc"))
        for policy, harts in (("sync", 1), ("tick", 1), ("tick-smp", 2))
        for concurrency in (128, 256, 512)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is of another commit, or is missing."""
    parser = Parser(prog="python -m rel4.bench.when_runs", description=__doc__)
    parser.add_argument("--hold-out", action="store_true", help="those of docs/data/holdout.jsonl")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin none after so many (60)")
    arguments = parser.parse_args(argv)
    limit = time.monotonic() + 60 * arguments.minutes
    file, commit = (HOLD_OUT if arguments.hold_out else FILE), source_commit()
    records: dict[tuple[Point, Setup], PointRecord | None] = {}
    for record in read_results(file) if file.is_file() else []:
        point, setup = Point.of(record), setup_of(record)
        records[point, setup] = record
    for key in hold_out() if arguments.hold_out else big():
        records.setdefault(key, None)
    for (point, setup), old in list(records.items()):
        if old is not None and old.commit == commit:
            continue
        made = run_compiled(point, setup, run=compiled_name(point, setup))
        records[point, setup] = made
        lines = (json.dumps(asdict(each)) + "\n" for each in records.values() if each)
        write_atomically(file, "".join(lines).encode())
        print(made.policy, made.harts, made.concurrency, made.flags, made.cycles, flush=True)
        if time.monotonic() > limit:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())

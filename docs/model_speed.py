"""How fast the model runs, and in what memory: measures it (`make bench-model`), makes tables.

Each run is a process of its own on the reference device. Seconds are of processor time, so that
what else the machine does matters less; memory is the most that the process had.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from marked import table

from rel4.bench.results import source_commit
from uintr.files import write_atomically

__all__ = ["speed_tables"]

STORE = Path(__file__).parent / "data" / "model_speed.json"
COROUTINES = (16, 64, 256, 1024, 4096)
HARTS = (1, 4, 16, 64, 256, 1024)
POLICIES = ("sync", "tick", "inline", "adaptive", "uipi")
COLUMNS = "million cycles | seconds | million cycles a second | memory (MiB)"
RUN = """
import json, resource, sys, time
from rel4.bench.point import Point, simulate
from rel4.machine.device import run_sync
from rel4.reference.device import reference_device
point = Point(**json.loads(sys.argv[1]))
before = time.process_time()
log = run_sync(simulate(point, reference_device(point.config)))
seconds = time.process_time() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([log.events[-1].cycle, seconds, peak]))
"""
"""A run as a program: its own process has its own memory."""


def _runs() -> Iterator[dict[str, Any]]:
    for policy in POLICIES:
        harts = 2 if policy == "uipi" else 1
        yield {"policy": policy, "harts": harts, "concurrency": 64}
    for policy, harts in (("tick", 1), ("uipi", 2)):
        for coroutines in COROUTINES:
            yield {"policy": policy, "harts": harts, "concurrency": coroutines}
    for harts in HARTS:
        yield {"policy": "sync", "harts": harts, "concurrency": 16, "timer_period": 1_000_000}


def _measure() -> None:
    rows = []
    for point in _runs():
        words = [sys.executable, "-c", RUN, json.dumps(point)]
        cycles, seconds, peak = min(
            (
                json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
                for _ in range(3 if point["concurrency"] < 1024 else 1)
            ),
            key=lambda row: float(row[1]),
        )
        rows.append(point | {"cycles": cycles, "seconds": round(seconds, 3), "mib": round(peak)})
        print(rows[-1], flush=True)
    content = {"commit": source_commit(), "rows": rows}
    write_atomically(STORE, (json.dumps(content, indent=1) + "\n").encode())


def _row(row: dict[str, Any], name: str) -> str:
    cycles, seconds = row["cycles"], row["seconds"]
    speed = cycles / seconds / 1e6
    return f"{name} | {cycles / 1e6:,.2f} | {seconds:.2f} | {speed:.1f} | {row['mib']}"


def speed_tables() -> str:
    """Tables of the last measurement."""
    content = json.loads(STORE.read_text(encoding="utf-8"))
    rows = iter(content["rows"])
    policies = [
        _row(row, f"`{row['policy']}`, {row['harts']}") for row in islice(rows, len(POLICIES))
    ]
    coroutines = [
        _row(row, f"`{row['policy']}`, {row['concurrency']:,}")
        for row in islice(rows, 2 * len(COROUTINES))
    ]
    harts = [_row(row, f"{row['harts']:,}") for row in rows]
    return f"""\
`make bench-model`, at {content["commit"]}; seconds of one core, three runs of which the fastest
counts (one from 1 024 coroutines on). Published workload, 64 coroutines:

{table(f"policy, harts | {COLUMNS}", policies)}
More coroutines, of one thread:

{table(f"policy, coroutines | {COLUMNS}", coroutines)}
More harts beside one thread with 16 synchronous loops, timer period 1 000 000. What one more hart
takes is its boot and its ticks:

{table(f"harts | {COLUMNS}", harts).rstrip()}"""


if __name__ == "__main__":
    _measure()

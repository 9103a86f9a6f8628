"""The long run: random programs on the RTL, in lock-step with Spike, every one with its seed.

A shape is what a program runs on; seeds go round the shapes. Records are kept in a file, a line for
each piece of work, so that a run that was interrupted goes on where it was.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from rel4.bench.results import source_commit
from rv64_verify import layout
from rv64_verify.lockstep import LockstepError, Outcome, lockstep
from rv64_verify.random_program import random_program
from rv64_verify.rtl import Rtl
from uintr_cosim.simulator import source_digest

__all__ = ["SHAPES", "Shape", "long_run", "run_seed"]

SEEDS = 10
"""In one piece of work."""
_CYCLES = 5_000_000
_INSTRUCTIONS = 500_000


@dataclass(frozen=True)
class Shape:
    """What a program runs on: size of the caches, latency and jitter of main memory."""

    cache_kib: int
    latency: int
    jitter: int


SHAPES = (
    Shape(4, 1, 0),
    Shape(4, 2, 3),
    Shape(4, 30, 20),
    Shape(4, 10, 1),
    Shape(8, 5, 0),
    Shape(16, 1, 7),
)


def run_seed(rtl: Rtl, shape: Shape, seed: int) -> tuple[Outcome, int]:
    """One program. Returns what it did, and cycles.

    Raises
    ------
    LockstepError : with the seed and the shape in front.
    """
    program = random_program(seed)
    rtl.start(
        program,
        tohost=layout.TOHOST,
        limit=_CYCLES,
        latency=shape.latency,
        jitter=shape.jitter,
        seed=seed + 1,
    )
    try:
        outcome = lockstep(program, rtl, memory_bytes=layout.MEMORY_BYTES, limit=_INSTRUCTIONS)
    except LockstepError as error:
        raise LockstepError(f"seed {seed} on {shape}: {error}") from None
    return outcome, rtl.cycle


def _piece(number: int, shapes: int) -> dict[str, Any]:
    """Seeds of one piece, all on one shape."""
    shape = SHAPES[number % shapes]
    rtl = Rtl(cache_kib=shape.cache_kib, memory_bytes=layout.MEMORY_BYTES)
    sums = dict.fromkeys(("instructions", "interrupts", "user_interrupts", "cycles"), 0)
    longest = 0
    seeds = range(number * SEEDS, (number + 1) * SEEDS)
    for seed in seeds:
        outcome, cycles = run_seed(rtl, shape, seed)
        longest = max(longest, outcome.longest)
        for name in ("instructions", "interrupts", "user_interrupts"):
            sums[name] += getattr(outcome, name)
        sums["cycles"] += cycles
    rtl.close()
    return {"seeds": [seeds[0], seeds[-1]], **asdict(shape), **sums, "longest": longest}


def long_run(
    path: Path, *, instructions: int, jobs: int, shapes: int = len(SHAPES)
) -> Iterator[dict[str, Any]]:
    """Pieces until so many instructions are done, those that ``path`` has of this design among
    them; new ones are appended there. They go round the first ``shapes`` of `SHAPES`.

    Raises
    ------
    LockstepError : of hardware and Spike.
    """
    digest = source_digest("uintr", "rv64")[:16]
    done = 0
    first = 0
    if path.is_file():
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["design"] == digest:
                done += record["instructions"]
                first = max(first, record["seeds"][1] // SEEDS + 1)
                yield record
    path.parent.mkdir(parents=True, exist_ok=True)
    for shape in {each.cache_kib: each for each in SHAPES[:shapes]}.values():
        Rtl(
            cache_kib=shape.cache_kib, memory_bytes=8
        ).close()  # built once, before all jobs want it
    with ProcessPoolExecutor(jobs) as pool:
        while done < instructions:
            numbers = range(first, first + 2 * jobs)
            first += len(numbers)
            for outcome in pool.map(_piece, numbers, repeat(shapes)):
                record = {**outcome, "design": digest, "commit": source_commit()}
                with path.open("a") as stream:
                    stream.write(json.dumps(record) + "\n")
                done += record["instructions"]
                yield record

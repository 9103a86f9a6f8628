"""Cycles per instruction of the compiled kernel and runtimes: ``python -m rel4.bench.cpi``.

Between the marks of the measured part, of the user's hart: kernel, runtime and program together.
With 16 KiB the caches hold all of it, so after the first round they are warm.
"""

import argparse
import sys
from collections.abc import Sequence

from rel4.compiled.runner import measured_parts
from rel4.compiled.system import configured

from .compiled import Setup, image_words, run_image, system
from .options import numbers
from .point import Point

__all__ = ["cycles_per_instruction"]

POLICIES = ("sync", "inline", "tick")
N, ROUNDS = 8, 40


def cycles_per_instruction(policy: str, setup: Setup) -> tuple[int, int]:
    """Cycles and instructions of a run of `N` coroutines and `ROUNDS` rounds."""
    point = Point(policy=policy, harts=1, concurrency=N, rounds=ROUNDS)
    program = configured(system(setup), image_words(point))
    result = run_image(program, setup, harts=1, max_cycles=50_000_000)
    return measured_parts(result.marks)[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each policy and size of caches."""
    parser = argparse.ArgumentParser(prog="python -m rel4.bench.cpi", description=__doc__)
    parser.add_argument("--caches", default="4,16")
    parser.add_argument("--memory-latency", type=int, default=1)
    parser.add_argument("--compiler", default="gcc")
    arguments = parser.parse_args(argv)
    print("cache KiB  policy     cycles  instructions  cycles an instruction")
    for cache in numbers("caches", arguments.caches):
        setup = Setup(
            cache_kib=cache,
            memory_latency=arguments.memory_latency,
            compiler=arguments.compiler,
        )
        for policy in POLICIES:
            cycles, count = cycles_per_instruction(policy, setup)
            print(
                f"{cache:9}  {policy:8} {cycles:8,}  {count:12,}  {cycles / count:21.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

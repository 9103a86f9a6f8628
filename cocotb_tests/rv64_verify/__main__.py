"""``python -m rv64_verify lockstep``: what docs/verification.md says of the hart."""

import argparse
import os
import sys
from pathlib import Path

from rel4.compiled.spike import missing
from rel4.machine.device import DeviceError
from rv64_verify.lockstep import LockstepError
from rv64_verify.long_run import SHAPES, long_run

__all__ = ["main"]


def _positive(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise ValueError(text)
    return number


def _lockstep(options: argparse.Namespace) -> int:
    reason = missing()
    if reason is not None:
        print(f"lockstep: skipped: {reason}")
        return 0
    total = dict.fromkeys(("instructions", "cycles", "interrupts", "user_interrupts"), 0)
    programs = longest = 0
    try:
        for record in long_run(
            options.out,
            instructions=options.instructions,
            jobs=options.jobs,
            shapes=options.shapes,
        ):
            programs += record["seeds"][1] - record["seeds"][0] + 1
            longest = max(longest, record["longest"])
            for name in total:
                total[name] += record[name]
            print(
                f"lockstep: {programs} programs, {total['instructions']:,} instructions", flush=True
            )
    except LockstepError as error:
        print(f"lockstep: {error}")
        return 1
    print(
        f"lockstep: {total['instructions']:,} instructions of {programs} programs in "
        f"{total['cycles']:,} cycles, with {total['interrupts']:,} interrupts, "
        f"{total['user_interrupts']:,} of them to user mode, as on Spike; an interrupt that was "
        f"due waited for {longest} instructions at most"
    )
    return 0


def main() -> int:
    """Run one command; 1 if hardware and model differ, 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog="python -m rv64_verify", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("lockstep", help="random programs on RTL and Spike")
    command.add_argument("--instructions", type=_positive, default=10_000_000)
    command.add_argument(
        "--shapes", type=_positive, default=len(SHAPES), help="only the first of them"
    )
    command.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1)
    command.add_argument("--out", type=Path, default=Path("docs/data/rv64_lockstep.jsonl"))
    command.set_defaults(run=_lockstep)
    options = parser.parse_args()
    try:
        return int(options.run(options))
    except (DeviceError, OSError) as error:
        print(f"rv64_verify: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

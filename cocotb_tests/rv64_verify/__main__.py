"""``python -m rv64_verify COMMAND``: what docs/verification.md says of the hart."""

import argparse
import json
import os
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from rel4.bench.campaign import Conduct
from rel4.bench.results import source_commit
from rel4.compiled.spike_library import missing
from rel4.machine.device import DeviceError
from rv64_verify import layout, litmus, qemu
from rv64_verify.equivalent import proven
from rv64_verify.lockstep import LockstepError
from rv64_verify.long_run import SHAPES, long_run
from rv64_verify.mutation import Mutation, judged
from rv64_verify.rtl import Rtl
from rv64_verify.speed import speeds
from rv64_verify.structural import hart_coverage
from uintr.files import write_atomically
from uintr.program import Stopped, UnfinishedError
from uintr_cosim.simulator import source_digest
from uintr_verify.long_run import write_json

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


def _litmus(options: argparse.Namespace) -> int:
    """Run every test that is not stored of this design, and store what was seen; 1 if something was
    that is forbidden, or something allowed was not."""
    design = source_digest("uintr", "rv64")[:16]
    lines = options.out.read_text().splitlines() if options.out.is_file() else []
    known = {each["test"]: each for each in map(json.loads, lines) if each["design"] == design}
    commit = source_commit()
    for harts in (2, 4):
        tests = [
            test
            for test in litmus.TESTS.values()
            if (len(test.threads) > 2) == (harts > 2) and test.name not in known
        ]
        if not tests:
            continue
        with closing(Rtl(harts=harts, memory_bytes=litmus.MEMORY_BYTES)) as rtl:
            for test in tests:
                record = litmus.told(test, *litmus.explored(test, rtl))
                known[test.name] = record | {"design": design, "commit": commit}
                print(
                    f"litmus: {test.name}: {record['skews']:,} skews, {len(record['seen'])} of "
                    f"{record['allowed']} outcomes, {len(record['forbidden'])} forbidden",
                    flush=True,
                )
                text = "".join(
                    json.dumps(known[name]) + "\n" for name in litmus.TESTS if name in known
                )
                write_atomically(options.out, text.encode())
    return int(any(record["forbidden"] or record["never"] for record in known.values()))


def _qemu(options: argparse.Namespace) -> int:
    reason = qemu.missing()
    if reason is not None:
        print(f"qemu: skipped: {reason}")
        return 0
    total = 0
    with closing(Rtl(memory_bytes=layout.MEMORY_BYTES)) as rtl:
        for name in qemu.NAMES:
            total += qemu.compared(rtl, name)
    print(f"qemu: {total:,} instructions of {len(qemu.NAMES)} directed programs, as on QEMU")
    return 0


def _mutate(options: argparse.Namespace) -> int:
    reason = missing()
    if reason is not None:
        print(f"mutate: skipped: {reason}")
        return 0
    folder = Path("build/rv64_mutation")
    mutation = Mutation(count=options.count, folder=folder)
    results = folder / "results.jsonl"
    try:
        mutation.run(results=results, conduct=Conduct(options.jobs, minutes=options.minutes))
    except UnfinishedError as error:
        print(f"mutate: {error}")
    outcomes = mutation.known(results)
    alive = [
        number
        for number, outcome in enumerate(outcomes, 1)
        if outcome is not None and not (outcome["killed"] or outcome["cycles"])
    ]
    equivalent = proven(mutation, alive, results=folder / "equivalent.jsonl")
    records, stale = judged(mutation, outcomes, equivalent)
    commit = source_commit()
    lines = [json.dumps(record | {"commit": commit}) + "\n" for record in records]
    options.out.write_text("".join(lines))
    for verdict, count in Counter(record["verdict"] for record in records).items():
        print(f"mutate: {count} {verdict}")
    left = [record for record in records if record["verdict"] in ("alive", "not run")]
    for r in left:
        print(f"{r['verdict']}: {r['name']}")
    for sentence in stale:
        print(f"stale waiver: {sentence}")
    return int(bool(left or stale))


def _coverage(options: argparse.Namespace) -> int:
    reason = missing()
    if reason is not None:
        print(f"coverage: skipped: {reason}")
        return 0
    summary = hart_coverage(seeds=options.seeds, folder=Path("build/rv64_coverage"))
    write_json(options.out, summary)
    for file, kinds in summary["files"].items():
        row = ", ".join(
            f"{kind} {c['met']}/{c['points'] - c['waived']}" for kind, c in kinds.items()
        )
        print(f"coverage: {file}: {row}")
    for hole in summary["holes"]:
        print(f"hole: {hole}")
    for sentence in summary["stale"]:
        print(f"stale waiver: {sentence}")
    return int(bool(summary["holes"] or summary["stale"]))


def _speed(options: argparse.Namespace) -> int:
    print("harts  cycles each second  instructions each second  (of the processor)")
    for each in speeds(cycles=options.cycles):
        print(
            f"{each.harts:5}  {each.cycles / each.seconds:18,.0f}  "
            f"{each.instructions / each.seconds:24,.0f}",
            flush=True,
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
    command = commands.add_parser("litmus", help="memory order among harts, and what was seen")
    command.add_argument("--out", type=Path, default=Path("docs/data/rv64_litmus.jsonl"))
    command.set_defaults(run=_litmus)
    command = commands.add_parser("qemu", help="directed programs on RTL and QEMU")
    command.set_defaults(run=_qemu)
    command = commands.add_parser("mutate", help="whether tests kill mutants of the hart's netlist")
    command.add_argument("--count", type=_positive, default=600, help="mutants (600)")
    command.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1)
    command.add_argument("--minutes", type=float, help="stop after so long; the next run goes on")
    command.add_argument("--out", type=Path, default=Path("docs/data/rv64_mutation.jsonl"))
    command.set_defaults(run=_mutate)
    command = commands.add_parser("coverage", help="line, branch, expression, toggle coverage")
    command.add_argument("--seeds", type=_positive, default=12, help="random programs (12)")
    command.add_argument("--out", type=Path, default=Path("docs/data/rv64_coverage.json"))
    command.set_defaults(run=_coverage)
    command = commands.add_parser("speed", help="simulated cycles each second, 1, 2 and 4 harts")
    command.add_argument("--cycles", type=_positive, default=3_000_000, help="each (3 million)")
    command.set_defaults(run=_speed)
    options = parser.parse_args()
    try:
        return int(options.run(options))
    except (AssertionError, LockstepError, Stopped) as error:
        print(f"rv64_verify: {error}", file=sys.stderr)
        return 1
    except (DeviceError, OSError) as error:
        print(f"rv64_verify: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

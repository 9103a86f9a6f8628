"""``python -m uintr_verify random | coverage | mutate``: the long runs behind docs/verification.md."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from rel4.machine.device import DeviceConfig, DeviceError
from shapes import SHAPES
from uintr_verify.long_run import coverage_record, random_run, write_json
from uintr_verify.mutation import Mutation, directed_stimulus, random_stimulus
from uintr_verify.waivers import WaiverError, load_waivers

__all__ = ["main"]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _random(options: argparse.Namespace) -> int:
    shapes = {name: SHAPES[name] for name in options.shapes or SHAPES}
    each = -(-options.operations // (options.seeds * len(shapes)))
    bins: Counter[str] = Counter()
    records = []
    for record, met in random_run(
        shapes,
        seeds=range(1, options.seeds + 1),
        operations=each,
        icarus_cycles=options.icarus_cycles,
        jobs=options.jobs,
    ):
        records.append(record)
        bins.update(met)
    total = sum(record["operations"] for record in records)
    summary = coverage_record(bins, shapes.values())
    summary["operations"] = total
    options.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (options.out / "random.jsonl").write_text(lines)
    write_json(options.out / "coverage_functional.json", summary)
    cycles = sum(record["cycles"] for record in records)
    print(f"random: {total} operations in {cycles} cycles, every output as in the reference")
    counts = summary["groups"].values()
    bins_all, bins_met, bins_waived = (sum(c[k] for c in counts) for k in ("bins", "met", "waived"))
    print(f"random: {bins_met} of {bins_all} bins met, {bins_waived} waived")
    for hole in summary["holes"]:
        print(f"hole: {hole}")
    return 0


_MUTATION_SHAPE = DeviceConfig(harts=2, receivers=5, table_pages=3)


def _mutate(options: argparse.Namespace) -> int:
    counts = {"controller": options.controller, "hart unit": options.hart_unit}
    folder = Path("build/mutation")
    mutation = Mutation(config=_MUTATION_SHAPE, counts=counts, folder=folder)
    stimulus = random_stimulus(
        mutation.config, folder, seeds=options.seeds, operations=options.operations
    )
    stimulus += directed_stimulus(mutation.config, folder)
    names = [path.name for path in stimulus]
    outcomes = mutation.run(stimulus, results=folder / "results.jsonl", jobs=options.jobs)
    records = [
        mutation.record(mutant, outcome, names)
        for mutant, outcome in zip(mutation.mutants, outcomes[1:], strict=True)
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (options.out / "mutation.jsonl").write_text(lines)
    print(f"mutate: unmutated, {outcomes[0]['cycles']} cycles passed")
    for verdict, count in Counter(record["verdict"] for record in records).items():
        print(f"mutate: {count} {verdict}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0, or 1 where something is wrong with the design, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="uintr_verify", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    each = commands.add_parser("random", help="random traffic against the reference")
    each.add_argument("--operations", type=_positive, default=1_000_000)
    each.add_argument("--seeds", type=_positive, default=6)
    each.add_argument("--shapes", nargs="*", choices=list(SHAPES))
    each.add_argument("--icarus-cycles", type=int, default=20_000)
    each.set_defaults(run=_random)
    mutate = commands.add_parser("mutate", help="mutants of controller and hart unit")
    mutate.add_argument("--controller", type=_positive, default=800, help="mutants")
    mutate.add_argument("--hart-unit", type=_positive, default=600, help="mutants")
    mutate.add_argument("--seeds", type=_positive, default=3)
    mutate.add_argument("--operations", type=_positive, default=15_000, help="for each seed")
    mutate.set_defaults(run=_mutate)
    for command in (each, mutate):
        command.add_argument("--jobs", type=_positive, default=2)
        command.add_argument("--out", type=Path, default=Path("docs/data"))
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except (DeviceError, WaiverError) as error:
        print(f"uintr_verify: {error}", file=sys.stderr)
        return 2
    except AssertionError as error:
        print(f"uintr_verify: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())

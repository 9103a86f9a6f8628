"""``python -m uintr_verify COMMAND``: what docs/verification.md shows, and how old it is."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, Store
from rel4.machine.device import DeviceError
from shapes import SHAPES
from uintr.files import claimed, write_atomically
from uintr.program import Parser, run_program, seconds
from uintr_verify.long_run import coverage_record, random_run, write_json
from uintr_verify.mutation import Mutation
from uintr_verify.proved import PROVED, ProofMutation
from uintr_verify.stored import report
from uintr_verify.structural import structural_run
from uintr_verify.survivors import explain, judge_survivors, mutant_names
from uintr_verify.targets import COVERED, MUTATED
from uintr_verify.waivers import WaiverError, load_waivers

__all__ = ["main"]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    write_atomically(path, "".join(json.dumps(record) + "\n" for record in records).encode())


def _verdict(name: str, summary: dict[str, Any]) -> int:
    """Print holes and stale waivers. 1 where there are any."""
    for hole in summary["holes"][:50]:
        print(f"hole: {hole}")
    for waiver in summary["stale"]:
        print(f"stale waiver: {waiver}")
    holes, stale = len(summary["holes"]), len(summary["stale"])
    print(f"{name}: {holes} holes without a waiver, {stale} stale waivers")
    return int(bool(holes or stale))


def _random(options: argparse.Namespace) -> int:
    shapes = {name: SHAPES[name] for name in options.shapes or SHAPES}
    each = -(-options.operations // (options.seeds * len(shapes)))
    bins: Counter[str] = Counter()
    records = []
    with claimed(Path("build/random.jsonl"), "the store", file=True) as path:
        store = Store(path)
        if not options.resume:
            store.clear()
        for record, met in random_run(
            shapes,
            seeds=range(1, options.seeds + 1),
            operations=each,
            icarus_cycles=options.icarus_cycles,
            store=store,
            conduct=_conduct(options),
        ):
            records.append(record)
            bins.update(met)
    summary = coverage_record(bins, shapes.values())
    _write_lines(options.out / "random.jsonl", records)
    write_json(options.out / "coverage_functional.json", summary)
    operations, cycles = (sum(record[k] for record in records) for k in ("operations", "cycles"))
    print(f"random: {operations} operations in {cycles} cycles, every output as in the reference")
    counts = summary["groups"].values()
    bins_all, bins_met, bins_waived = (sum(c[k] for c in counts) for k in ("bins", "met", "waived"))
    print(f"random: {bins_met} of {bins_all} bins met, {bins_waived} waived")
    return _verdict("random", summary)


def _coverage(options: argparse.Namespace) -> int:
    targets = {name: COVERED[name] for name in options.shapes or COVERED}
    summary = structural_run(targets, operations=options.operations, jobs=options.jobs)
    write_json(options.out / "coverage.json", summary)
    for file, kinds in summary["files"].items():
        row = ", ".join(
            f"{kind} {c['met']}/{c['points'] - c['waived']}" for kind, c in kinds.items()
        )
        print(f"coverage: {file}: {row}")
    return _verdict("coverage", summary)


def _mutate(options: argparse.Namespace) -> int:
    with claimed(Path("build/mutation")) as folder:
        records = []
        for name in options.tops or (*MUTATED, *PROVED):
            records += _mutants_of(name, folder / name.replace(" ", "-"), options)
    stale = explain(records, load_waivers("mutation"))
    _write_lines(options.out / "mutation.jsonl", records)
    for verdict, count in Counter(record["verdict"] for record in records).items():
        print(f"mutate: {count} {verdict}")
    alive = [
        f"{name} (mutant {record['mutant']})"
        for name, record in zip(mutant_names(records), records, strict=True)
        if record["verdict"] == "alive"
    ]
    return _verdict("mutate", {"holes": alive, "stale": stale})


def _mutants_of(name: str, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All mutants of one top, or of a block in its proof, and what became of them."""
    mutation: Mutation
    if name in PROVED:
        mutation = ProofMutation(block=name, count=PROVED[name], folder=folder)
        stimulus, names = [], [name]
    else:
        target = MUTATED[name]
        mutation = Mutation(target=target, folder=folder)
        # The short ones first: most mutants die there.
        stimulus = target.directed(folder)
        stimulus += target.random(folder, seeds=options.seeds, operations=options.operations)
        names = [path.name for path in stimulus]
    outcomes = mutation.run(
        stimulus,
        results=folder / "results.jsonl",
        conduct=_conduct(options),
        first=_killers(mutation, options.out / "mutation.jsonl"),
    )
    print(f"mutate: {name}, unmutated: {outcomes[0]['cycles']} cycles passed")
    records = [
        mutation.record(mutant, outcome, names)
        for mutant, outcome in zip(mutation.mutants, outcomes[1:], strict=True)
    ]
    judge_survivors(records, mutation, jobs=options.jobs if options.proofs else 0)
    return records


def _killers(mutation: Mutation, stored: Path) -> dict[int, str]:
    """The file that has killed each mutant when it was run last, for those of the same name."""
    if not stored.is_file():
        return {}
    rows = [json.loads(line) for line in stored.read_text().splitlines()]
    by = {name: row["by"] for name, row in zip(mutant_names(rows), rows, strict=True)}
    names = mutant_names([vars(mutant) for mutant in mutation.mutants])
    known = zip(mutation.mutants, names, strict=True)
    return {mutant.number: by[name] for mutant, name in known if name in by}


def _stored(options: argparse.Namespace) -> int:
    """Print how each file stands; 1 unless all are current."""
    states, good = report(Path.cwd())
    for state in states:
        print(f"stored: {state}")
    return int(not good)


def _conduct(options: argparse.Namespace) -> Conduct:
    return Conduct(options.jobs, getattr(options, "resume", True), options.minutes)


def _parser() -> Parser:
    parser = Parser(prog="uintr_verify", description=(__doc__ or "").partition(":")[0])
    commands = parser.commands()
    each = commands.add_parser("random", help="random traffic against the reference")
    each.describe(_random, "Random traffic on the reference, replayed on the RTL.")
    each.add_argument("--operations", type=_positive, default=3_000_000)
    each.add_argument("--seeds", type=_positive, default=6)
    each.add_argument("--shapes", nargs="*", choices=list(SHAPES))
    each.add_argument("--icarus-cycles", type=int, default=20_000)
    each.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    coverage = commands.add_parser("coverage", help="line, branch, expression and toggle coverage")
    coverage.describe(_coverage, "Structural coverage of all shapes together.")
    coverage.add_argument("--operations", type=_positive, default=40_000, help="for each shape")
    coverage.add_argument("--shapes", nargs="*", choices=list(COVERED))
    mutate = commands.add_parser("mutate", help="mutants of every block")
    mutate.describe(_mutate, "Whether tests kill mutants; goes on where it was.")
    mutate.add_argument("--tops", nargs="*", choices=[*MUTATED, *PROVED], help="default: all")
    mutate.add_argument(
        "--proofs",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether survivors are equivalent; without, as far as is known",
    )
    mutate.add_argument("--seeds", type=_positive, default=4)
    mutate.add_argument("--operations", type=_positive, default=10_000, help="for each seed")
    stored = commands.add_parser("stored", help="how old the stored data is")
    stored.describe(_stored, "Of which commit stored data is, and what changed since.")
    for command in (each, coverage, mutate):
        command.add_argument("--jobs", type=_positive, default=2)
        if command is not coverage:
            command.add_argument("--minutes", type=seconds, help="stop after so long")
        command.add_argument("--out", type=Path, default=Path("docs/data"))
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0; 1 if something is wrong with the design; 2 for bad input."""
    statuses: dict[type[Exception], int] = {DeviceError: 2, WaiverError: 2, AssertionError: 1}
    return run_program(_parser, arguments, statuses=lambda: statuses)


if __name__ == "__main__":
    raise SystemExit(main())

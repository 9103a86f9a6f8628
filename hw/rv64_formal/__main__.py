"""``python -m rv64_formal``: the proofs of the hart, a line each as they end; with ``--bugs`` the
broken designs that they have to notice. Exit status 0: all as it has to be."""

import argparse
import json
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path

from amaranth.hdl import UnusedElaboratable

from rel4.bench.results import source_commit
from rv64_formal.catalogue import BUGS, PROOFS, SEARCHES
from uintr_formal.prove import prove

__all__ = ["main"]


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="rv64_formal", description="Proofs of the hart.")
    parser.add_argument("--bugs", action="store_true", help="show that broken designs are noticed")
    parser.add_argument("--only", default="", metavar="TEXT", help="names that contain TEXT")
    parser.add_argument("--seconds", type=int, default=900, help="limit for each (900)")
    parser.add_argument("--store", type=Path, help="JSON lines that the results are put into")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UnusedElaboratable)
    folder = Path("build/formal")
    proofs = {proof.name: proof for proof in (*PROOFS, *SEARCHES)}
    rows = []
    good = True
    for proof in () if options.bugs else PROOFS:
        if options.only in proof.name:
            outcome = prove(proof, folder=folder, seconds=options.seconds)
            good &= outcome.result == "PASS"
            print(
                f"{proof.name:12} {proof.mode} {proof.depth:3} {outcome.seconds:7.1f} s  "
                f"{outcome.result:8} {proof.words}",
                flush=True,
            )
            rows.append(asdict(outcome) | {"words": proof.words, "commit": source_commit()})
    for bug in BUGS if options.bugs else ():
        if options.only in bug.name or options.only == bug.proof:
            with bug.broken():
                broken = replace(proofs[bug.proof], name=bug.name)
                outcome = prove(broken, folder=folder / "bugs", seconds=options.seconds)
            good &= outcome.result == "FAIL"
            verdict = "noticed" if outcome.result == "FAIL" else f"MISSED ({outcome.result})"
            print(f"{verdict} by {bug.proof}, {outcome.seconds:.1f} s: {bug.name}", flush=True)
            rows.append(asdict(outcome) | {"words": bug.proof, "commit": source_commit()})
    if options.store:
        kept = {}
        if options.store.is_file():
            lines = options.store.read_text().splitlines()
            kept = {row["name"]: row for row in map(json.loads, lines)}
        kept |= {row["name"]: row for row in rows}
        options.store.write_text("".join(json.dumps(row) + "\n" for row in kept.values()))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())

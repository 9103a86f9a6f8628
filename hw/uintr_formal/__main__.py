"""``python -m uintr_formal``: all proofs, a table as they end; with ``--bugs`` the broken designs.

Exit status 0: everything holds (or, with ``--bugs``, every bug is noticed).
"""

import argparse
import json
import subprocess
import warnings
from dataclasses import asdict, replace
from pathlib import Path

from amaranth.hdl import UnusedElaboratable

from uintr_formal.catalogue import BUGS, PROOFS
from uintr_formal.prove import Outcome, prove

__all__ = ["main"]


_KINDS = {"prove": "k-induction", "bmc": "bounded", "cover": "cover"}


def _row(outcome: Outcome, words: str) -> str:
    return (
        f"{outcome.name:34} {_KINDS[outcome.mode]:12} {outcome.depth:5} {outcome.seconds:8.1f} s  "
        f"{outcome.result:8} {words}"
    )


def _commit() -> str:
    """The commit that is checked out; with ``+`` if files outside docs differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "-uno", "--", ":/", ":(top,exclude)docs")
    return git("rev-parse", "--short", "HEAD") + "+" * bool(changed)


def _store(path: Path, outcome: Outcome, words: str, commit: str) -> None:
    """Put one result into ``path``, in the place of an older one of the same proof."""
    order = [proof.name for proof in PROOFS]
    rows = {}
    if path.exists():
        rows = {row["name"]: row for row in map(json.loads, path.read_text().splitlines())}
    rows[outcome.name] = asdict(outcome) | {"words": words, "commit": commit}
    kept = [json.dumps(rows[name]) for name in order if name in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(kept) + "\n")


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="uintr_formal", description="Proofs of the gateware.")
    parser.add_argument("--quick", action="store_true", help="only those of the test suite")
    parser.add_argument("--bugs", action="store_true", help="show that broken designs are noticed")
    parser.add_argument("--only", default="", metavar="TEXT", help="names that contain TEXT")
    parser.add_argument("--seconds", type=int, default=900, help="limit for each (900)")
    parser.add_argument("--out", type=Path, default=Path("build/formal"), help="folder of the runs")
    parser.add_argument("--store", type=Path, help="JSON lines that the results are put into")
    options = parser.parse_args()
    # Specifications elaborate designs themselves, and Amaranth does not see that.
    warnings.simplefilter("ignore", UnusedElaboratable)
    good = True
    commit = _commit()
    if options.bugs:
        proofs = {proof.name: proof for proof in PROOFS}
        for bug in BUGS:
            if options.only not in bug.name:
                continue
            with bug.broken():
                # A bounded check, so that it is a run of the design that shows the bug.
                proof = replace(proofs[bug.proof], name=bug.name, mode="bmc", depth=12)
                outcome = prove(proof, folder=options.out / "bugs", seconds=options.seconds)
            noticed = outcome.result == "FAIL"
            good &= noticed
            verdict = "noticed" if noticed else "MISSED"
            print(f"{bug.name:34} {verdict} by {bug.proof}: {outcome.result}", flush=True)
        return 0 if good else 1
    for proof in PROOFS:
        if (options.quick and not proof.quick) or options.only not in proof.name:
            continue
        outcome = prove(proof, folder=options.out, seconds=options.seconds)
        good &= outcome.result == "PASS"
        print(_row(outcome, proof.words), flush=True)
        if options.store:
            _store(options.store, outcome, proof.words, commit)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())

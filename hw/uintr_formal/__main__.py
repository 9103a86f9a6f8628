"""``python -m uintr_formal``: all proofs, a table as they end; with ``--bugs`` the broken designs.

Exit status 0: everything holds (or, with ``--bugs``, every bug is noticed).
"""

import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path

from amaranth.hdl import UnusedElaboratable

from uintr_formal.catalogue import BUGS, PROOFS
from uintr_formal.prove import Outcome, prove

__all__ = ["main"]


def _row(outcome: Outcome, words: str) -> str:
    kind = {"prove": "k-induction", "bmc": "bounded", "cover": "cover"}[outcome.mode]
    return (
        f"{outcome.name:34} {kind:12} {outcome.depth:5} {outcome.seconds:8.1f} s  "
        f"{outcome.result:8} {words}"
    )


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="uintr_formal", description="Proofs of the gateware.")
    parser.add_argument("--quick", action="store_true", help="only those of the test suite")
    parser.add_argument("--bugs", action="store_true", help="show that broken designs are noticed")
    parser.add_argument("--only", default="", metavar="TEXT", help="names that contain TEXT")
    parser.add_argument("--seconds", type=int, default=900, help="limit for each (900)")
    parser.add_argument("--out", type=Path, default=Path("build/formal"), help="folder of the runs")
    options = parser.parse_args()
    # Specifications elaborate designs themselves, and Amaranth does not see that.
    warnings.simplefilter("ignore", UnusedElaboratable)
    good = True
    lines = []
    if options.bugs:
        proofs = {proof.name: proof for proof in PROOFS}
        for bug in BUGS:
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
        lines.append(json.dumps(json.loads(outcome.json()) | {"words": proof.words}))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "proofs.jsonl").write_text("\n".join(lines) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())

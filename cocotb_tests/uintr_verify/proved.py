"""Mutants of a block inside the specification that it is proven by, and whether the proof fails.

For blocks of which a system shows little, since what is around them never does all that it may:
with the proof, everything that the specification allows stands there. The design of the proof keeps
its block as a module; Yosys lists mutations of that. A mutant is killed when the solver finds a
run, of `_DEPTH` cycles at most, that violates a property.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, Store
from uintr_formal.catalogue import PROOFS
from uintr_formal.prove import Proof, design, solve
from uintr_verify.mutation import Mutation, listed_mutants, yosys
from uintr_verify.native import ReplayError

__all__ = ["PROVED", "ProofMutation"]

PROVED = {"half words": 150, "axi manager": 100, "axi bridge": 100}
"""Blocks that are mutated so, which are named as their proofs, and how many mutants of each."""

_DEPTH = 12
_SECONDS = 300
_MODULE = "top.dut"
_PREPARE = r"""
read_rtlil whole.il
hierarchy -top top
proc
select -module \{module}
opt -full
wreduce
opt_clean
select -clear
mutate -list {count} -seed 1 -o list.txt -module \{module}
write_rtlil prepared.il
"""


class ProofMutation(Mutation):
    """All mutants of one block.

    Parameters
    ----------
    block : and the proof's name
    count : how many
    folder : where the design is kept
    """

    KILLED = "killed by proofs"

    def __init__(self, *, block: str, count: int, folder: Path) -> None:
        (proof,) = (each for each in PROOFS if each.name == block)
        self.proof: Proof = replace(proof, mode="bmc", depth=_DEPTH)
        self.folder = folder
        self.modules = {block: _MODULE}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "whole.il").write_text(design(proof, sources=True))
        yosys(_PREPARE.format(module=_MODULE, count=count), folder)
        # Not the output of a register, which would leave its initial value to a constant; what is
        # behind it is mutated too.
        listed = listed_mutants((folder / "list.txt").read_text(), block, 1)
        kept = [each for each in listed if each.port != "Q"]
        self.mutants = [replace(each, number=place) for place, each in enumerate(kept, 1)]
        text = design(proof) + "\n".join(each.command for each in self.mutants)
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    def run(
        self,
        stimulus: list[Path],
        *,
        results: Path,
        conduct: Conduct | None = None,
        first: Mapping[int, str] | None = None,
    ) -> list[dict[str, Any]]:
        """As `Mutation.run`; there is no stimulus but what the solver finds."""
        store = Store(results)
        key = f"{self.digest} {self.proof.name}"

        def batches(todo: Mapping[str, int]) -> list["_Batch"]:
            return [_Batch(self, number, name, store) for name, number in todo.items()]

        return self._run_kept(store, key, lambda: self.outcome(0), batches, conduct)

    def outcome(self, number: int) -> dict[str, Any]:
        """What the solver says of a mutant; of number 0, the design as it is."""
        change = self.mutants[number - 1].command if number else ""
        with tempfile.TemporaryDirectory(prefix="proof-", dir=self.folder) as work:
            folder = Path(work)
            (folder / "design.il").write_bytes((self.folder / "prepared.il").read_bytes())
            result = solve(self.proof, work=folder, seconds=_SECONDS, change=change).result
        if result not in ("PASS", "FAIL"):
            raise ReplayError(f"a proof must pass or fail, but mutant {number} ends in {result}")
        return {
            "mutant": number,
            "file": 0 if result == "FAIL" else -1,
            "cycles": 0,
            "what": result,
        }


@dataclass(frozen=True)
class _Batch:
    """One mutant."""

    mutation: ProofMutation
    number: int
    key: str
    store: Store

    def __call__(self) -> None:
        self.store.add(self.key, self.mutation.outcome(self.number))

"""Mutants of the hart that Yosys proves to be the hart.

Proven means: from any state of the registers that is the same, both have the same outputs and the
same next state. What is the same only in states that can be reached is beyond this proof.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from rel4.bench.campaign import Store
from rv64_verify.mutation import HART, Mutation
from uintr_verify.mutation import yosys
from uintr_verify.native import ReplayError

__all__ = ["proven"]

_SCRIPT = r"""
read_rtlil prepared.il
hierarchy -top {hart}
rename {hart} gold
copy gold gate
{command} -module gate
dffunmap
opt_clean
equiv_make gold gate equivalence
hierarchy -top equivalence
opt_clean
opt_merge -share_all
opt_clean
equiv_simple
equiv_status -assert
"""
"""Whatever the mutant does not change is merged; what is left is small, and has no memory."""


def proven(mutation: Mutation, numbers: Iterable[int], *, results: Path) -> set[int]:
    """Those of the mutants that are proven to be equivalent; ``results`` keeps what was found."""
    store = Store(results)
    known = store.read()
    found = set()
    for number in tqdm(list(numbers), desc="proofs", unit="mutant"):
        name = f"{mutation.key} {number}"
        if name not in known:
            known[name] = {"proven": _is_proven(mutation, number)}
            store.add(name, known[name])
        if known[name]["proven"]:
            found.add(number)
    return found


def _is_proven(mutation: Mutation, number: int) -> bool:
    command = mutation.mutants[number - 1].command.replace(f" -module {HART}", "")
    with tempfile.TemporaryDirectory(prefix="equal-", dir=mutation.folder) as work:
        folder = Path(work)
        (folder / "prepared.il").write_bytes((mutation.folder / "prepared.il").read_bytes())
        try:
            yosys(_SCRIPT.format(hart=HART, command=command), folder)
        except ReplayError:
            return False
    return True

"""What becomes of mutants that no test kills: shown equivalent, explained by a waiver, or alive.

Equivalent means that Yosys proves it: block and mutant, from any state of their registers that
agree, have the same outputs and the same next state. What is the same only in the states that can
be reached is beyond this proof and needs a waiver with its reason.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uintr_verify.mutation import Mutant, Mutation, yosys
from uintr_verify.native import ReplayError
from uintr_verify.waivers import Waiver, waive

__all__ = ["equivalent", "explain", "judge_survivors", "mutant_name", "mutant_names"]

_SECONDS = 300
_SCRIPT = r"""
read_rtlil prepared.il
hierarchy -top {module}
rename {module} gold
copy gold gate
{mutate} -module gate
select gold gate
memory_map
opt_clean
select -clear
equiv_make gold gate equivalence
hierarchy -top equivalence
opt_clean
opt_merge
equiv_simple
equiv_induct -seq 1
equiv_status -assert
"""
_MODULE = re.compile(r" -module \S+")


def mutant_name(record: dict[str, Any]) -> str:
    """A mutant's block, source, what is done to which bit, and by which other."""
    name = (
        f"{record['block']} {record['source']}:{record['line']} "
        f"{record['mode']} {record['port']}[{record['bit']}]"
    )
    return name if record["control"] is None else f"{name} on [{record['control']}]"


def mutant_names(records: Sequence[dict[str, Any]]) -> list[str]:
    """What waivers for mutants match: the name of each.

    Cells of one line may have the same name: then each is followed by its place among them, so that
    no waiver fits a mutant other than the one that it was written for.
    """
    names = [mutant_name(record) for record in records]
    total, so_far = Counter(names), Counter[str]()
    for number, name in enumerate(names):
        so_far[name] += 1
        if total[name] > 1:
            names[number] = f"{name} #{so_far[name]}"
    return names


def equivalent(mutation: Mutation, mutant: Mutant) -> bool:
    """Yosys proves that the mutant is as the design."""
    module = f"\\{mutation.modules[mutant.block]}"
    command = _MODULE.sub("", mutant.command)
    with tempfile.TemporaryDirectory(prefix="equal-", dir=mutation.folder) as work:
        folder = Path(work)
        (folder / "prepared.il").write_bytes((mutation.folder / "prepared.il").read_bytes())
        try:
            yosys(_SCRIPT.format(module=module, mutate=command), folder, seconds=_SECONDS)
        except ReplayError:
            return False
    return True


def _prove(mutation: Mutation, mutants: Sequence[Mutant], jobs: int) -> dict[int, bool]:
    """Whether each is equivalent. A verdict is kept as it comes, and not asked for again; with no
    ``jobs`` only those count."""
    path = mutation.folder / "equivalent.jsonl"
    known: dict[int, bool] = {}
    if path.is_file():
        for row in map(json.loads, path.read_text().splitlines()):
            if row["digest"] == mutation.digest:
                known[row["mutant"]] = row["equivalent"]
    if not jobs:
        return known
    left = [mutant for mutant in mutants if mutant.number not in known]
    with ThreadPoolExecutor(jobs) as pool, path.open("a") as stream:
        proofs = pool.map(lambda mutant: equivalent(mutation, mutant), left)
        shown = tqdm(proofs, total=len(mutants), initial=len(mutants) - len(left), desc="survivors")
        for mutant, same in zip(left, shown, strict=True):
            known[mutant.number] = same
            row = {"digest": mutation.digest, "mutant": mutant.number, "equivalent": same}
            stream.write(json.dumps(row) + "\n")
            stream.flush()
    return known


def judge_survivors(records: Sequence[dict[str, Any]], mutation: Mutation, *, jobs: int) -> None:
    """Change the verdict of a survivor that is equivalent (`_prove`)."""
    alive = [
        (record, mutant)
        for record, mutant in zip(records, mutation.mutants, strict=True)
        if record["verdict"] == "alive"
    ]
    known = _prove(mutation, [mutant for _, mutant in alive], jobs)
    for record, mutant in alive:
        if known.get(mutant.number):
            record["verdict"] = "equivalent"


def explain(records: Sequence[dict[str, Any]], waivers: list[Waiver]) -> list[str]:
    """Change the verdict of a survivor that a waiver explains. Answers stale waivers: they fit no
    survivor, or a mutant that the tests kill.
    """
    named = dict(zip(mutant_names(records), records, strict=True))
    alive = [name for name, each in named.items() if each["verdict"] in ("alive", "explained")]
    killed = [name for name, each in named.items() if each["verdict"].startswith("killed")]
    waived, remaining, stale = waive(alive, killed, waivers)
    for name, waiver in waived.items():
        named[name] |= {"verdict": "explained", "by": waiver.reason}
    for name in remaining:
        named[name] |= {"verdict": "alive", "by": ""}
    return stale

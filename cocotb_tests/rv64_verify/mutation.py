"""Mutants of the hart's netlist, and whether lock-step with Spike kills them.

The hart is synthesised to word-level cells as one module, all but the unit that tells what retires.
Yosys changes one bit of one cell's port: inverted, stuck, or changed by another bit of the port.
All mutants are in one netlist, in which ``+mutant=N`` selects one; 0 is the hart as it is, and has
to pass first. The netlist stands for the hart in the system of one, which runs directed and random
programs in lock-step. Every mutant has a process of its own with a time limit.
"""

import hashlib
import json
import os
import re
import resource
import signal
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack, closing
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, Store, run_campaign
from rv64_verify import layout
from rv64_verify.directed import PROGRAMS
from rv64_verify.lockstep import LockstepError, checker, lockstep
from rv64_verify.long_run import SHAPES, Shape
from rv64_verify.random_program import random_program
from rv64_verify.rtl import Rtl, build_library, verilog
from uintr_verify.mutation import listed_mutants, yosys
from uintr_verify.survivors import mutant_name
from uintr_verify.waivers import load_waivers, waive

__all__ = ["HART", "Mutation", "judged", "run_apart", "names_of_tests"]

_BLOCK = "hart"
HART = "soc.hart_0"
_WIDTH = 14
_WAIVERS = Path(__file__).with_name("waivers.toml")
_BATCH = 20
_SECONDS = 120
"""Of a processor, for one mutant."""
_SLOWER = 3
"""A mutant has so many times the cycles that the hart takes."""
_TESTS = (
    "random 1",
    "far addresses",
    *(name for name in PROGRAMS if name.split()[0] in ("arithmetic", "memory", "pages")),
    *("CSR writes", "atomics", "compressed", "branches", "random 0", "random 3", "words 0x7b"),
    *("protection", "permissions", "forwarding", "stores", "large memory", "numbers of pages"),
    *("code anywhere", "unfetchable pages", "jumps beside walks", "CSR numbers 0x800 M"),
    *("immediates", "halves 0x0000", "halves 0x8000", "halves 0x9000", "CSR numbers 0x000 M"),
    *("words 0x33", "words 0x1b", "words 0x03", "words 0x0f", "words 0x2f"),
    *("random 5", "random 7", "random 9", "random 11"),
)
"""Short programs of all kinds first: most mutants die there."""

_DRIVER = sorted(
    path
    for part in ("mutation.py", "rtl.*", "record.h", "lockstep.*")
    for path in Path(__file__).parent.glob(part)
)
"""What decides whether a test notices something, beside the test."""

_PREPARE = r"""
read_rtlil top.il
hierarchy -top {hart}
setattr -mod -set keep_hierarchy 1 {hart}.trace
proc
flatten {hart}
opt -full
wreduce
opt_clean
memory -nomap
opt -full
opt_clean
add -input mutsel {width}
write_rtlil prepared.il
mutate -list {count} -seed 1 -o list.txt -module {hart}
"""

_MODULE = re.compile(rf"^module \\{re.escape(HART)}[ .].*?^endmodule$", re.MULTILINE | re.DOTALL)
_SELECT = f"""
  reg [{_WIDTH - 1}:0] mutsel;
  initial if (!$value$plusargs("mutant=%d", mutsel)) mutsel = 0;
"""


@cache
def names_of_tests() -> tuple[str, ...]:
    """The tests in their order; each name ends with a digest of what the test is and who runs it,
    so that results of another one of that name are of no use."""
    driver = b"".join(path.read_bytes() for path in _DRIVER)
    return tuple(
        f"{test}#{hashlib.sha256(driver + _content(test)).hexdigest()[:8]}" for test in _TESTS
    )


def _content(test: str) -> bytes:
    program, shape, seed = _program(test)
    return repr((shape, seed)).encode() + program


def _program(test: str) -> tuple[bytes, Shape, int]:
    """Main memory, what it runs on, and the seed of its jitter; the digest may be there or not."""
    name = test.partition("#")[0]
    if name in PROGRAMS:
        return PROGRAMS[name].image(), PROGRAMS[name].shape, 1
    seed = int(name.removeprefix("random "))
    return random_program(seed), SHAPES[seed % 4], seed + 1


@dataclass
class _Bench:
    """The system with all mutants, and what the tests need."""

    path: Path
    cycles: Mapping[str, int] = field(default_factory=dict)  # of the hart as it is, by test

    names: Sequence[str] = field(default_factory=names_of_tests)

    @cached_property
    def programs(self) -> dict[str, tuple[bytes, Shape, int]]:
        return {name: _program(name) for name in self.names}

    def run(self, number: int, say: Callable[[dict[str, Any]], None]) -> None:
        """All tests of a mutant until one kills it; ``say`` is told of the end of each.

        They follow each other in one system, which has to forget the one before: so what should not
        outlive a reset is seen, too.
        """
        with ExitStack() as open_systems:
            systems: dict[int, Rtl] = {}
            for name in self.names:
                size = len(self.programs[name][0])
                if size not in systems:
                    rtl = Rtl(memory_bytes=size, path=self.path, mutant=number)
                    systems[size] = open_systems.enter_context(closing(rtl))
                say({"test": name, **self._lockstep(systems[size], name)})

    def _limit(self, name: str) -> int:
        return _SLOWER * self.cycles.get(name, 1_000_000) + 20_000

    def _lockstep(self, rtl: Rtl, name: str) -> dict[str, Any]:
        program, shape, seed = self.programs[name]
        rtl.start(
            program,
            tohost=layout.TOHOST,
            limit=self._limit(name),
            latency=shape.latency,
            jitter=shape.jitter,
            seed=seed,
        )
        try:
            outcome = lockstep(program, rtl, memory_bytes=len(program), limit=1_000_000)
        except LockstepError as error:
            return {"killed": str(error).splitlines()[0], "cycles": rtl.cycle}
        return {
            "killed": "an interrupt waits" if outcome.longest > 2 else "",
            "cycles": rtl.cycle,
        }


def run_apart(bench: _Bench, number: int) -> dict[str, Any]:
    """Run a mutant in a forked process, which may hang or abort. Returns ``killed``, why, or
    empty; ``by``, the test; ``cycles``, of the tests that took other than the hart's."""
    checker()  # what every child needs is made once
    assert bench.programs
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))

            def say(line: dict[str, Any]) -> None:
                os.write(write, (json.dumps(line) + "\n").encode())
                if line["killed"]:
                    os._exit(0)

            bench.run(number, say)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    with open(read, "rb") as told:
        text = told.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lines = [json.loads(line) for line in text.decode().splitlines()]
    result = {
        "killed": "",
        "by": "",
        "cycles": {
            line["test"]: line["cycles"]
            for line in lines
            if not line["killed"] and line["cycles"] != bench.cycles.get(line["test"])
        },
    }
    names = bench.names
    if lines and lines[-1]["killed"]:
        return result | {"killed": lines[-1]["killed"], "by": lines[-1]["test"]}
    if status or not lines or lines[-1]["test"] != names[-1]:
        why = "does not end" if status == -signal.SIGKILL else "logic does not settle"
        return result | {"killed": why, "by": names[len(lines)]}
    return result


class Mutation:
    """All mutants.

    Parameters
    ----------
    count : how many mutants are asked for; a few fall away
    folder : where the netlist is kept

    Members
    -------
    mutants : the mutants
    key : of netlist and mutants; results are of use only for the same
    """

    def __init__(self, *, count: int, folder: Path) -> None:
        from amaranth.back import rtlil

        from rv64.soc import Soc

        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        design = str(rtlil.convert(Soc(harts=1), name="soc"))
        about = hashlib.sha256(f"{count} {_PREPARE} {design}".encode()).hexdigest()
        known = folder / "design"
        fresh = not known.is_file() or known.read_text() != about
        if fresh:
            (folder / "top.il").write_text(design)
            yosys(_PREPARE.format(hart=HART, width=_WIDTH, count=count), folder)
        self.mutants = list(listed_mutants((folder / "list.txt").read_text(), _BLOCK, 1))
        if fresh:
            commands = [
                each.command.replace("mutate ", f"mutate -ctrl mutsel {_WIDTH} {each.number} ", 1)
                for each in self.mutants
            ]
            last = "write_verilog -noattr mutants.v"
            yosys("\n".join(("read_rtlil prepared.il", *commands, "opt_clean", last)), folder)
            known.write_text(about)
        # In a mutant more than one case may match; the first one counts.
        self._netlist = (folder / "mutants.v").read_text().replace(" // synopsys parallel_case", "")
        self._commands = "\n".join(each.command for each in self.mutants)

    def _build(self) -> Path:
        """A system whose hart is the netlist."""
        text = _MODULE.sub("", verilog(1, 4))
        place = re.compile(rf"(\\{re.escape(HART)} +hart_0 \()")
        if len(place.findall(text)) != 1:
            raise ValueError(f"{HART} must be instantiated once")
        text = place.sub(r"\1.mutsel(mutsel),", text)
        declared = re.compile(r"^(module soc\(.*?\);)$", re.MULTILINE | re.DOTALL)
        text = declared.sub(lambda match: match.group(1) + _SELECT, text, count=1)
        return build_library(text + self._netlist, 1, 4)

    def bench(self) -> _Bench:
        """The system, built."""
        return _Bench(self._build())

    @cached_property
    def key(self) -> str:
        """See above."""
        return hashlib.sha256(f"{self._netlist} {self._commands}".encode()).hexdigest()[:16]

    def _name(self, number: int) -> str:
        """Under which a result is kept: whoever survived other tests has to be run again."""
        tests = hashlib.sha256(repr(names_of_tests()).encode()).hexdigest()[:8]
        return f"{self.key} {number} {tests}"

    def known(self, results: Path) -> list[dict[str, Any] | None]:
        """What became of each mutant so far, number 1 first. Whatever a test that is still there
        has killed stays dead."""
        found = Store(results).read()
        names = set(names_of_tests())
        dead = {
            int(name.split()[1]): result
            for name, result in found.items()
            if name.startswith(self.key) and result["killed"] and result["by"] in names
        }
        return [
            found.get(self._name(mutant.number), dead.get(mutant.number)) for mutant in self.mutants
        ]

    def _survived(self, found: Mapping[str, Any], number: int) -> dict[str, Any] | None:
        """What a mutant did that survived other tests, with their names, which are those that
        the hart as it is was run with."""
        for name, result in found.items():
            key, other, tests = name.split()
            first = found.get(f"{key} 0 {tests}")
            if (key, int(other)) == (self.key, number) and not result["killed"] and first:
                return {**result, "names": list(first["cycles"])}
        return None

    def run(self, *, results: Path, conduct: Conduct) -> None:
        """Run every mutant that ``results`` does not know yet; one that survived other tests, with
        those that it has not seen.

        Raises
        ------
        AssertionError : the unmutated hart does not pass.
        Whatever `run_campaign` does.
        """
        left = [
            mutant.number
            for mutant, result in zip(self.mutants, self.known(results), strict=True)
            if result is None
        ]
        if not left:
            return
        bench = self.bench()
        store = Store(results)
        found = store.read()
        first = found.get(self._name(0))
        if first is None:
            first = run_apart(bench, 0)
            if first["killed"]:
                raise AssertionError(
                    f"the unmutated hart must pass {first['by']}, but {first['killed']}"
                )
            store.add(self._name(0), first)
        bench.cycles = first["cycles"]
        tasks = {self._name(number): number for number in left}

        def batches(todo: Mapping[str, int]) -> list[_Batch]:
            each = [
                (number, name, self._survived(found, number))
                for number, name in sorted((number, name) for name, number in todo.items())
            ]
            return [
                _Batch(bench, each[place : place + _BATCH], store)
                for place in range(0, len(each), _BATCH)
            ]

        run_campaign(tasks, batches, store=store, conduct=conduct, name="mutants", unit="mutant")


@dataclass(frozen=True)
class _Batch:
    """Some mutants, one after the other."""

    bench: _Bench
    mutants: list[tuple[int, str, dict[str, Any] | None]]
    """Number, under which name the result is kept, and what it survived already."""
    store: Store

    def __call__(self) -> None:
        assert self.bench.programs  # made once
        for number, name, survived in self.mutants:
            bench = copy(self.bench)
            before: dict[str, int] = {}
            if survived is not None:
                bench.names = [each for each in bench.names if each not in survived["names"]]
                before = survived["cycles"]
            result = run_apart(bench, number)
            self.store.add(name, result | {"cycles": before | result["cycles"]})


def judged(
    mutation: Mutation,
    outcomes: Sequence[dict[str, Any] | None],
    equivalent: Container[int] = (),
) -> tuple[list[dict[str, Any]], list[str]]:
    """A record of every mutant, and a sentence for each waiver that is stale. One that retires the
    same instructions in another number of cycles has a verdict of its own: to be faster or slower
    is no fault."""
    records = []
    for mutant, outcome in zip(mutation.mutants, outcomes, strict=True):
        record = {
            name: getattr(mutant, name)
            for name in ("block", "source", "line", "mode", "cell", "port", "bit", "control")
        }
        verdict = "alive"
        if outcome is None:
            verdict, outcome = "not run", {"by": ""}
        elif outcome["killed"]:
            verdict = "killed by tests"
        elif outcome["cycles"]:
            verdict = "changes time alone"
        elif mutant.number in equivalent:
            verdict = "equivalent"
        by = outcome["by"].partition("#")[0]
        record |= {"mutant": mutant.number, "verdict": verdict, "by": by}
        records.append(record | {"name": mutant_name(record)})
    alive = {record["name"] for record in records if record["verdict"] == "alive"}
    killed = {record["name"] for record in records if record["verdict"] == "killed by tests"}
    waived, _, stale = waive(
        sorted(alive), sorted(killed - alive), load_waivers("mutation", _WAIVERS)
    )
    for record in records:
        if record["verdict"] == "alive" and (waiver := waived.get(record["name"])):
            record |= {"verdict": "explained", "by": waiver.reason}
    return records, stale

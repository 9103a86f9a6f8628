"""What is stored in docs/data: of which commit it is, and what has changed since.

Data that takes hours to renew may be older than the design; it must say so. `status` finds out, and
`make stored` prints it. A file is

* *current*: nothing that it describes has changed since its commit;
* *older*: something has, and which of its sources;
* *dirty*: it was measured with changes that no commit holds;
* *unsigned*: it says no commit, so all that is known is when it was stored;
* *unknown*: its commit is not in this repository.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rel4.explore.source import meaning

__all__ = ["STORED", "State", "Stored", "commits_of", "report", "status"]

_GATEWARE = ("hw/uintr",)
_NO_HARDWARE = (
    *("__main__", "block_json", "c_header", "cli", "completion", "entry", "files", "integration"),
    *("lint_waivers", "litex_module", "port_table", "program", "register_files"),
)
_WRITERS = tuple(f"hw/uintr/{name}.py" for name in _NO_HARDWARE)
"""Of the gateware's package: the program, and what is written beside the Verilog."""
_REFERENCE = ("sw_model/rel4/reference",)
_TRAFFIC = (
    *("cocotb_tests/uintr_verify", "cocotb_tests/uintr_cosim"),
    *(f"cocotb_tests/{name}.py" for name in ("traffic", "hart_traffic")),
)


_COMPILED = tuple(
    f"cocotb_tests/uintr_cosim/{name}"
    for name in ("compiled.py", "run.cpp", "debugger.h", "rv64_bench.py")
)


def _without(*names: str) -> tuple[str, ...]:
    others = (f"cocotb_tests/uintr_verify/{name}" for name in ("stored.py", *names))
    return (*_WRITERS, *_COMPILED, *others)


_MUTATING = ("mutation.py", "survivors.py", "proved.py", "waivers_mutation.toml")
_COVERING = ("structural.py", "targets.py", "linked.py", "waivers_structural.toml")
_AT_RANDOM = ("long_run.py", "waivers_functional.toml")
_BENCHES = (
    *_TRAFFIC,
    *(f"cocotb_tests/{name}.py" for name in ("contract", "shapes", "verbs")),
    *(f"cocotb_tests/intel_{name}.py" for name in ("scene", "traffic")),
    *(
        f"cocotb_tests/tb_{name}.py"
        for name in (
            *("behaviour", "crowd", "extensions", "latency", "lines", "registers", "walking"),
            *("intel", "intel_interrupts", "intel_pairs", "intel_walking"),
        )
    ),
)
_HART = ("hw/rv64", *_GATEWARE, *_REFERENCE, "cocotb_tests/rv64_verify")


_PORT = ("port.cpp", *(f"port_{name}.py" for name in ("faults", "program", "reference", "watch")))
_HART_APART = ("__main__.py", "qemu.py", "speed.py", *_PORT)


def _hart_without(*names: str) -> tuple[str, ...]:
    """What the hart's data does not come from: how the command is read, and other data's parts."""
    others = (f"cocotb_tests/rv64_verify/{name}" for name in (*_HART_APART, *names))
    return (*_WRITERS, *others)


_HART_COVERING = (
    *("structural.py", "covered.cpp", "directed_coverage.py", "waivers_structural.toml"),
)
_HART_MUTATING = (
    *("mutation.py", "equivalent.py", "waivers.toml"),
    *(f"directed{part}.py" for part in ("", "_frame", "_privileged", "_translated")),
)
_HART_AT_RANDOM = (
    *("long_run.py", "handlers.py", "lockstep.cpp"),
    *(f"random_{name}.py" for name in ("block", "illegal", "privileged", "program")),
)
_COMPILED_SYSTEM = ("hw/uintr", "hw/rv64", "sw_model/compiled")
_SOFTWARE = ("hw/uintr", "sw_model/rel4")
_TYPED = (
    *(f"hw/uintr/{name}.py" for name in ("cli", "completion", "entry", "program")),
    "sw_model/rel4/bench/campaign.py",
)
"""How a command is read and its work handed out, which changes no figure."""
_NO_MODEL = (*_TYPED, "sw_model/rel4/compiled/")
"""And what runs machine code, which no run of the model asks."""
_KERNEL = (
    *(f"hw/uintr/{name}.py" for name in ("registers", "intel/registers", "shape")),
    *(f"sw_model/rel4/{name}" for name in ("kernel", "machine", "reference", "abi", "user")),
    "sw_model/rel4/bench/policies.py",
)
_MEETINGS = (*_KERNEL, "sw_model/rel4/explore/kernel")
_HOSTILE = (*_KERNEL, *(f"sw_model/rel4/explore/{n}" for n in ("hostile", "kernel/hardware.py")))
_MEASURED = ("sw_model/rel4/machine/costs.measured.toml",)
"""Costs of the compiled system, which no explorer runs with."""
_BOARDS = ("hw/uintr", "fpga/uintr_fpga")
_SHAPES = tuple(f"fpga/uintr_fpga/{name}.py" for name in ("bench_hw", "output_registers"))
_NO_BOARD = (
    *("bench_hart", "bench_hw", "cli", "device", "emulate", "entry", "export", "link", "record"),
    *("replay", "report", "soc_board", "soc_registers", "soc_runner", "soc_window", "uartbone"),
)
_HOSTS = (*(f"fpga/uintr_fpga/{name}.py" for name in _NO_BOARD), "fpga/uintr_fpga/emulator.cpp")
"""Of the boards' package: what runs on the host, and the board of the RV64 harts."""


@dataclass(frozen=True)
class Stored:
    """A file of docs/data.

    Parameters
    ----------
    name : of the file
    sources : what it describes; it is older when one of them changed
    renew : the command that makes it anew
    but : how the names of those begin that have no part in it
    by_meaning : comments and docstrings of the sources do not count, as they do not for the names
        under which the run itself keeps what it found (`rel4.explore.source`)
    folder : where it lies
    """

    name: str
    sources: tuple[str, ...]
    renew: str
    but: tuple[str, ...] = ()
    by_meaning: bool = False
    folder: str = "docs/data"


STORED = (
    Stored("formal.jsonl", (*_GATEWARE, "hw/uintr_formal"), "make formal", _WRITERS),
    Stored(
        "random.jsonl",
        (*_GATEWARE, *_REFERENCE, *_TRAFFIC),
        "make random",
        _without(*_MUTATING, *_COVERING),
    ),
    Stored(
        "coverage_functional.json",
        (*_GATEWARE, *_REFERENCE, *_TRAFFIC),
        "make random",
        _without(*_MUTATING, *_COVERING),
    ),
    Stored(
        "coverage.json",
        (*_GATEWARE, *_REFERENCE, *_BENCHES),
        "make coverage",
        _without(*_MUTATING, *_AT_RANDOM),
    ),
    Stored(
        "mutation.jsonl",
        (*_GATEWARE, *_REFERENCE, *_BENCHES),
        "make mutate",
        _without("structural.py", "waivers_structural.toml", *_AT_RANDOM),
    ),
    Stored("gates.json", (*_BOARDS, *_REFERENCE), "make test-gates", (*_WRITERS, *_HOSTS)),
    Stored(
        "rv64_lockstep.jsonl",
        _HART,
        "make test-oracle",
        _hart_without("litmus.py", *_HART_MUTATING, *_HART_COVERING),
    ),
    Stored(
        "rv64_litmus.jsonl",
        _HART,
        "make test-oracle",
        _hart_without(*_HART_AT_RANDOM, *_HART_MUTATING, *_HART_COVERING),
    ),
    Stored(
        "rv64_mutation.jsonl",
        _HART,
        "make mutate-hart",
        _hart_without("litmus.py", *_HART_COVERING),
    ),
    Stored(
        "rv64_coverage.json",
        _HART,
        "make coverage-hart",
        _hart_without("mutation.py", "equivalent.py", "waivers.toml"),
    ),
    Stored("rv64_formal.jsonl", ("hw/rv64", "hw/rv64_formal"), "make formal"),
    Stored("bench_hw.json", (*_GATEWARE, *_SHAPES), "make bench-hw", _WRITERS),
    Stored("fpga.jsonl", _BOARDS, "make bitstreams", (*_WRITERS, *_HOSTS)),
    Stored("sweep.jsonl", _SOFTWARE, "make run readme", _NO_MODEL),
    Stored("flavours.jsonl", _SOFTWARE, "make flavours", _NO_MODEL),
    Stored("pingpong.jsonl", _SOFTWARE, "make flavours", _NO_MODEL),
    Stored("claims.json", _SOFTWARE, "make claims", _NO_MODEL),
    Stored("claims_intel.json", _SOFTWARE, "make claims", _NO_MODEL),
    Stored("compiled.jsonl", _COMPILED_SYSTEM, "rel4 sweep", _TYPED),
    Stored("holdout.jsonl", _COMPILED_SYSTEM, "python -m rel4.bench.when_runs --hold-out", _TYPED),
    Stored(
        "costs.measured.toml",
        _COMPILED_SYSTEM,
        "make costs",
        _TYPED,
        folder="sw_model/rel4/machine",
    ),
    Stored("kernel_meetings.jsonl", _MEETINGS, "make explore-kernel", _MEASURED, by_meaning=True),
    Stored("kernel_random.jsonl", _MEETINGS, "make explore-kernel", _MEASURED, by_meaning=True),
    Stored("hostile.jsonl", _HOSTILE, "make hostile", _MEASURED, by_meaning=True),
    Stored("model_speed.json", _SOFTWARE, "make bench-model", _NO_MODEL),
    Stored("many_harts.csv", _SOFTWARE, "rel4 study", _NO_MODEL),
)
"""The data of long runs."""

_COMMIT = re.compile(r"\b([0-9a-f]{7,40})(\+|-dirty)?$")


@dataclass(frozen=True)
class State:
    """How a file stands: what is said of it, its commit, and what changed since."""

    name: str
    what: str
    commit: str = ""
    changed: tuple[str, ...] = ()
    renew: str = ""

    @property
    def good(self) -> bool:
        """It describes the design as it is."""
        return self.what == "current"

    def __str__(self) -> str:
        since = f", changed since: {', '.join(self.changed)}" if self.changed else ""
        at = f" (commit {self.commit})" if self.commit else ""
        renew = "" if self.good else f"; `{self.renew}` renews it"
        return f"{self.name}: {self.what}{at}{since}{renew}"


def commits_of(path: Path) -> set[str]:
    """Every commit that the records of a file say they are of; JSON, JSON lines, TOML or CSV."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        head, *rows = (line.split(",") for line in text.splitlines())
        return {row[head.index("commit")] for row in rows} if "commit" in head else set()
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in text.splitlines()]
    else:
        records = [tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)]

    def found(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "commit" and isinstance(inner, str):
                    yield inner
                else:
                    yield from found(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from found(inner)

    return set(found(records))


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _changed(root: Path, commit: str, source: str, stored: Stored) -> bool:
    found = (_git(root, "diff", "--name-only", commit, "--", source) or "").split()
    names = [name for name in found if not name.startswith(stored.but)]

    def same(name: str) -> bool:
        old, new = _git(root, "show", f"{commit}:{name}"), root / name
        if not stored.by_meaning or not name.endswith(".py") or old is None or not new.is_file():
            return False
        return meaning(old) == meaning(new.read_text(encoding="utf-8"))

    return not all(map(same, names))


def status(stored: Stored, root: Path) -> State:
    """How a file of the checkout at ``root`` stands against the working tree."""
    path = root / stored.folder / stored.name

    def state(what: str, commit: str = "", changed: tuple[str, ...] = ()) -> State:
        return State(stored.name, what, commit, changed, stored.renew)

    if not path.is_file():
        return state("missing")
    commits = sorted(commits_of(path))
    unsigned = not commits
    if unsigned:
        place = str(path.relative_to(root))
        commits = [_git(root, "log", "-1", "--format=%h", "--", place) or ""]
    shown = ", ".join(commits)
    if any(each.endswith(("-dirty", "+")) for each in commits):
        return state("dirty", shown)
    changed = set()
    for commit in commits:
        if (
            not _COMMIT.fullmatch(commit)
            or _git(root, "cat-file", "-e", f"{commit}^{{commit}}") is None
        ):
            return state("unknown", shown)
        for source in stored.sources:
            if _changed(root, commit, source, stored):
                changed.add(source)
    order = tuple(each for each in stored.sources if each in changed)
    if unsigned:
        return state("unsigned", f"stored at {shown}", order)
    return state("older" if changed else "current", shown, order)


def report(root: Path) -> tuple[list[State], bool]:
    """Every file's state, and whether all are current."""
    states = [status(stored, root) for stored in STORED]
    return states, all(each.good for each in states)

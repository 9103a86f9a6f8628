"""Structural coverage from Verilator, mapped back to the source of the gateware.

Verilator counts lines, branches, expressions and toggles of the generated Verilog, whose attributes
say which line of Amaranth each piece comes from. A point is a source line with what is counted
there; pieces of several instances, and of several copies that a loop of the generator makes, are
one point, covered when one of them is. Names that begin with a dollar are Yosys's own and are left
out.
"""

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rel4.bench.results import source_commit
from uintr.files import write_atomically
from uintr_cosim.signals import TOP
from uintr_verify.native import HARNESS, build_replay, replay
from uintr_verify.targets import Target
from uintr_verify.waivers import Waiver, load_waivers, waive

__all__ = ["KINDS", "merge", "points", "structural_run", "summary", "verilog_with_sources"]

KINDS = ("line", "branch", "expr", "toggle")

_SOURCE = re.compile(r'src = "([^"]*)"')
_OURS = re.compile(r"hw/(uintr/(?:intel/)?\w+\.py):(\d+)")
_MANGLED = re.compile(r"__0([0-9A-Fa-f]{2})")
_INSTANCE = re.compile(r"_\d+(?=\.|$)")
_NUMBER = re.compile(r"\$\d+|(?<=__)\d+(?=__)")
"""What tells copies of a signal apart."""
_ENTRY = re.compile(rb"C '(.*)' (\d+)$")
_NEAR = 12
"""Lines of Verilog before a statement in which its attribute may stand."""


def verilog_with_sources(target: Target) -> str:
    """Verilog of a top, with attributes."""
    from amaranth.back import verilog

    text: str = verilog.convert(target.top(), name=TOP, emit_src=True)
    return text


def _source(lines: list[str], number: int, column: int) -> str:
    """Source file and line of what stands at a place of the Verilog, or nothing."""
    text = lines[number - 1]
    found = list(_SOURCE.finditer(text))
    before = [match for match in found if match.start() < column]
    for match in reversed(before) if before else found:
        ours = _OURS.search(match.group(1))
        if ours:
            return f"{ours.group(1)}:{ours.group(2)}"
    if found:
        return ""
    for back in range(number - 2, max(number - 2 - _NEAR, -1), -1):
        matches = _SOURCE.findall(lines[back])
        if matches:
            ours = _OURS.search(matches[-1])
            return f"{ours.group(1)}:{ours.group(2)}" if ours else ""
        if lines[back].lstrip().startswith(("always", "endmodule", "module")):
            break
    return ""


def points(verilog: str, data: Path) -> Iterator[tuple[str, int]]:
    """Every point of a coverage file and how often it was met.

    A name is ``<kind> <file>:<line> <what>``, where what is Verilator's word for it and, for a
    toggle, the module, the signal with its bit, and the direction.
    """
    lines = verilog.splitlines()
    for entry in data.read_bytes().splitlines():
        match = _ENTRY.match(entry)
        if match is None:
            continue
        fields = dict(part.split(b"\2", 1) for part in match.group(1).split(b"\1") if b"\2" in part)
        if Path(fields[b"f"].decode()).name != f"{TOP}.v":
            continue  # Verilator's own library
        page, _, module = fields[b"page"].decode().partition("/")
        kind = page.removeprefix("v_")
        what = _MANGLED.sub(lambda m: chr(int(m.group(1), 16)), fields[b"o"].decode())
        if kind not in KINDS or (kind == "toggle" and what.startswith("$")):
            continue
        source = _source(lines, int(fields[b"l"]), int(fields[b"n"]))
        if not source:
            continue
        if kind == "toggle":
            module = _NUMBER.sub("", _INSTANCE.sub("", module.removeprefix(TOP + ".")))
            what = f"{module} {_NUMBER.sub('', what)}"
        elif kind == "expr":
            what = re.sub(r"\$\d+", "$", what)
        yield f"{kind} {source} {what}", int(match.group(2))


def merge(runs: Iterable[Iterable[tuple[str, int]]]) -> Counter[str]:
    """Points of several runs together; those never met stay, with 0."""
    merged: Counter[str] = Counter()
    for run in runs:
        for name, count in run:
            merged[name] += count
    return merged


def summary(merged: Mapping[str, int], waivers: list[Waiver]) -> dict[str, Any]:
    """Points, points met and points waived for each file and kind, and the holes that remain."""
    hit = [name for name, count in merged.items() if count]
    missing = [name for name, count in merged.items() if not count]
    waived, remaining, stale = waive(missing, hit, waivers)
    files: dict[str, dict[str, dict[str, int]]] = {}
    for name, count in merged.items():
        kind, place, _ = name.split(" ", 2)
        entry = files.setdefault(place.partition(":")[0], {})
        counts = entry.setdefault(kind, {"points": 0, "met": 0, "waived": 0})
        counts["points"] += 1
        counts["met"] += count > 0
        counts["waived"] += name in waived
    reasons = Counter((waiver.pattern, waiver.reason) for waiver in waived.values())
    return {
        "files": dict(sorted(files.items())),
        "waivers": [
            {"pattern": pattern, "reason": reason, "points": count}
            for (pattern, reason), count in reasons.items()
        ],
        "holes": sorted(remaining),
        "stale": stale,
    }


def _run_target(name: str, target: Target, operations: int) -> list[tuple[str, int]]:
    """Points of one top, under random traffic and its testbenches. What Verilator has counted is
    kept, by the text of the design, of the program and of the stimulus."""
    text = verilog_with_sources(target)
    with tempfile.TemporaryDirectory(prefix="coverage-") as work:
        folder = Path(work)
        files = target.random(folder, seeds=1, operations=operations) + target.directed(folder)
        contents = (text.encode(), *(path.read_bytes() for path in (HARNESS, *files)))
        digest = hashlib.sha256(b"".join(contents)).hexdigest()[:16]
        kept = Path("build/coverage") / f"{digest}.dat"
        if not kept.is_file():
            program = build_replay(target.config, source=text, coverage=True)
            data = folder / "coverage.dat"
            for path, outcome in zip(files, replay(program, files, coverage=data), strict=True):
                if not outcome["good"]:
                    raise AssertionError(f"{name!r}, {path.name}: {outcome['what']}")
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, data.read_bytes())
        return list(points(text, kept))


def structural_run(targets: Mapping[str, Target], *, operations: int, jobs: int) -> dict[str, Any]:
    """Coverage of all tops together.

    Raises
    ------
    AssertionError : an output differs from the reference.
    """
    with ProcessPoolExecutor(jobs) as pool:
        futures = [
            pool.submit(_run_target, name, target, operations) for name, target in targets.items()
        ]
        runs = [future.result() for future in tqdm(futures, desc="coverage", unit="shape")]
    about = {"commit": source_commit(), "shapes": list(targets), "operations": operations}
    return about | summary(merge(runs), load_waivers("structural"))

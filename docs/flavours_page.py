"""Bring the comparison of the flavours up to date: ``docs/flavours_page.py``.

The tables stand between two marker lines and come from a committed sweep of both flavours and a
committed ping-pong, and from nowhere else.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from marked import markdown, replace_between

from rel4.bench.pingpong import KINDS, PingRecord
from rel4.bench.results import PointRecord, read_results
from uintr.files import write_atomically
from uintr.registers import Flavour

__all__ = ["BEGIN", "END", "main", "read_pingpong", "render_flavours"]

BEGIN = "<!-- flavours: begin (`make readme` writes what follows) -->"
END = "<!-- flavours: end -->"


def read_pingpong(path: Path) -> list[PingRecord]:
    """Records of ``rel4 pingpong``.

    Raises
    ------
    ValueError : a line is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [PingRecord(**json.loads(line)) for line in lines]
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{path} must be lines of rel4 pingpong: {error}") from error


def render_flavours(sweep: Iterable[PointRecord], pingpong: Iterable[PingRecord]) -> str:
    """Two tables as Markdown; ends without a newline.

    Raises
    ------
    ValueError : a point of one flavour is not there for the other.
    """
    records = list(sweep)
    by_point = {(r.policy, r.harts, r.concurrency, r.flavour): r for r in records}
    every_n = sorted({r.concurrency for r in records})
    rows = []
    for policy, harts in dict.fromkeys((r.policy, r.harts) for r in records):
        cells = []
        for n in every_n:
            both = [by_point.get((policy, harts, n, flavour)) for flavour in Flavour]
            if None in both:
                raise ValueError(f"{policy} at N = {n} must be there for both flavours")
            cells.append(" / ".join(f"{r.cycles_per_round:.0f}" for r in both if r is not None))
        rows.append([policy, str(harts), *cells])
    device = ", ".join(sorted({r.device for r in records}))
    rounds = ", ".join(sorted({str(r.rounds) for r in records}))
    commits = ", ".join(sorted({r.commit or "unknown" for r in records}))
    return "\n\n".join(
        [
            "**Both flavours side by side**: the same kernel and runtime on RISC-V's user "
            "interrupts and on Intel's. Cycles per round of two calls, RISC-V / Intel; device "
            f"`{device}`, {rounds} rounds, commit {commits}.",
            markdown(["policy", "harts", *(f"N = {n}" for n in every_n)], rows),
            "**A message to another thread and back** (`rel4 pingpong`): median cycles and traps "
            "per round trip, RISC-V / Intel.",
            _ping_table(list(pingpong)),
        ]
    )


def _ping_table(records: Sequence[PingRecord]) -> str:
    by_key = {(r.kind, r.harts, r.flavour): r for r in records}
    every = sorted({r.harts for r in records})
    rows = []
    for kind in KINDS:
        row = [f"`{kind}`"]
        for harts in every:
            both = [by_key[kind, harts, flavour] for flavour in Flavour]
            row += [
                " / ".join(str(r.median) for r in both),
                " / ".join(f"{r.traps:.1f}" for r in both),
            ]
        rows.append(row)
    heads = [f"{n} hart{'s' if n > 1 else ''}{end}" for n in every for end in ("", ": traps")]
    return markdown(["way", *heads], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit status: 0 done or up to date, 1 out of date, 2 bad input."""
    parser = argparse.ArgumentParser(prog="docs/flavours_page.py", description=__doc__)
    parser.add_argument("--sweep", type=Path, default=Path("docs/data/flavours.jsonl"))
    parser.add_argument("--pingpong", type=Path, default=Path("docs/data/pingpong.jsonl"))
    parser.add_argument("--page", type=Path, default=Path("docs/intel_software.md"))
    parser.add_argument("--check", action="store_true", help="change nothing, compare the tables")
    options = parser.parse_args(arguments)
    try:
        sweep, pingpong = read_results(options.sweep), read_pingpong(options.pingpong)
        old = options.page.read_text(encoding="utf-8")
        new = replace_between(old, render_flavours(sweep, pingpong), BEGIN, END)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.check and old != new:
        print(f"{options.page} must show what {options.sweep} holds: run `make readme`")
        return 1
    write_atomically(options.page, new.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())

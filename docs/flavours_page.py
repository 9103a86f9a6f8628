"""Bring the READMEs' comparison of the flavours up to date: ``docs/flavours_page.py``.

The tables stand between two marker lines and come from a committed sweep of both flavours and a
committed ping-pong, and from nowhere else.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from marked import markdown, replace_between

from rel4.bench.pingpong import KINDS, PingRecord
from rel4.bench.results import PointRecord, read_results
from uintr.files import write_atomically
from uintr.registers import Flavour

__all__ = ["BEGIN", "END", "main", "read_pingpong", "render_flavours"]

BEGIN = "<!-- flavours: begin (`make readme` writes what follows) -->"
END = "<!-- flavours: end -->"


@dataclass(frozen=True, kw_only=True)
class _Words:
    """What stands around the numbers, in one language."""

    head: str
    policy: str
    cycles: str
    harts: str
    pingpong: str
    way: str
    traps: str


_ENGLISH = _Words(
    head="**Both flavours side by side**: the same kernel and runtime on RISC-V's user interrupts "
    "and on [Intel's](docs/intel.md). Cycles per round of two calls, RISC-V / Intel; device "
    "`{device}`, {rounds} rounds, commit {commits}.",
    policy="policy",
    cycles="N = {}",
    harts="harts",
    pingpong="**A message to another thread and back** (`rel4 pingpong`): median cycles and traps "
    "per round trip, RISC-V / Intel.",
    way="way",
    traps="traps",
)
_CHINESE = _Words(
    head="**两种用户态中断并列**：同一内核与运行时，分别运行在 RISC-V 与 "
    "[Intel](docs/intel.md) 的用户态中断之上。"
    "每轮（两次调用）的周期数，RISC-V / Intel；设备 `{device}`，{rounds} 轮，提交 {commits}。",
    policy="策略",
    cycles="N = {}",
    harts="hart 数",
    pingpong="**向另一线程发消息并收到回复**（`rel4 pingpong`）：每次往返的周期数中位数与陷入次数，"
    "RISC-V / Intel。",
    way="方式",
    traps="陷入",
)


def _words_for(readme: Path) -> _Words:
    return _CHINESE if readme.suffixes[:1] == [".zh"] else _ENGLISH


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


def render_flavours(
    sweep: Iterable[PointRecord], pingpong: Iterable[PingRecord], readme: Path = Path("README.md")
) -> str:
    """Two tables as Markdown, in the language of ``readme``; ends without a newline.

    Raises
    ------
    ValueError : a point of one flavour is not there for the other.
    """
    words, records = _words_for(readme), list(sweep)
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
    head = words.head.format(
        device=", ".join(sorted({r.device for r in records})),
        rounds=", ".join(sorted({str(r.rounds) for r in records})),
        commits=", ".join(sorted({r.commit or "unknown" for r in records})),
    )
    table = markdown([words.policy, words.harts, *map(words.cycles.format, every_n)], rows)
    return "\n\n".join([head, table, words.pingpong, _ping_table(list(pingpong), words)])


def _ping_table(records: Sequence[PingRecord], words: _Words) -> str:
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
    heads = [f"{n} hart{'s' if n > 1 else ''}{end}" for n in every for end in ("", ": @")]
    return markdown([words.way, *(head.replace("@", words.traps) for head in heads)], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit status: 0 done or up to date, 1 out of date, 2 bad input."""
    parser = argparse.ArgumentParser(prog="docs/flavours_page.py", description=__doc__)
    parser.add_argument("--sweep", type=Path, default=Path("docs/data/flavours.jsonl"))
    parser.add_argument("--pingpong", type=Path, default=Path("docs/data/pingpong.jsonl"))
    parser.add_argument(
        "--readme", type=Path, nargs="+", default=[Path("README.md"), Path("README.zh.md")]
    )
    parser.add_argument("--check", action="store_true", help="change nothing, compare the tables")
    options = parser.parse_args(arguments)
    try:
        sweep, pingpong = read_results(options.sweep), read_pingpong(options.pingpong)
        old = {readme: readme.read_text(encoding="utf-8") for readme in options.readme}
        new = {
            readme: replace_between(text, render_flavours(sweep, pingpong, readme), BEGIN, END)
            for readme, text in old.items()
        }
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    stale = [readme for readme in options.readme if old[readme] != new[readme]]
    for readme in stale:
        if options.check:
            print(f"{readme} must show what {options.sweep} holds: run `make readme`")
        else:
            write_atomically(readme, new[readme].encode())
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())

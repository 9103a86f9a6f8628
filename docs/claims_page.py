"""Writes the measured claims into docs/async.md, from docs/data/claims.json."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marked import replace_between

from uintr.files import write_atomically

__all__ = ["BEGIN", "END", "main", "table"]

BEGIN = "<!-- claims: begin (`make claims` writes what follows) -->"
END = "<!-- claims: end -->"


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"the seeds {seeds[0]} to {seeds[-1]}"


def table(record: dict[str, Any]) -> str:
    """The findings as a Markdown table, and what the controls and the sensitivity run found."""
    lines = [
        f"Measured on the device `{record['device']}` with {_seeds(record['seeds'])}, "
        f"commit {record['commit']}. A claim holds only if its worst seed does.",
        "",
        "| claim | target | worst | range over seeds | bound | |",
        "|---|---|---|---|---|---|",
    ]
    for claim in record["claims"]:
        bound = "" if claim["bound"] is None else f"{claim['bound']:.3f}"
        verdict = "holds" if claim["holds"] else "missed"
        worst, low, high = (_number(claim[name]) for name in ("value", "low", "high"))
        span = low if low == high else f"{low} to {high}"
        lines.append(
            f"| {claim['text']} | {claim['target']:g} | {worst} | {span} | {bound} | {verdict} |"
        )
    lines += _controls(record) + _sensitivity(record)
    return "\n".join(lines)


def _controls(record: dict[str, Any]) -> list[str]:
    controls = record.get("controls")
    if not controls:
        return []
    lines = [
        "",
        "Controls: the same claims where the kernel's work for a call is the same both ways. "
        "A claim that fails is marked with *.",
        "",
        "| claim | " + " | ".join(f"`{control['name']}`" for control in controls) + " |",
        "|---|" + "---|" * len(controls),
    ]
    for claim in record["claims"]:
        cells = []
        for control in controls:
            found = control["claims"][claim["name"]]
            bound = "" if found["bound"] is None else f" (bound {found['bound']:.3f})"
            cells.append(f"{_number(found['value'])}{'' if found['holds'] else ' *'}{bound}")
        lines.append(f"| {claim['text']} | " + " | ".join(cells) + " |")
    return lines


def _sensitivity(record: dict[str, Any]) -> list[str]:
    rows = record.get("sensitivity")
    if rows is None:
        return []
    flipped = [row for row in rows if row["flips"]]
    lines = ["", f"Sensitivity: {len(rows)} variations of one cost each, on the reference."]
    if not flipped:
        lines.append("None changes a verdict.")
    for row in flipped:
        names = ", ".join(f"{name} ({value:.3f})" for name, value in row["flips"].items())
        lines.append(f"* `{row['cost']}` × {row['factor']:g} changes: {names}.")
    return lines


def main(root: Path = Path()) -> None:
    """Rewrite docs/async.md below ``root``."""
    record = json.loads((root / "docs/data/claims.json").read_text(encoding="utf-8"))
    page = root / "docs/async.md"
    text = replace_between(page.read_text(encoding="utf-8"), table(record), BEGIN, END)
    write_atomically(page, text.encode())


if __name__ == "__main__":
    main(Path(*sys.argv[1:]))

"""Results of builds as data, and the boards' table made of them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from uintr.files import write_atomically
from uintr.registers import Flavour

__all__ = ["read_results", "boards_table", "store_result", "write_table"]

_BEGIN, _END = "<!-- fpga -->\n", "\n<!-- /fpga -->"
_BEFORE = "b429af5 or before"
"""What a report without a commit is of: since then they have one."""
_SHAPE = ("board", "harts", "receivers", "table_pages", "baud")


def read_results(path: Path) -> list[dict[str, Any]]:
    """The reports in a file of JSON lines.

    Raises
    ------
    ValueError : a line is no report.
    OSError : it cannot be read.
    """
    results = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} must hold a report a line, and is binary") from None
    for number, line in enumerate(lines, start=1):
        try:
            result = json.loads(line)
            _key(result)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of {path} must be a report, and is none") from error
        results.append(result)
    return results


def _key(result: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(result[name] for name in _SHAPE), _flavour(result), result["seed"])


def _flavour(result: Mapping[str, Any]) -> str:
    """Reports from before there were two have none."""
    return str(result.get("flavour", Flavour.RISCV))


def store_result(path: Path, result: Mapping[str, Any]) -> None:
    """Add a report, in place of an earlier one of the same configuration and seed, and of all of
    the same configuration that are of another commit.
    """
    results = [
        each
        for each in (read_results(path) if path.exists() else [])
        if _key(each) != _key(result)
        and (_key(each)[:-1] != _key(result)[:-1] or each.get("commit") == result.get("commit"))
    ]
    results.append(dict(result))
    results.sort(key=_key)
    lines = "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in results)
    write_atomically(path, lines.encode())


def boards_table(results: Iterable[Mapping[str, Any]]) -> str:
    """A row for each configuration; the slowest of its seeds stands for it."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault(_key(result)[:-1], []).append(result)
    lines = [
        "| board | flavour | harts | receivers | LUTs | flip-flops | block RAMs | clock, MHz "
        "| slowest of seeds, MHz | margin | commit |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for group in groups.values():
        worst = min(group, key=lambda each: float(each["fmax_mhz"]))
        total = worst["total"]
        seeds = ", ".join(str(each["seed"]) for each in group)
        lines.append(
            f"| {worst['title']} | {_flavour(worst)} | {worst['harts']} | {worst['receivers']} "
            f"| {total['lut']} | {total['ff']} | {total['ram']} | {worst['clock_mhz']:g} "
            f"| {worst['fmax_mhz']:.1f} of {seeds} | {worst['margin_percent']:.0f} % "
            f"| {worst.get('commit') or _BEFORE} |"
        )
    tools = sorted(
        {
            f"{tool} {version}"
            for group in groups.values()
            for each in group
            for tool, version in each["versions"].items()
        }
    )
    return "\n".join([*lines, "", f"Tools: {'; '.join(tools)}."])


def write_table(page: Path, table: str) -> None:
    """Put ``table`` between the marks in ``page``.

    Raises
    ------
    ValueError : the page has no marks.
    OSError : it cannot be read or written.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{page} must have the marks of the table, but has not")
    write_atomically(page, (before + begin + table + end + after).encode())

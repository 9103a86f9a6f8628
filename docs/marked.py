"""What is generated: its tables, and the one writer of what stands between two marker lines."""

from collections.abc import Iterable, Sequence

__all__ = ["markdown", "replace_between", "table"]


def replace_between(text: str, new: str, first: str, last: str) -> str:
    """``text`` with everything between the marker lines ``first`` and ``last`` replaced.

    Raises
    ------
    ValueError : the markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(first)
    old, end, after = rest.partition(last)
    if not begin or not end or first in after or last in before + after or first in old:
        raise ValueError(f"text must hold the markers once each and in order, not {text[:40]!r}")
    return f"{before}{first}\n\n{new}\n\n{last}{after}"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells, its columns flush right; ends without a newline."""
    return table(" | ".join(heads), map(" | ".join, rows), "---:").removesuffix("\n")


def table(head: str, rows: Iterable[str], rule: str = "---") -> str:
    """A table of rows whose cells have bars between them; ``rule`` stands below each head."""
    rules = "|".join(rule for _ in head.split("|"))
    return f"| {head} |\n|{rules}|\n" + "".join(f"| {row} |\n" for row in rows)

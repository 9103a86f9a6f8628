"""What is generated stands between two marker lines of a page: the one writer of such parts."""

from collections.abc import Iterable, Sequence

__all__ = ["markdown", "replace_between"]


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
    """A table, its columns flush right."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join("---:" for _ in heads) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)

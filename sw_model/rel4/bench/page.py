"""Pieces of a self-contained HTML page: no script, no file beside it, nothing from the network."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from .table import Sheet

__all__ = ["chips", "document", "figure", "legend", "sheet", "table"]


def document(title: str, body: Iterable[str]) -> str:
    """The whole page."""
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An icon of our own, or else a browser asks for one and logs that there is none.
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def figure(title: str, svg: str, caption: str = "") -> str:
    """A drawing with its title and a caption."""
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure><h3>{escape(title)}</h3>{svg}{note}</figure>"


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Swatches with their names."""
    items = "".join(f"<li>{mark}<span>{escape(name)}</span></li>" for mark, name in entries)
    return f'<ul class="legend">{items}</ul>'


def chips(entries: Iterable[tuple[str, str]]) -> str:
    """Squares of the given style, which is that of a bar's part, with their names."""
    return legend(
        (f'<span class="chip" style="{look.replace("fill:", "background:")}"></span>', name)
        for look, name in entries
    )


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text: Iterable[int] = (0,),
    wrap: Iterable[int] = (),
    blocks: Iterable[int] = (),
) -> str:
    """A table whose rows become lines of named values where the screen is narrow; columns ``text``
    are left-aligned, ``wrap`` may break, rows ``blocks`` begin a new block."""
    left, broken, first = set(text), set(wrap), set(blocks)

    def kind(column: int) -> str:
        if column in broken:
            return ' class="wrap"'
        return ' class="text"' if column in left else ""

    top = "".join(f"<th{kind(n)}>{escape(name)}</th>" for n, name in enumerate(head))
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(
            f'<td{kind(n)} data-head="{escape(head[n])}">{escape(cell)}</td>'
            for n, cell in enumerate(row)
        )
        block = ' class="block"' if number in first and number else ""
        lines.append(f"<tr{block}>{cells}</tr>")
    return (
        f'<div class="card"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def sheet(found: Sheet) -> str:
    """One of the sweep's tables."""
    head = [name.replace("\n", " ") for group in found.head for name in group]
    return table(head, found.rows, blocks=found.blocks)

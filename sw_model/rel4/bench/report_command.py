"""``rel4 report``: a sweep as one page."""

import argparse

from uintr.program import Parser, path

from .report import write_report

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Read the results and event logs of a sweep and write report.html: figures, latencies, "
        "where the cycles go, comparison, configuration, costs with their sources.",
        "rel4 report build/sweep                            writes build/sweep/report.html",
    )
    parser.add_argument("folder", type=path, metavar="DIR", help="folder of a sweep")
    parser.add_argument(
        "--out", type=path, metavar="FILE", help="file to write (default DIR/report.html)"
    )


def _run(options: argparse.Namespace) -> int:
    write_report(options.folder, out=options.out)
    return 0

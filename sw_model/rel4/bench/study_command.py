"""``rel4 study``: a design over any parameters."""

import argparse
from pathlib import Path

from uintr.program import Parser, path

from .cost_options import add_costs, costs_of
from .options import add_conduct_options, conduct_of
from .study import BROKEN
from .study_run import run_study

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Run the design in FILE and write results.csv (and results.parquet where pyarrow is "
        "installed), and a figure. Finished trials are kept: started again, it goes on. Exit "
        "status: 0 done, 1 a run broke a rule or no trial could be run.",
        """
        rel4 study examples/studies/tick_period.toml       every combination, on this computer
        rel4 study FILE.toml --scheduler tcp://host:8786   the same on a Dask cluster
        """,
    )
    parser.add_argument("file", type=path, metavar="FILE", help="TOML file of the design")
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder for results (default build/study/FILE)"
    )
    add_costs(parser)
    add_conduct_options(parser, resume=False)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask scheduler instead")


def _run(options: argparse.Namespace) -> int:
    out = options.out if options.out is not None else Path("build/study") / options.file.stem
    rows = run_study(
        options.file,
        out=out,
        conduct=conduct_of(options),
        scheduler=options.scheduler,
        costs=costs_of(options),
    )
    errors = [str(row["error"]) for row in rows]
    return 1 if all(errors) or any(error.startswith(BROKEN) for error in errors) else 0

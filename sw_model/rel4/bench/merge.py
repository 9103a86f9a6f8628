"""Several sweeps as one: ``python -m rel4.bench.merge OUT FOLDER...``.

For sweeps of several seeds or on several devices. The points of all folders go into one
``results.jsonl`` and ``.csv``, one table and one pair of figures; runs that differ in nothing but
the seed become one point with its mean and its spread.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .plots import plot_sweep
from .results import read_results, write_results
from .table import render_table

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit status: 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m rel4.bench.merge", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("folders", type=Path, nargs="+", help="folders with a results.jsonl each")
    options = parser.parse_args(arguments)
    try:
        records = [r for folder in options.folders for r in read_results(folder / "results.jsonl")]
        paths = write_results(records, options.out) + plot_sweep(records, options.out)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(render_table(records))
    print()
    print("written:", *paths)
    return 0


if __name__ == "__main__":
    sys.exit(main())

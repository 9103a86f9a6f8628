"""Where the ``uintr`` command begins: says in one sentence what is missing."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """`uintr.cli.main`, or exit status 2 where the gateware's language is not installed."""
    try:
        from uintr import cli
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("amaranth"):
            raise
        print(
            "uintr: Amaranth must be installed to generate gateware, but is not: "
            "pip install 'rel4-uintr[rtl]'",
            file=sys.stderr,
        )
        return 2
    status: int = cli.main(argv)
    return status

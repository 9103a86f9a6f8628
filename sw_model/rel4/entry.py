"""Where ``rel4`` begins."""

from collections.abc import Sequence

from uintr.entry import start

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """``rel4``."""
    return start("rel4", "rel4.cli", arguments)

"""Where ``uintr-fpga`` begins."""

from collections.abc import Sequence

from uintr.entry import start

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """``uintr-fpga``."""
    return start("uintr-fpga", "uintr_fpga.cli", arguments)

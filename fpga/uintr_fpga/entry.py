"""What the command ``uintr-fpga`` calls: the command line, or what to install for it."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; exit status 2 with one sentence where Amaranth or cocotb is missing."""
    try:
        from uintr_fpga.cli import main as run
    except ImportError as error:
        print(
            f"uintr-fpga: {error.name} must be installed (pip install 'rel4-uintr[rtl]'), "
            "but is not",
            file=sys.stderr,
        )
        return 2
    return run()

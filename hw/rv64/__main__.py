"""``python -m rv64`` writes the system as Verilog."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rv64.soc import MAX_SOC_HARTS, Soc
from uintr.files import check_file, write_atomically
from uintr.generate import verilog_text
from uintr.program import Parser, run_program, whole
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, DEFAULT_RECEIVERS, Feature

__all__ = ["main"]


def _parser() -> Parser:
    parser = Parser(
        prog="python -m rv64",
        examples="python -m rv64 --harts 2 --cache 8 -o soc.v",
    )
    parser.describe(_generate, "Write harts with user interrupts, and the system around them.")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    for name, default, what in (
        ("harts", 2, f"1 to {MAX_SOC_HARTS}"),
        ("cache", 4, "KiB of each instruction and each data cache: 4, 8 or 16"),
        ("receivers", DEFAULT_RECEIVERS, "of the user-interrupt controller"),
        ("latency", DEFAULT_LATENCY, "cycles from an accepted post to the line, 2 to 4"),
    ):
        parser.add_argument(
            f"--{name}", type=whole, default=default, metavar="N", help=f"{what} ({default})"
        )
    parser.add_argument(
        "--no-extensions", action="store_true", help="the published controller's registers alone"
    )
    return parser


def _generate(options: argparse.Namespace) -> int:
    path = None if options.output is None else Path(options.output)
    if path is not None:
        if not path.parent.is_dir():
            raise ValueError(f"output must be in a folder that exists, not {options.output!r}")
        check_file(path, "output")
    if options.cache not in (4, 8, 16):
        raise ValueError(f"cache must be 4, 8 or 16, not {options.cache!r}")
    soc = Soc(
        harts=options.harts,
        cache_bytes=options.cache << 10,
        receivers=options.receivers,
        latency=options.latency,
        features=Feature(0) if options.no_extensions else ALL_FEATURES,
    )
    text = verilog_text(soc, name="soc")
    if path is None:
        sys.stdout.write(text)
    else:
        write_atomically(path, text.encode())
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input."""
    return run_program(_parser, arguments)


if __name__ == "__main__":
    sys.exit(main())

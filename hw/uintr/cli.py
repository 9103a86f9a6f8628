"""The command line: ``uintr generate`` writes the gateware as Verilog or RTLIL."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from uintr.generate import rtlil_text, verilog_text
from uintr.registers import (
    ALL_FEATURES,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    DEFAULT_TABLE_BASE,
    DEFAULT_TABLE_PAGES,
    Feature,
)
from uintr.system import System

__all__ = ["main"]

_WRITERS: dict[str, Callable[[Any], str]] = {"verilog": verilog_text, "rtlil": rtlil_text}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _number(text: str) -> int:
    """An integer in any notation of Python, such as 0x3000000."""
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


def _features(text: str) -> Feature:
    """A comma-separated list of extensions, or all, or none."""
    if text in ("all", "none"):
        return ALL_FEATURES if text == "all" else Feature(0)
    features = Feature(0)
    for name in text.split(","):
        try:
            features |= Feature[name.upper()]
        except KeyError:
            known = ", ".join(feature.name.lower() for feature in Feature if feature.name)
            raise argparse.ArgumentTypeError(
                f"must be all, none, or a list of {known}, not {name!r}"
            ) from None
    return features


def _parser() -> _Parser:
    parser = _Parser(prog="uintr", description="User-interrupt gateware for RISC-V.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    generate = commands.add_parser("generate", help="write the gateware for other tools")
    generate.add_argument(
        "-t", "--type", choices=tuple(_WRITERS), default="verilog", help="default: %(default)s"
    )
    generate.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    for name, default, what in (
        ("harts", DEFAULT_HARTS, "hart units"),
        ("receivers", DEFAULT_RECEIVERS, "receivers of the controller"),
        ("base", DEFAULT_BASE, "address of the controller"),
        ("table-base", DEFAULT_TABLE_BASE, "address of the sender-table memory"),
        ("table-pages", DEFAULT_TABLE_PAGES, "its size in 4 KiB pages"),
        ("latency", DEFAULT_LATENCY, "cycles from an accepted post to the line, 2 to 4"),
    ):
        shown = f"{default:#x}" if "base" in name else str(default)
        generate.add_argument(
            f"--{name}", type=_number, default=default, metavar="N", help=f"{what} ({shown})"
        )
    generate.add_argument(
        "--features",
        type=_features,
        default=ALL_FEATURES,
        metavar="LIST",
        help="extensions: all, none, or names with commas between (all)",
    )
    return parser


def _write(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` entirely or not at all."""
    if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
        path.write_text(text)
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp is stricter than a file of the user's needs to be
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input."""
    parser = _parser()
    options = parser.parse_args(arguments)
    path = None if options.output is None else Path(options.output)
    if path is not None and not path.parent.is_dir():
        parser.error(f"output must be in a folder that exists, not {options.output!r}")
    try:
        system = System(
            harts=options.harts,
            receivers=options.receivers,
            base=options.base,
            table_base=options.table_base,
            table_pages=options.table_pages,
            features=options.features,
            latency=options.latency,
        )
    except ValueError as error:
        parser.error(str(error))

    text = _WRITERS[options.type](system)
    try:
        if path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            _write(path, text)
    except OSError as error:
        parser.error(
            f"output must be writable, but {options.output or 'it'} is not: {error.strerror}"
        )
    return 0

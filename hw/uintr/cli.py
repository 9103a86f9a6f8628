"""The command line: ``uintr generate`` writes the gateware and what goes with it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uintr.axi_lite import OnAxiLite
from uintr.c_header import c_header
from uintr.controller_block import ControllerBlock
from uintr.files import check_file, write_atomically
from uintr.flavour import make_system
from uintr.generate import rtlil_text, verilog_text
from uintr.hart_unit_block import HartUnitBlock
from uintr.integration import devicetree_binding, devicetree_example, fusesoc_core
from uintr.interface import interface_json
from uintr.program import Parser, run_program, version
from uintr.register_files import RegisterMap, svd, system_rdl
from uintr.registers import (
    ALL_FEATURES,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    DEFAULT_TABLE_BASE,
    DEFAULT_TABLE_PAGES,
    Feature,
    Flavour,
)

__all__ = ["main"]

_WRITERS: dict[str, Callable[..., str]] = {"verilog": verilog_text, "rtlil": rtlil_text}
"""Types that hold the block itself."""

_MAPS: dict[str, Callable[[RegisterMap], str]] = {
    "header": c_header,
    "svd": svd,
    "systemrdl": system_rdl,
    "devicetree": devicetree_example,
}
"""Types that say where its registers are."""

_BLOCKS = ("system", "controller", "hart-unit")
_BUSES = ("wishbone", "axi4-lite")
_OTHERS = ("fusesoc", "devicetree-binding")


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


def _parser() -> Parser:
    parser = Parser(
        prog="uintr",
        description="User-interrupt gateware.",
        examples="""
        uintr generate -o system.v                           the system as Verilog
        uintr generate --harts 2 --bus axi4-lite -o system.v
        uintr generate -t header -o uintr.h                  its registers for C
        uintr generate --help
        """,
    )
    parser.add_argument("--version", action="version", version=f"uintr {version()}")
    commands = parser.commands()
    generate = commands.add_parser("generate", help="write the gateware for other tools")
    generate.describe(
        _generate,
        "Write the gateware as Verilog or RTLIL, or what goes with it: its registers for C, SVD, "
        "SystemRDL and device trees, a core file for FuseSoC.",
        """
        uintr generate -o system.v                           the system as Verilog
        uintr generate --json                                its module name, parameters and ports
        """,
    )
    generate.add_argument(
        "-t",
        "--type",
        choices=(*_WRITERS, *_MAPS, *_OTHERS),
        default="verilog",
        help="default: %(default)s",
    )
    generate.add_argument("--block", choices=_BLOCKS, default="system", help="default: %(default)s")
    generate.add_argument(
        "--flavour", choices=[*Flavour], default=Flavour.RISCV, help="default: %(default)s"
    )
    generate.add_argument("--bus", choices=_BUSES, default="wishbone", help="default: %(default)s")
    generate.add_argument(
        "--json",
        action="store_true",
        help="instead of the block itself: its module name, parameters and ports",
    )
    generate.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    for name, default, what in (
        ("harts", DEFAULT_HARTS, "hart units"),
        ("receivers", DEFAULT_RECEIVERS, "receivers of the controller"),
        ("base", DEFAULT_BASE, "address of the controller"),
        ("table-base", DEFAULT_TABLE_BASE, "address of the sender-table memory"),
        ("table-pages", DEFAULT_TABLE_PAGES, "its size in 4 KiB pages"),
        ("table-wait-states", 0, "cycles that it takes longer"),
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


def _check_flavour(options: argparse.Namespace) -> None:
    """The Intel flavour has a system alone, and no registers on the bus to be described."""
    if options.flavour != Flavour.INTEL:
        return
    if options.block != "system":
        raise ValueError(f"block of the Intel flavour must be system, not {options.block!r}")
    known = (*_WRITERS, "fusesoc")
    if options.type not in known:
        raise ValueError(
            f"type for the Intel flavour must be one of {', '.join(known)}, not {options.type!r}"
        )


def _block(options: argparse.Namespace) -> Any:
    """The component that the options describe."""
    common = {
        "harts": options.harts,
        "receivers": options.receivers,
        "features": options.features,
        "latency": options.latency,
    }
    block: Any
    if options.block == "hart-unit":
        block = HartUnitBlock(
            receivers=options.receivers, features=options.features, latency=options.latency
        )
    elif options.block == "controller":
        block = ControllerBlock(**common)
    else:
        block = make_system(
            flavour=options.flavour,
            base=options.base,
            table_base=options.table_base,
            table_pages=options.table_pages,
            table_wait_states=options.table_wait_states,
            **common,
        )
    return OnAxiLite(block) if options.bus == "axi4-lite" else block


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Those that make the block what it is."""
    names = ["receivers", "latency"]
    if options.block != "hart-unit":
        names.insert(0, "harts")
    if options.block == "system":
        names += ["base", "table_base", "table_pages", "table_wait_states"]
    features = [feature.name for feature in options.features]
    return {
        "block": options.block,
        "flavour": str(options.flavour),
        "bus": options.bus,
        **{name: getattr(options, name) for name in names},
        "features": [name.lower() for name in features if name],
    }


def _text(options: argparse.Namespace) -> str:
    """What is to be written."""
    _check_flavour(options)
    name = options.block.replace("-", "_")
    if options.json:
        if options.type not in _WRITERS:
            known = ", ".join(_WRITERS)
            raise ValueError(f"type with --json must be one of {known}, not {options.type!r}")
        return interface_json(_block(options), name=name, parameters=_parameters(options))
    if options.type in _WRITERS:
        return _WRITERS[options.type](_block(options), name=name)
    if options.type == "devicetree-binding":
        return devicetree_binding()
    if options.type == "fusesoc":
        arguments = f"--block {options.block} --bus {options.bus} -o {name}.v"
        if options.flavour != Flavour.RISCV:
            arguments = f"--flavour {options.flavour} {arguments}"
        return fusesoc_core(name=name, verilog=f"{name}.v", arguments=arguments)
    return _MAPS[options.type](
        RegisterMap(
            base=options.base,
            harts=options.harts,
            receivers=options.receivers,
            features=options.features,
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input."""
    return run_program(_parser, arguments)


def _generate(options: argparse.Namespace) -> int:
    path = None if options.output is None else Path(options.output)
    if path is not None:
        if not path.parent.is_dir():
            raise ValueError(f"output must be in a folder that exists, not {options.output!r}")
        check_file(path, "output")
    text = _text(options)
    if path is None:
        sys.stdout.write(text)
    else:
        write_atomically(path, text.encode())
    return 0

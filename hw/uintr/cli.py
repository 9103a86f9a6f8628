"""The command line: ``uintr generate`` writes the gateware and what goes with it."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uintr.axi_lite import OnAxiLite
from uintr.block_json import interface_json
from uintr.c_header import c_header
from uintr.checks import check_range
from uintr.completion import define as define_shell_completion
from uintr.controller_block import CONTROLLER_FEATURES, ControllerBlock
from uintr.files import check_file, write_atomically
from uintr.flavour import make_system
from uintr.generate import rtlil_text, verilog_text
from uintr.hart_unit_block import HartUnitBlock
from uintr.integration import devicetree_binding, devicetree_example, fusesoc_core
from uintr.lint_waivers import verilator_config
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
    MAX_HARTS,
    Feature,
    Flavour,
)
from uintr.shape import check_hart_unit, controller_windows, system_windows, table_window

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
_BUILDS = ("fusesoc", "vlt")
"""Types that go with the Verilog into a build."""
_SYSTEM_ALONE = ["base", "table_base", "table_pages", "table_wait_states"]
_SYSTEM = ["harts", "receivers", "latency", *_SYSTEM_ALONE]
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
        choices=(*_WRITERS, *_MAPS, *_BUILDS, "devicetree-binding"),
        default="verilog",
        metavar="TYPE",
        help="one of %(choices)s (default %(default)s)",
    )
    generate.add_argument("--block", choices=_BLOCKS, default="system", help="default: %(default)s")
    generate.add_argument(
        "--flavour", choices=[*Flavour], default=Flavour.RISCV, help="default: %(default)s"
    )
    generate.add_argument("--bus", choices=_BUSES, default="wishbone", help="default: %(default)s")
    generate.add_argument(
        "--join",
        action="store_true",
        help="the controller has a port for the hart unit of each hart",
    )
    generate.add_argument(
        "--name",
        default="",
        metavar="NAME",
        help="of the top module, which all others begin with; default: the block's",
    )
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
    generate.complete(
        "--features", ["all", "none", *((each.name or "").lower() for each in Feature)]
    )
    define_shell_completion(
        commands.add_parser("completion", help="a script that completes commands in a shell"),
        _parser,
    )
    return parser


def _check(options: argparse.Namespace) -> None:
    """The same for every type: what the block itself would refuse."""
    if options.name and not _IDENTIFIER.fullmatch(options.name):
        raise ValueError(f"name must be a Verilog identifier, not {options.name!r}")
    if options.join and options.block != "controller":
        raise ValueError(f"block with --join must be controller, not {options.block!r}")
    if options.flavour == Flavour.INTEL and options.block != "system":
        raise ValueError(f"block of the Intel flavour must be system, not {options.block!r}")
    known = (*_WRITERS, *_BUILDS)
    if options.flavour == Flavour.RISCV:
        # Without a controller there are no registers on the bus to be described.
        known += ("header",) if options.block == "hart-unit" else (*_MAPS, "devicetree-binding")
    if options.type not in known:
        whose = "the Intel flavour" if options.flavour == Flavour.INTEL else "a hart unit"
        raise ValueError(
            f"type for {whose} must be one of {', '.join(known)}, not {options.type!r}"
        )
    if options.json and options.type not in _WRITERS:
        types = ", ".join(_WRITERS)
        raise ValueError(f"type with --json must be one of {types}, not {options.type!r}")
    names = ["receivers", "latency"]
    if options.block == "hart-unit":
        check: Callable[..., Any] = check_hart_unit
    elif options.flavour == Flavour.INTEL:
        check_range("harts", options.harts, 1, MAX_HARTS)
        check, names = table_window, ["table_base", "table_pages"]
    else:
        names += ["harts", "base", "features"]
        check = controller_windows
        if options.block == "system":
            names += ["table_base", "table_pages", "table_wait_states"]
            check = system_windows
    check(**{name: getattr(options, name) for name in names})


def _features_of(options: argparse.Namespace) -> Feature:
    """The extensions that the block has, of those that were asked for."""
    alone = options.block == "controller" and not options.join
    features: Feature = options.features & CONTROLLER_FEATURES if alone else options.features
    return features


def _block(options: argparse.Namespace) -> Any:
    """The component that the options describe."""
    common = {
        "receivers": options.receivers,
        "features": options.features,
        "latency": options.latency,
    }
    block: Any
    if options.block == "hart-unit":
        block = HartUnitBlock(**common)
    elif options.block == "controller":
        block = ControllerBlock(harts=options.harts, joins=options.join, **common)
    else:
        block = make_system(
            flavour=options.flavour,
            harts=options.harts,
            base=options.base,
            table_base=options.table_base,
            table_pages=options.table_pages,
            table_wait_states=options.table_wait_states,
            **common,
        )
    return OnAxiLite(block) if options.bus == "axi4-lite" else block


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Those that make the block what it is."""
    intel = options.flavour == Flavour.INTEL
    names = [] if intel else ["receivers", "latency"]
    if options.block != "hart-unit":
        names.insert(0, "harts")
    if options.block == "system":
        names += ["table_base", "table_pages"] if intel else _SYSTEM_ALONE
    content = {
        "block": options.block,
        "flavour": str(options.flavour),
        "bus": options.bus,
        **{name: getattr(options, name) for name in names},
    }
    if options.block == "controller":
        content["join"] = options.join
    if not intel:
        features = [feature.name for feature in _features_of(options)]
        content["features"] = [name.lower() for name in features if name]
    return content


def _arguments(options: argparse.Namespace, defaults: argparse.Namespace) -> str:
    """What was asked for, as arguments of the command; without the type."""
    found = []
    for name in ("flavour", "block", "join", "bus", *_SYSTEM, "features", "name"):
        value = getattr(options, name)
        if value == getattr(defaults, name):
            continue
        option = f"--{name.replace('_', '-')}"
        if name == "features":
            names = [feature.name.lower() for feature in value if feature.name]
            value = ",".join(names) or "none"
        found.append(option if value is True else f"{option} {value}")
    return " ".join(found)


def _said(options: argparse.Namespace) -> Any:
    """The block, of which something will be made that takes seconds."""
    block = _block(options)
    what = "interface" if options.json else options.type
    print(f"uintr: making the {what} of the {options.block}", file=sys.stderr, flush=True)
    return block


def _text(options: argparse.Namespace, defaults: argparse.Namespace) -> str:
    """What is to be written."""
    _check(options)
    name = options.name or options.block.replace("-", "_")
    if options.json:
        return interface_json(_said(options), name=name, parameters=_parameters(options))
    if options.type in _WRITERS:
        return _WRITERS[options.type](_said(options), name=name)
    if options.type == "devicetree-binding":
        return devicetree_binding()
    if options.type == "vlt":
        return verilator_config(verilog=f"{name}.v")
    if options.type == "fusesoc":
        return fusesoc_core(name=name, arguments=_arguments(options, defaults))
    return _MAPS[options.type](
        RegisterMap(
            base=options.base,
            harts=options.harts if options.block != "hart-unit" else 1,
            receivers=options.receivers,
            features=_features_of(options),
            controller=options.block != "hart-unit",
            hart_units=options.block != "controller" or options.join,
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input."""
    return run_program(_parser, arguments, name="uintr")


def _generate(options: argparse.Namespace) -> int:
    path = None if options.output is None else Path(options.output)
    if path is not None:
        if not path.parent.is_dir():
            raise ValueError(f"output must be in a folder that exists, not {options.output!r}")
        check_file(path, "output")
    text = _text(options, _parser().parse_args(["generate"]))
    if path is None:
        sys.stdout.write(text)
    else:
        write_atomically(path, text.encode())
    return 0

"""Options of commands that run the model or machine code."""

import argparse

from rel4.compiled.compiler import COMPILERS, CompileError, find_compiler
from rel4.compiled.runner import find_runner
from uintr.program import Parser, choose, whole

from .compiled import Setup
from .cost_options import add_costs

__all__ = ["add_software", "setup_of"]

SOFTWARE = ("model", "compiled")


def add_software(parser: Parser) -> None:
    """The option that chooses, and those of either software."""
    parser.add_argument(
        "--software",
        default=SOFTWARE[0],
        metavar="NAME",
        help="model (default), or compiled: as machine code",
    )
    parser.complete("--software", SOFTWARE)
    add_costs(parser)
    compiled = parser.add_argument_group("machine code (--software compiled)")
    compiled.add_argument(
        "--compiler", metavar="NAME", help=f"of {', '.join(COMPILERS)} (default clang, by pip)"
    )
    compiled.add_argument("-O", dest="optimise", metavar="LEVEL", help="as in -Os (default -O2)")
    compiled.add_argument(
        "--root-switch",
        type=whole,
        metavar="N",
        help="what a trap does to the root page table: 0 nothing (default), 1 switch it, 2 and "
        "forget translations; with --costs measured, of these costs",
    )


def setup_of(arguments: argparse.Namespace) -> Setup | None:
    """What machine code is made with and runs on; None: the model was asked for.

    Raises
    ------
    ValueError : an option is out of range, or given without machine code to run; no such device or
        compiler, or it is not installed.
    """
    made_with = {"compiler": arguments.compiler, "optimise": arguments.optimise}
    runs_on = {
        "memory_latency": arguments.memory_latency,
        "cache_kib": arguments.cache,
        "root_switch": arguments.root_switch,
    }
    given = {name: value for name, value in made_with.items() if value is not None}
    choose("software", arguments.software, SOFTWARE)
    if arguments.software == "model":
        if given:
            raise ValueError(f"{next(iter(given))} must be left out unless --software is compiled")
        return None
    if arguments.costs is not None:
        raise ValueError("costs must be left out with --software compiled, which has its own")
    given |= {name: value for name, value in runs_on.items() if value is not None}
    device = "rtl" if arguments.device == "reference" else arguments.device
    setup = Setup(device=device, **given)
    find_runner(device)
    try:
        find_compiler(setup.compiler)
    except CompileError as error:
        raise ValueError(str(error)) from None
    return setup

"""Options of every command that runs the model: which costs of software work it has."""

import argparse

from rel4.machine.costs import SETS, Costs, chosen_costs
from uintr.program import Parser, whole

__all__ = ["add_costs", "costs_of"]


def add_costs(parser: Parser, default: str = SETS[0]) -> None:
    """The set of costs, and where in what was measured."""
    parser.add_argument(
        "--costs",
        metavar="SET",
        help=f"of software: {', '.join(SETS)} or a TOML file (default {default})",
    )
    parser.complete("--costs", SETS)
    parser.add_argument(
        "--memory-latency",
        type=whole,
        metavar="L",
        help="cycles to a read's first word, as machine code runs, or as its costs were measured "
        "(default 1)",
    )
    parser.add_argument(
        "--cache", type=whole, metavar="KIB", help="size of each cache, likewise (default 4)"
    )


def costs_of(options: argparse.Namespace, default: str = SETS[0]) -> Costs:
    """What they say.

    Raises
    ------
    ValueError : there are no such costs, or they were not measured there.
    """
    choice = default if options.costs is None else options.costs
    where = {
        "memory_latency": options.memory_latency,
        "cache_kib": options.cache,
        "root_switch": getattr(options, "root_switch", None),
    }
    given = {name: value for name, value in where.items() if value is not None}
    if given and choice == "published":
        name = next(iter(given)).replace("_kib", "").replace("_", "-")
        raise ValueError(f"{name} must be left out with published costs, which depend on no memory")
    return chosen_costs(choice, **given)

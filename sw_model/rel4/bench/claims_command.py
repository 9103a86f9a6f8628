"""``rel4 claims``: what is better than published."""

import argparse
import json
from pathlib import Path

from uintr.files import check_file, claimed, write_atomically
from uintr.program import Parser, path, several, whole

from .campaign import Store, keeping
from .claims import CLAIMS
from .claims_run import SEEDS, run_claims
from .cost_options import add_costs, costs_of
from .options import (
    add_conduct_options,
    add_device_options,
    add_flavour_option,
    conduct_of,
    device_of,
    flavour_of,
)

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Evaluate every claim with several seeds: the worst number, the range, the target, the "
        "bound. A claim holds only if its worst does. With --sensitivity, again with the same "
        "kernel work both ways, and with every software cost at half and at double, and name the "
        "claims that flip. Exit status: 0 all hold, 1 one does not.",
        """
        rel4 claims                                        every claim with its bound
        rel4 claims --device rtl --seeds 1 --minutes 30    on RTL, half an hour at a time
        rel4 claims --device rtl --seeds 1 --resume        and on
        rel4 claims --only fairness                        one of them
        """,
    )
    parser.add_argument(
        "--seeds", type=whole, default=SEEDS, metavar="N", help=f"seeds 1 to N (default {SEEDS})"
    )
    parser.add_argument(
        "--sensitivity", action="store_true", help="controls, and vary every cost, on the reference"
    )
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="these claims, with commas between"
    )
    parser.complete("--only", (claim.name for claim in CLAIMS))
    add_flavour_option(parser)
    add_device_options(parser)
    add_costs(parser)
    add_conduct_options(parser)
    parser.add_argument(
        "--store",
        type=path,
        default=Path("build/claims.jsonl"),
        metavar="FILE",
        help="finished points (default build/claims.jsonl)",
    )
    parser.add_argument("--out", type=path, metavar="FILE", help="JSON file for the findings")


def _run(options: argparse.Namespace) -> int:
    if not 1 <= options.seeds <= 1000:
        raise ValueError(f"seeds must be 1 to 1000, not {options.seeds}")
    flavour, device, conduct = flavour_of(options), device_of(options), conduct_of(options)
    costs = costs_of(options)
    names = [claim.name for claim in CLAIMS]
    only = tuple(several("only", options.only, names)) if options.only else ()
    if only and options.sensitivity:
        raise ValueError("only must not be given with --sensitivity, which is of all claims")
    if options.out is not None:
        check_file(options.out)
    store = Store(options.store)
    with claimed(options.store, "store", file=True), keeping(store, None, "point"):
        if not conduct.resume:
            store.clear()
        record = run_claims(
            device,
            sensitivity=options.sensitivity,
            store=store,
            conduct=conduct,
            seeds=range(1, options.seeds + 1),
            flavour=flavour,
            costs=costs,
            claims=only,
        )
    if options.out is not None:
        write_atomically(options.out, (json.dumps(record, indent=1) + "\n").encode())
        print(f"Findings are in {options.out}")
    return 0 if all(claim["holds"] for claim in record["claims"]) else 1

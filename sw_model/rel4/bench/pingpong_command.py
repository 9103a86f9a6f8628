"""``rel4 pingpong``: a message to another thread and back."""

import argparse
from pathlib import Path

from uintr.program import Parser, path, several, whole
from uintr.registers import Flavour

from .cost_options import add_costs, costs_of
from .options import add_conduct_options, add_device_options, conduct_of, device_of, numbers
from .pingpong import KINDS, PingPoint, PingRecord, render_pingpong, run_pingpong
from .table_run import run_table

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Two threads answer each other: by user interrupts, by a signal of the kernel, by Signal "
        "and Wait, by a word through an endpoint. Cycles, traps and user interrupts per round "
        "trip. Writes pingpong.jsonl.",
        """
        rel4 pingpong                                      both flavours, one hart and two
        rel4 pingpong --flavour intel --harts 2 --device rtl
        """,
    )
    both = ",".join(Flavour)
    parser.add_argument(
        "--flavour",
        default=both,
        metavar="NAMES",
        help=f"of user interrupts, with a comma between (default {both})",
    )
    parser.complete("--flavour", Flavour)
    parser.add_argument(
        "--harts", default="1,2", metavar="NUMBERS", help="1, 2 or both (default 1,2)"
    )
    parser.add_argument(
        "--rounds", type=whole, default=100, metavar="N", help="round trips (default 100)"
    )
    add_device_options(parser)
    add_costs(parser)
    add_conduct_options(parser)
    parser.add_argument(
        "--out",
        type=path,
        default=Path("build/pingpong"),
        metavar="DIR",
        help="folder for results (default build/pingpong)",
    )


def _run(options: argparse.Namespace) -> int:
    points = [
        PingPoint(kind=kind, harts=harts, rounds=options.rounds, flavour=Flavour(flavour))
        for flavour in several("flavour", options.flavour, Flavour)
        for harts in numbers("harts", options.harts)
        for kind in KINDS
    ]
    found = run_table(
        points,
        run_pingpong,
        costs=costs_of(options),
        name="pingpong",
        device=device_of(options),
        out=options.out,
        conduct=conduct_of(options),
    )
    print(render_pingpong([PingRecord(**record) for record in found]))
    print(f"\n{len(found)} points, every message answered. Results are in {options.out}")
    return 0

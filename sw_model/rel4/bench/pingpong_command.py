"""``rel4 pingpong``: a message to another thread and back."""

import argparse
from typing import Any

from uintr.program import Parser, several, whole
from uintr.registers import Flavour

from .options import numbers
from .pingpong import KINDS, PingPoint, PingRecord, render_pingpong, run_pingpong
from .table_run import add_table_options, run_table

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
    add_table_options(parser, "pingpong")


def _run(options: argparse.Namespace) -> int:
    points = [
        PingPoint(kind=kind, harts=harts, rounds=options.rounds, flavour=Flavour(flavour))
        for flavour in several("flavour", options.flavour, Flavour)
        for harts in numbers("harts", options.harts)
        for kind in KINDS
    ]
    return run_table(options, points, run_pingpong, _table, name="pingpong", what="message")


def _table(found: list[dict[str, Any]]) -> str:
    return render_pingpong([PingRecord(**record) for record in found])

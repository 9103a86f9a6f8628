"""``rel4 ipc``: IPC between two threads."""

import argparse
from pathlib import Path

from uintr.program import Parser, path, whole

from .cost_options import add_costs, costs_of
from .ipc import KINDS, IpcPoint, IpcRecord, render_ipc, run_ipc
from .options import (
    add_conduct_options,
    add_device_options,
    add_flavour_option,
    conduct_of,
    device_of,
    flavour_of,
    numbers,
)
from .table_run import run_table

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "A client with N coroutines and a server, on one hart or one each, synchronously and over "
        "rings with user interrupts: cycles, traps and user interrupts per IPC. Writes ipc.jsonl.",
        "rel4 ipc --harts 2 --concurrency 1,8               client and server on a hart each",
    )
    for name, default, text in (
        ("harts", "1,2", "1, 2 or both with a comma"),
        ("concurrency", "1,2,4,8,16,32,64,128", "coroutines of the client, with commas between"),
    ):
        parser.add_argument(
            f"--{name}", default=default, metavar="NUMBERS", help=f"{text} (default {default})"
        )
    parser.add_argument(
        "--rounds", type=whole, default=10, metavar="N", help="IPCs of a coroutine (default 10)"
    )
    add_flavour_option(parser)
    add_device_options(parser)
    add_costs(parser)
    add_conduct_options(parser)
    parser.add_argument(
        "--out",
        type=path,
        default=Path("build/ipc"),
        metavar="DIR",
        help="folder for results (default build/ipc)",
    )


def _run(options: argparse.Namespace) -> int:
    flavour = flavour_of(options)
    points = [
        IpcPoint(
            kind=kind,
            harts=harts,
            concurrency=concurrency,
            rounds=options.rounds,
            flavour=flavour,
        )
        for harts in numbers("harts", options.harts)
        for concurrency in numbers("concurrency", options.concurrency)
        for kind in KINDS
    ]
    found = run_table(
        points,
        run_ipc,
        costs=costs_of(options),
        name="ipc",
        device=device_of(options),
        out=options.out,
        conduct=conduct_of(options),
    )
    print(render_ipc([IpcRecord(**record) for record in found]))
    print(f"\n{len(found)} points, every IPC answered. Results are in {options.out}")
    return 0

"""``rel4 ipc``: IPC between two threads."""

import argparse
from dataclasses import dataclass
from typing import Any

from uintr.program import Parser, whole

from .compiled import Setup, compiled_name
from .compiled_ipc import check_compiled_ipc, run_compiled_ipc, setup_of_kind
from .compiled_options import setup_of
from .ipc import KINDS, IpcPoint, IpcRecord, render_ipc, run_ipc
from .options import add_flavour_option, flavour_of, numbers
from .table_run import add_table_options, run_table

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "A client with N coroutines and a server, on one hart or one each, synchronously and over "
        "rings with user interrupts: cycles, traps and user interrupts per IPC. Writes ipc.jsonl.",
        """
        rel4 ipc --harts 2 --concurrency 1,8               client and server on a hart each
        rel4 ipc --software compiled --compiler gcc        as machine code, on RTL
        """,
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
    add_table_options(parser, "ipc", compiled=True)


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
    setup = setup_of(options)
    if setup is not None:
        for point in points:
            check_compiled_ipc(point)
    compiled = None if setup is None else _Compiled(setup)
    return run_table(options, points, run_ipc, _table, name="ipc", what="IPC", compiled=compiled)


@dataclass(frozen=True)
class _Compiled:
    setup: Setup

    def name(self, point: IpcPoint) -> str:
        return compiled_name(point, setup_of_kind(point, self.setup), "ipc")

    def __call__(self, point: IpcPoint) -> IpcRecord:
        return run_compiled_ipc(point, self.setup)


def _table(found: list[dict[str, Any]]) -> str:
    return render_ipc([IpcRecord(**record) for record in found])

"""``rel4 sweep``: the published experiment."""

import argparse
from pathlib import Path

from uintr.program import Parser, path

from .compiled import check_compiled
from .compiled_options import add_software, setup_of
from .cost_options import costs_of
from .options import (
    add_conduct_options,
    add_device_options,
    add_point_options,
    conduct_of,
    device_of,
    points_of,
)
from .sweep import run_sweep
from .table import render_table

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Run N coroutines with ROUNDS rounds of {map, unmap} each, for every policy, N and seed, "
        "and write results.jsonl, results.csv, two figures and one event log a point.",
        """
        rel4 sweep --device rtl                            the published experiment on RTL
        rel4 sweep --policy sync,ipi --concurrency 2,8     two policies, two N, on the reference
        rel4 sweep --timer-period 5000 --out build/quick   another timer period
        rel4 sweep --costs measured --memory-latency 20    costs as the compiled system has them
        rel4 sweep --seed 1,2,3,4,5                        a spread over seeds
        """,
    )
    add_point_options(parser)
    add_device_options(parser)
    add_software(parser)
    add_conduct_options(parser)
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder for results (default build/sweep-DEVICE)"
    )
    parser.add_argument("--no-log", action="store_true", help="write no event logs")


def _run(options: argparse.Namespace) -> int:
    points = points_of(options)
    setup = setup_of(options)
    costs = costs_of(options) if setup is None else None
    device = device_of(options) if setup is None else setup.device
    if setup is not None:
        for point in points:
            check_compiled(point)
    out: Path = options.out if options.out is not None else Path(f"build/sweep-{device}")
    records = run_sweep(
        points,
        device=device,
        out_dir=out,
        conduct=conduct_of(options),
        keep_logs=not options.no_log,
        show=print,
        setup=setup,
        costs=costs,
    )
    print(render_table(records))
    print(f"\n{len(records)} points, every request answered once, every user interrupt posted.")
    print(f"Results, figures and event logs are in {out}")
    return 0

"""A table of points that are run as a campaign: what ``rel4 ipc`` and ``rel4 pingpong`` share."""

import argparse
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from rel4.machine.costs import Costs
from rel4.machine.device import Device
from uintr.files import claimed, write_atomically
from uintr.program import Parser, path

from .campaign import Shaped, Store, device_batches, identity, run_campaign
from .cost_options import add_costs, costs_of
from .options import add_conduct_options, add_device_options, conduct_of, device_of

__all__ = ["add_table_options", "run_table"]

Point = TypeVar("Point", bound=Shaped)
PARTS = ".points.jsonl"
"""Finished points while a campaign is under way."""


@dataclass(frozen=True)
class _Measure:
    """Runs a point in a worker, and returns its record."""

    job: Callable[[Any, Device, Costs], Coroutine[Any, Any, Any]]
    costs: Costs

    async def __call__(self, key: str, point: Any, device: Device) -> dict[str, Any]:
        return asdict(await self.job(point, device, self.costs))


def add_table_options(parser: Parser, name: str) -> None:
    """Device, costs, conduct of the campaign, and the folder for results."""
    add_device_options(parser)
    add_costs(parser)
    add_conduct_options(parser)
    parser.add_argument(
        "--out",
        type=path,
        default=Path(f"build/{name}"),
        metavar="DIR",
        help=f"folder for results (default build/{name})",
    )


def run_table(
    options: argparse.Namespace,
    points: Sequence[Point],
    job: Callable[[Point, Device, Costs], Coroutine[Any, Any, Any]],
    render: Callable[[list[Any]], str],
    *,
    name: str,
    what: str,
) -> int:
    """Run ``points`` as the options say, write their records as ``NAME.jsonl``, in their order, and
    print them. Returns the exit status.

    Parameters
    ----------
    job : runs a point on a device that was just reset; its record is a dataclass
    render : its table of all records
    what : was done at each point, for people

    Raises
    ------
    Whatever `run_campaign` does; ValueError : the folder cannot be used.
    """
    costs, device, conduct, out = (
        costs_of(options), device_of(options), conduct_of(options), options.out,
    )  # fmt: skip
    with claimed(out):
        store = Store(out / PARTS)
        if not conduct.resume:
            store.clear()
        tasks = {
            identity(
                what=name,
                device=device,
                costs=costs.differences,
                point=asdict(point),
            ): point
            for point in points
        }
        found = run_campaign(
            tasks,
            lambda todo: device_batches(
                todo, device=device, job=_Measure(job, costs), store=store, parts=conduct.jobs
            ),
            store=store,
            conduct=conduct,
            name=name,
            unit="point",
        )
        records: list[dict[str, Any]] = [found[key] for key in tasks]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        write_atomically(out / f"{name}.jsonl", lines.encode())
        store.path.unlink()
    print(render(records))
    print(f"\n{len(records)} points, every {what} answered. Results are in {out}")
    return 0

"""A table of points that are run as a campaign: what ``rel4 ipc`` and ``rel4 pingpong`` share."""

import argparse
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rel4.machine.costs import Costs, load_costs
from rel4.machine.device import Device
from uintr.files import claimed, write_atomically
from uintr.program import Parser, path

from .campaign import Batch, Store, identity, keeping, run_campaign
from .compiled_options import add_software
from .cost_options import add_costs, costs_of
from .device_batches import Shaped, device_batches, split_evenly
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


class Compiled(Protocol):
    """Points as machine code."""

    def name(self, point: Any) -> str:
        """Of its run."""

    def __call__(self, point: Any) -> Any:
        """Run it; the record is a dataclass."""


@dataclass(frozen=True)
class _Batch:
    compiled: Compiled
    points: Sequence[tuple[str, Any]]
    store: Store

    def __call__(self) -> None:
        for key, point in self.points:
            self.store.add(key, asdict(self.compiled(point)))


def add_table_options(parser: Parser, name: str, *, compiled: bool = False) -> None:
    """Device, costs or (``compiled``) software, conduct of the campaign, and the folder for
    results."""
    add_device_options(parser)
    (add_software if compiled else add_costs)(parser)
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
    compiled: Compiled | None = None,
) -> int:
    """Run ``points`` as the options say, write their records as ``NAME.jsonl``, in their order, and
    print them. Returns the exit status.

    Parameters
    ----------
    job : runs a point on a device that was just reset; its record is a dataclass
    render : its table of all records
    what : was done at each point, for people
    compiled : runs points as machine code instead

    Raises
    ------
    Whatever `run_campaign` does; ValueError : the folder cannot be used.
    """
    conduct, out = conduct_of(options), options.out
    costs = costs_of(options) if compiled is None else load_costs()
    device = device_of(options) if compiled is None else ""

    def batches(todo: Mapping[str, Any]) -> Sequence[Batch]:
        if compiled is None:
            return device_batches(
                todo, device=device, job=_Measure(job, costs), store=store, parts=conduct.jobs
            )
        return [
            _Batch(compiled, [(key, todo[key]) for key in keys], store)
            for keys in split_evenly(todo, conduct.jobs, lambda _: 1)
        ]

    with claimed(out):
        store = Store(out / PARTS)
        if not conduct.resume:
            store.clear()
        tasks = {
            compiled.name(point)
            if compiled
            else identity(
                what=name, device=device, costs=costs.differences, point=asdict(point)
            ): point
            for point in points
        }
        with keeping(store, dict.fromkeys(tasks, 1), "point"):
            found = run_campaign(
                tasks,
                batches,
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

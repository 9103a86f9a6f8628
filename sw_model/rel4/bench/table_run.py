"""A table of points that are run as a campaign: what ``rel4 ipc`` and ``rel4 pingpong`` share."""

import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rel4.machine.costs import Costs
from rel4.machine.device import Device
from uintr.files import claimed, write_atomically

from .campaign import (
    Conduct,
    Shaped,
    Store,
    device_batches,
    identity,
    run_campaign,
    split_evenly,
)

__all__ = ["run_table"]

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


def run_table(
    points: Sequence[Point],
    job: Callable[[Point, Device, Costs], Coroutine[Any, Any, Any]],
    *,
    costs: Costs,
    name: str,
    device: str,
    out: Path,
    conduct: Conduct,
    compiled: Compiled | None = None,
) -> list[dict[str, Any]]:
    """Run ``points``, write their records into ``out`` as ``NAME.jsonl``, in their order, and
    return them.

    Parameters
    ----------
    job : runs a point on a device that was just reset; its record is a dataclass
    costs : of software work
    compiled : runs points as machine code instead

    Raises
    ------
    Whatever `run_campaign` does; ValueError : ``out`` cannot be used.
    """
    with claimed(out):
        store = Store(out / PARTS)
        if not conduct.resume:
            store.clear()
        tasks = {
            compiled.name(point)
            if compiled
            else identity(
                what=name,
                device=device,
                costs=costs.differences,
                point=asdict(point),
            ): point
            for point in points
        }
        found = run_campaign(
            tasks,
            lambda todo: (
                [
                    _Batch(compiled, [(key, todo[key]) for key in keys], store)
                    for keys in split_evenly(todo, conduct.jobs, lambda _: 1)
                ]
                if compiled
                else device_batches(
                    todo, device=device, job=_Measure(job, costs), store=store, parts=conduct.jobs
                )
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
    return records

"""The sweep: many points on one device, as a campaign, into one folder."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rel4.machine.costs import Costs
from rel4.machine.device import Device
from uintr.files import claimed

from .campaign import Batch, Conduct, Store, keeping, run_campaign
from .compiled import Setup, compiled_name, run_compiled
from .device_batches import device_batches, split_evenly
from .point import Point, log_name, run_name, run_point
from .results import PointRecord, write_results

__all__ = ["run_sweep"]

PARTS = ".parts"
"""Folder of finished points and their logs while a sweep is under way."""
_LOGS = "*-h*-n*-s*.jsonl.gz"


def run_sweep(
    points: Sequence[Point],
    *,
    device: str,
    out_dir: Path,
    conduct: Conduct,
    keep_logs: bool,
    show: Callable[[str], None],
    setup: Setup | None = None,
    costs: Costs | None = None,
) -> list[PointRecord]:
    """Run every point and write results, figures and event logs into ``out_dir``.

    The folder holds one sweep: an earlier one is replaced, logs too, when this one is complete.
    What is finished is kept, also if the sweep is interrupted or a point fails.

    Parameters
    ----------
    points : in any order
    device : name of a device
    out_dir : folder for results, made if missing
    keep_logs : write one event log a point
    show : prints a line
    setup : run machine code, made and run so, instead of the model
    costs : of the model's software work, instead of those of costs.toml

    Raises
    ------
    Whatever `rel4.bench.campaign.run_campaign` does; ValueError : ``out_dir`` cannot be used.
    """
    parts = out_dir / PARTS
    with claimed(out_dir):
        if not conduct.resume and parts.exists():
            shutil.rmtree(parts)
        store = Store(parts / "points.jsonl")
        # Named once: somebody may save a file while the sweep runs.
        names = {point: _name(point, device, setup, costs) for point in points}
        tasks = {name: point for point, name in names.items()}
        if keep_logs:  # a point without its log is not finished
            known = store.read()
            lost = [
                key
                for key, point in tasks.items()
                if key in known and not (parts / log_name(point)).is_file()
            ]
            _forget(store, known, lost)
        finished = len(store.read().keys() & tasks.keys())
        if finished:
            show(f"{finished} of {len(points)} points were finished before")
        with keeping(store, dict.fromkeys(tasks, 1), "point"):
            found = run_campaign(
                tasks,
                lambda todo: _batches(
                    todo,
                    _Measure(device, parts.absolute() if keep_logs else None, costs),
                    setup,
                    store,
                    conduct.jobs,
                ),
                store=store,
                conduct=conduct,
                name=device,
                unit="call",
                task="point",
                weight=_calls,
            )
            ordered = [PointRecord(**found[names[point]]) for point in points]
            write_results(ordered, out_dir)
            from .plots import plot_sweep  # not before something is drawn: it takes long to load

            plot_sweep(ordered, out_dir)
            for log in out_dir.glob(_LOGS):
                log.unlink()
            for log in parts.glob(_LOGS):
                log.replace(out_dir / log.name)
            shutil.rmtree(parts, ignore_errors=True)
    return ordered


def _name(point: Point, device: str, setup: Setup | None, costs: Costs | None) -> str:
    return run_name(point, device, costs) if setup is None else compiled_name(point, setup)


def _batches(
    todo: Mapping[str, Point],
    job: "_Measure",
    setup: Setup | None,
    store: Store,
    jobs: int,
) -> Sequence[Batch]:
    if setup is not None:
        return [
            _Compiled(setup, [(key, todo[key]) for key in keys], store, job.logs)
            for keys in split_evenly(todo, jobs, lambda key: todo[key].calls)
        ]
    return device_batches(todo, device=job.device, job=job, store=store, parts=jobs, weight=_calls)


def _calls(point: Point) -> int:
    return point.calls


def _forget(store: Store, known: dict[str, Any], keys: Sequence[str]) -> None:
    if keys:
        store.clear()
        for key, value in known.items():
            if key not in keys:
                store.add(key, value)


@dataclass(frozen=True)
class _Compiled:
    """A batch: points as machine code, one after the other."""

    setup: Setup
    points: Sequence[tuple[str, Point]]
    store: Store
    logs: Path | None

    def __call__(self) -> None:
        for key, point in self.points:
            path = self.logs / log_name(point) if self.logs is not None else None
            self.store.add(key, asdict(run_compiled(point, self.setup, run=key, log_path=path)))


@dataclass(frozen=True)
class _Measure:
    """Runs a point in a worker, and returns its record."""

    device: str
    logs: Path | None
    costs: Costs | None

    async def __call__(self, key: str, point: Point, device: Device) -> dict[str, Any]:
        path = self.logs / log_name(point) if self.logs is not None else None
        return asdict(
            await run_point(
                point,
                device,
                run=key,
                device_name=self.device,
                log_path=path,
                costs=self.costs,
            )
        )

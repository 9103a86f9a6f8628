"""The sweep: many points on one device, in parallel, with progress, resumable."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from rel4.machine.device import Device, DeviceConfig, find_device

from .compiled import Setup, run_compiled, system
from .plots import plot_sweep
from .point import Point, log_name, run_point
from .results import PointRecord, source_commit, write_atomically, write_results

__all__ = ["run_sweep", "split_evenly"]

PARTS = ".parts"
"""Folder of finished points while a sweep is under way."""

Key = Callable[[Point], dict[str, object]]
"""What a finished point must have been run with to be taken over."""


def run_sweep(
    points: Sequence[Point],
    *,
    device: str,
    out_dir: Path,
    jobs: int,
    keep_logs: bool,
    resume: bool,
    show: Callable[[str], None],
    setup: Setup | None = None,
) -> list[PointRecord]:
    """Run every point and write results, figures and event logs into ``out_dir``.

    A point that is finished is kept, also if the sweep is interrupted or another point fails;
    ``resume`` then takes it over if commit and parameters are the same.

    Parameters
    ----------
    points : in any order
    device : name of a device
    out_dir : folder for results, made if missing
    jobs : processes at a time
    keep_logs : write one event log a point
    resume : take finished points of an interrupted sweep over
    show : prints a line
    setup : run machine code, made and run so, instead of the model

    Raises
    ------
    Whatever a point raised first; the points that were finished stay.
    """
    if setup is None:
        find_device(device)
    else:
        system(setup)  # built once, before the processes want it
    out_dir = out_dir.resolve()  # a device's job may run in another working folder
    parts = out_dir / PARTS
    if not resume and parts.exists():
        shutil.rmtree(parts)
    parts.mkdir(parents=True, exist_ok=True)
    # Asked once: somebody may commit, or save a file, while the sweep runs.
    key = partial(_key, device, source_commit(), setup)
    records = {point: found for point in points if (found := _read_part(parts, key, point))}
    if records:
        show(f"{len(records)} of {len(points)} points were finished before")
    todo = [point for point in points if point not in records]
    batches = [
        (config, batch) for config, alike in _by_config(todo) for batch in split_evenly(alike, jobs)
    ]
    total = sum(point.calls for point in points)
    done = sum(point.calls for point in records)
    # spawn: a forked child would inherit the locks of the progress bar's threads.
    with (
        tqdm(
            total=total,
            initial=done,
            unit="call",
            unit_scale=True,
            desc=device,
            # In a log file every redraw is a line of its own.
            mininterval=0.3 if sys.stderr.isatty() else 10,
        ) as bar,
        ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool,
    ):
        running: set[Future[None]] = {
            pool.submit(_run_batch, device, setup, config, batch, out_dir, keep_logs, key)
            for config, batch in batches
        }
        try:
            while running:
                finished, running = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
                for point in todo:
                    if point not in records and (found := _read_part(parts, key, point)):
                        records[point] = found
                        bar.update(point.calls)
                if sys.stderr.isatty():
                    bar.refresh()  # the clock goes on while a long point runs
                for future in finished:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    ordered = [records[point] for point in points]
    write_results(ordered, out_dir)
    plot_sweep(ordered, out_dir)
    shutil.rmtree(parts)
    return ordered


def split_evenly(points: Iterable[Point], parts: int) -> list[list[Point]]:
    """Share points among at most ``parts`` lists of about equal work, longest points first."""
    lists: list[list[Point]] = [[] for _ in range(parts)]
    for point in sorted(points, key=lambda p: p.calls, reverse=True):
        min(lists, key=lambda batch: sum(p.calls for p in batch)).append(point)
    return [batch for batch in lists if batch]


def _by_config(points: Iterable[Point]) -> list[tuple[DeviceConfig, list[Point]]]:
    groups: dict[DeviceConfig, list[Point]] = {}
    for point in points:
        groups.setdefault(point.config, []).append(point)
    return list(groups.items())


def _run_batch(
    device: str,
    setup: Setup | None,
    config: DeviceConfig,
    points: list[Point],
    out_dir: Path,
    keep_logs: bool,
    key: Key,
) -> None:
    """In a process of its own: run points one after the other on one device."""
    if setup is not None:
        for point in points:
            log_path = out_dir / log_name(point) if keep_logs else None
            record = run_compiled(point, setup, log_path=log_path)
            _write_part(out_dir / PARTS, key, point, record)
        return
    find_device(device)(config, partial(_batch, device, points, out_dir, keep_logs, key))


async def _batch(
    device_name: str,
    points: list[Point],
    out_dir: Path,
    keep_logs: bool,
    key: Key,
    device: Device,
) -> None:
    for point in points:
        await device.reset()
        log_path = out_dir / log_name(point) if keep_logs else None
        record = await run_point(point, device, device_name=device_name, log_path=log_path)
        _write_part(out_dir / PARTS, key, point, record)


def _part(parts: Path, point: Point) -> Path:
    return parts / log_name(point).replace(".jsonl.gz", ".json")


def _key(device: str, commit: str | None, setup: Setup | None, point: Point) -> dict[str, object]:
    made = None if setup is None else asdict(setup)
    return {"device": device, "commit": commit, "setup": made, **asdict(point)}


def _write_part(parts: Path, key: Key, point: Point, record: PointRecord) -> None:
    content = {"key": key(point), "record": asdict(record)}
    write_atomically(_part(parts, point), json.dumps(content).encode())


def _read_part(parts: Path, key: Key, point: Point) -> PointRecord | None:
    path = _part(parts, point)
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["key"] != key(point):
        return None
    return PointRecord(**content["record"])

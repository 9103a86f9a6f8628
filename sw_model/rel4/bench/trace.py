"""``rel4 trace``: one configuration as a timeline and, where the device can, as a waveform."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import rel4
from rel4.machine.device import Device, device_names, find_device
from rel4.trace.perfetto import write_trace
from rel4.trace.reader import parse_events
from rel4.trace.waveform import align_waveform, to_fst, write_views

from .point import Point, simulate

__all__ = ["add_options", "trace"]

_WAVES = "UINTR_WAVES"
"""A device that can write a waveform writes it as VCD to the file that this variable names."""

_WITH_WAVES = ("rtl",)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options beside those of a point."""
    parser.add_argument("--device", default="reference", help=f"one of {', '.join(device_names())}")
    parser.add_argument("--out", type=Path, default=Path("build/trace"), help="folder for results")


def trace(
    arguments: argparse.Namespace, points: list[Point], show: Callable[[str], None] = print
) -> int:
    """Run the one point that was asked for and write what it shows."""
    if len(points) != 1:
        raise ValueError(
            f"trace must be of one policy and one concurrency, not of {len(points)} points"
        )
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, and {out} is a file")
    waves = arguments.device in _WITH_WAVES
    # Without jumps the simulator's clock ticks in every cycle, so its time is the log's.
    point = replace(points[0], jump=points[0].jump and not waves)
    out.mkdir(parents=True, exist_ok=True)
    raw = out / "raw.vcd"
    with _asking_for_waves(raw if waves else None):
        lines: list[str] = find_device(arguments.device)(point.config, partial(_lines, point))
    events = list(parse_events(lines))
    about = {"device": arguments.device, "version": rel4.__version__, **asdict(points[0])}
    write_trace(events, out / "trace.json", about)
    (out / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    show(f"{len(events)} events, {events[-1].cycle:,} cycles")
    show(f"{out / 'trace.json'}: open it in https://ui.perfetto.dev or chrome://tracing")
    show(f"{out / 'events.jsonl'}: the event log")
    if waves:
        vcd = out / "waves.vcd"
        names = align_waveform(raw, vcd, events)
        raw.unlink()
        fst = to_fst(vcd)
        gtkwave, surfer = write_views(vcd, names, events)
        show(f"{vcd}: the waveform" + (f", and {fst.name}" if fst is not None else ""))
        show(f"{gtkwave}: gtkwave -a {gtkwave} {vcd}")
        show(f"{surfer}: surfer -c {surfer} {vcd}")
    return 0


async def _lines(point: Point, device: Device) -> list[str]:
    return list((await simulate(point, device)).lines())


@contextmanager
def _asking_for_waves(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    before = os.environ.get(_WAVES)
    os.environ[_WAVES] = str(path.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WAVES]
        else:
            os.environ[_WAVES] = before

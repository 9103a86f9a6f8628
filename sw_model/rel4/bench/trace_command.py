"""``rel4 trace``: one configuration as a timeline and, where the device can, as a waveform."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import rel4
from rel4.machine.device import Device, find_device
from rel4.machine.events import Event
from rel4.trace.logfile import read_about, read_events
from rel4.trace.perfetto import write_trace
from rel4.trace.reader import parse_events
from rel4.trace.waveform import align_waveform, fst_converter, to_fst, write_views
from uintr.files import claimed, write_atomically
from uintr.program import Parser, given, path, say

from .options import add_device_options, add_point_options, device_of, points_of
from .point import Point, simulate

__all__ = ["define"]

_WAVES = "UINTR_WAVES"
"""A device that can write a waveform writes it as VCD to the file that this variable names."""

_WITH_WAVES = ("rtl",)


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Run one policy at one concurrency, or take a stored event log. Writes trace.json (Chrome "
        "trace events: harts, threads, coroutines, calls, posts as arrows) and, on RTL, waves.vcd "
        "with views for GTKWave and Surfer, all with the same cycle numbers.",
        """
        rel4 trace --policy uipi --concurrency 4           then open trace.json in Perfetto
        rel4 trace --device rtl                            with a waveform
        rel4 trace build/sweep/tick-h1-n8-s1.jsonl.gz      of a run that was stored
        """,
    )
    parser.add_argument("log", type=path, nargs="?", metavar="LOG", help="a stored event log")
    add_point_options(parser, policy="tick", concurrency="4", rounds=2)
    add_device_options(parser)
    parser.add_argument("--fst", action="store_true", help="the waveform as FST, which is smaller")
    parser.add_argument(
        "--out",
        type=path,
        default=Path("build/trace"),
        metavar="DIR",
        help="folder for results (default build/trace)",
    )


_RUN = ("policy", "harts", "concurrency", "rounds", "timer_period", "flavour", "seed", "no_jump")


def _run(options: argparse.Namespace) -> int:
    if options.log is not None:
        return _trace_log(options)
    points = points_of(options)
    if len(points) != 1:
        raise ValueError(
            f"trace must be of one policy, one N and one seed, not of {len(points)} points"
        )
    device = device_of(options)
    waves = device in _WITH_WAVES
    if options.fst:
        if not waves:
            raise ValueError(f"fst must be left out with device {device}, which has no waveform")
        fst_converter()
    # Without jumps the simulator's clock ticks in every cycle, so its time is the log's.
    point = replace(points[0], jump=points[0].jump and not waves)
    with claimed(options.out) as out:
        raw = out / "raw.vcd"
        say(f"running {point.policy} with N = {point.concurrency} on {device}")
        try:
            with _asking_for_waves(raw if waves else None):
                lines: list[str] = find_device(device)(point.config, partial(_lines, point))
            events = list(parse_events(lines))
            _write(out, events, {"device": device, **asdict(points[0])})
            write_atomically(out / "events.jsonl", ("\n".join(lines) + "\n").encode())
            print(f"{out / 'events.jsonl'}: the event log")
            if waves:
                say("writing the waveform")
                _write_waves(out, raw, events, fst=options.fst)
        finally:
            raw.unlink(missing_ok=True)
    return 0


def _trace_log(options: argparse.Namespace) -> int:
    others = given(options.parser, options, *_RUN, "device", "port", "fst")
    if others:
        raise ValueError(f"{others[0]} must be left out with a stored log")
    events = read_events(options.log)
    with claimed(options.out) as out:
        _write(out, events, {"log": str(options.log), **read_about(options.log)})
    return 0


def _write(out: Path, events: Sequence[Event], about: dict[str, Any]) -> None:
    write_trace(events, out / "trace.json", {"version": rel4.__version__, **about})
    print(f"{len(events)} events, {events[-1].cycle:,} cycles")
    print(f"{out / 'trace.json'}: open it in https://ui.perfetto.dev or chrome://tracing")


def _write_waves(out: Path, raw: Path, events: Sequence[Event], *, fst: bool) -> None:
    waves = out / "waves.vcd"
    names = align_waveform(raw, waves, events)
    if fst:
        waves = to_fst(waves)
    gtkwave, surfer = write_views(waves, names, events)
    print(f"{waves}: the waveform")
    print(f"{gtkwave}: gtkwave -a {gtkwave} {waves}")
    print(f"{surfer}: surfer -c {surfer} {waves}")


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

"""Run one point several ways and compare the event logs, line by line."""

from collections.abc import Iterable
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rel4.machine.device import Device, DeviceConfig, find_device
from rel4.trace.logfile import read_about, read_events, read_lines

from .point import Point, simulate

__all__ = ["event_lines", "first_difference", "stored"]


def event_lines(point: Point, device: str, config: DeviceConfig | None = None) -> list[str]:
    """The event log of a point on the device of that name, of the point's shape or of another."""
    lines: list[str] = find_device(device)(config or point.config, partial(_lines, point))
    return lines


async def _lines(point: Point, device: Device) -> list[str]:
    return list((await simulate(point, device)).lines())


def stored(path: Path) -> tuple[list[str], dict[str, Any]]:
    """The lines of a stored log and the parameters of its point, ``device`` among them.

    Raises
    ------
    ValueError, OSError : it is no readable event log that says what was run; names it.
    """
    read_events(path)  # which are looked at one by one
    what = read_about(path)
    if not what:
        raise ValueError(f"{path} must say what was run; sweep again with this version")
    # Time jumps change no event, and the run's name holds the device.
    return list(read_lines(path)), {k: v for k, v in what.items() if k not in ("run", "jump")}


def first_difference(left: Iterable[str], right: Iterable[str]) -> str | None:
    """None if the logs are equal, else where they part and what stands there."""
    for number, (one, other) in enumerate(zip_longest(left, right), start=1):
        if one != other:
            return f"event {number}: {one or 'end of log'} against {other or 'end of log'}"
    return None

"""Run one point several ways and compare the event logs, line by line."""

from collections.abc import Iterable
from functools import partial
from itertools import zip_longest

from rel4.machine.device import Device, DeviceConfig, find_device

from .point import Point, simulate

__all__ = ["event_lines", "first_difference"]


def event_lines(point: Point, device: str, config: DeviceConfig | None = None) -> list[str]:
    """The event log of a point on the device of that name, of the point's shape or of another."""
    lines: list[str] = find_device(device)(config or point.config, partial(_lines, point))
    return lines


async def _lines(point: Point, device: Device) -> list[str]:
    return list((await simulate(point, device)).lines())


def first_difference(left: Iterable[str], right: Iterable[str]) -> str | None:
    """None if the logs are equal, else where they part and what stands there."""
    for number, (one, other) in enumerate(zip_longest(left, right), start=1):
        if one != other:
            return f"event {number}: {one or 'end of log'} against {other or 'end of log'}"
    return None

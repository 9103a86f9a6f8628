"""Recording a point of the experiment, and playing a record on a device, batched on a board."""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rel4.bench.point import Point, simulate
from rel4.machine.device import Device, find_device
from uintr_fpga.device import UartDevice, connect
from uintr_fpga.record import Recorder, RecordingDevice, read_record, replay_on
from uintr_fpga.steps import Seen, Step

__all__ = ["Outcome", "play_on_board", "record_point", "replay_file"]

_BITS_A_BYTE = 10


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a replay went. ``difference`` is None if every answer was the recorded one.

    ``line_seconds`` is the time that a board's serial line was in use, 0 without one: emulated
    boards run slower than real ones, but use the line as long.
    """

    steps: int
    requests: int
    cycles: int
    seconds: float
    line_seconds: float
    difference: str | None


def record_point(point: Point, *, device: str, path: Path) -> int:
    """Run one point on a device and record it into ``path``, which appears when the record is
    whole; returns the number of steps."""
    part = path.with_name(f".part-{path.name}").absolute()  # the ending says whether to compress
    try:
        steps: int = find_device(device)(point.config, partial(_record, point, device, part))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return steps


async def _record(point: Point, name: str, path: Path, device: Device) -> int:
    with Recorder(path, config=device.config, device=name) as recorder:
        await simulate(point, RecordingDevice(device=device, recorder=recorder))
    _, steps = read_record(path)
    return sum(1 for _ in steps)


def replay_file(path: Path, *, device: str, port: str | None, baud: int | None) -> Outcome:
    """Play a record on a device.

    Raises
    ------
    RecordError : the file is no record.
    DeviceError : the device cannot be used.
    """
    config, content = read_record(path)
    steps = list(content)
    requests = sum(len(step.requests) for step, _ in steps)
    line_seconds = 0.0
    started = time.monotonic()
    if device == "uart":
        with closing(connect(port, baud)) as link:
            started = time.monotonic()
            before = link.traffic
            difference = play_on_board(steps, UartDevice(config=config, link=link))
            line_seconds = (link.traffic - before) * _BITS_A_BYTE / link.baud
    else:
        difference = find_device(device)(config, partial(replay_on, steps))
    return Outcome(
        steps=len(steps),
        requests=requests,
        cycles=sum(seen.cycles for _, seen in steps),
        seconds=time.monotonic() - started,
        line_seconds=line_seconds,
        difference=difference,
    )


def play_on_board(steps: Iterable[tuple[Step, Seen]], device: UartDevice) -> str | None:
    """Play steps in batches. None if all answers are the recorded ones, else the first difference.

    The board has executed the rest of the batch by then.
    """
    steps = list(steps)
    for number, ((_, expected), seen) in enumerate(
        zip(steps, device.replay(steps), strict=True), start=1
    ):
        if seen != expected:
            return f"step {number}: recorded {expected}, now {seen}"
    return None

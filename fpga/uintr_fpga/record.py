"""Every step and answer of a device in a file, to be replayed on a later build."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from rel4.machine.device import Device, DeviceConfig, Request, Response
from uintr.registers import Feature, Privilege, RequestKind, Status
from uintr_fpga.steps import Seen, Step

__all__ = ["RecordError", "Recorder", "RecordingDevice", "read_record", "replay_on"]

_FORMAT = "uintr-record 1"


class RecordError(ValueError):
    """The file is no record; one sentence that says where it ends to be one."""


def _open(path: Path, mode: str) -> IO[str]:
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, mode + "t", encoding="utf-8"))
    return path.open(mode, encoding="utf-8")


class Recorder:
    """Writes a record: a line of JSON about the device, then one for each step with its answer.

    Parameters
    ----------
    path : the file; a name that ends with .gz is compressed
    config : shape of the device
    device : its name
    """

    def __init__(self, path: Path, *, config: DeviceConfig, device: str) -> None:
        self._stream = _open(path, "w")
        self._line({"format": _FORMAT, "device": device, "config": asdict(config)})

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _line(self, content: dict[str, Any]) -> None:
        self._stream.write(json.dumps(content, separators=(",", ":")) + "\n")

    def add(self, step: Step, seen: Seen) -> None:
        """One step and what it answered."""
        self._line(
            {
                "reset": int(step.reset),
                "privileges": [list(each) for each in step.privileges],
                "requests": [
                    [hart, int(request.kind), request.function, request.address, request.data]
                    for hart, request in step.requests
                ],
                "limit": step.limit,
                "calm": int(step.calm),
                "cycles": seen.cycles,
                "quiescent": int(seen.quiescent),
                "lines": seen.lines,
                "responses": [
                    [hart, int(response.status), response.data] for hart, response in seen.responses
                ],
            }
        )


def read_record(path: Path) -> tuple[DeviceConfig, Iterator[tuple[Step, Seen]]]:
    """Shape of the recorded device, and its steps with their answers.

    Raises
    ------
    RecordError : it is no record; while reading on, too.
    OSError : it cannot be read.
    """
    stream = _open(path, "r")
    try:
        head = json.loads(stream.readline())
        if head["format"] != _FORMAT:
            raise ValueError
        shape = head["config"]
        config = DeviceConfig(**{**shape, "features": Feature(shape["features"])})
    except (ValueError, KeyError, TypeError) as error:
        stream.close()
        raise RecordError(f"record must begin with its format, and {path} does not") from error
    return config, _steps(path, stream)


def _steps(path: Path, stream: IO[str]) -> Iterator[tuple[Step, Seen]]:
    with stream:
        for number, line in enumerate(stream, start=2):
            try:
                entry = json.loads(line)
                step = Step(
                    reset=bool(entry["reset"]),
                    privileges=tuple((hart, level) for hart, level in entry["privileges"]),
                    requests=tuple(
                        (hart, Request(RequestKind(kind), function, address, data))
                        for hart, kind, function, address, data in entry["requests"]
                    ),
                    limit=entry["limit"],
                    calm=bool(entry["calm"]),
                )
                seen = Seen(
                    entry["cycles"],
                    bool(entry["quiescent"]),
                    entry["lines"],
                    tuple(
                        (hart, Response(data, Status(status)))
                        for hart, status, data in entry["responses"]
                    ),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise RecordError(f"line {number} of {path} must be a recorded step") from error
            yield step, seen


class RecordingDevice:
    """A device that records what goes through it. See `rel4.machine.device.Device`.

    Parameters
    ----------
    device : the one that does the work, fresh
    recorder : where the steps go
    """

    def __init__(self, *, device: Device, recorder: Recorder) -> None:
        self.config = device.config
        self._device = device
        self._recorder = recorder
        self._reset = False
        self._privileges: dict[int, int] = {}
        self._requests: list[tuple[int, Request]] = []

    @property
    def quiescent(self) -> bool:
        return self._device.quiescent

    async def reset(self) -> None:
        self._reset = True
        self._privileges.clear()
        self._requests.clear()
        await self._device.reset()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        self._device.set_privilege(hart, privilege)
        self._privileges[hart] = int(privilege)

    def submit(self, hart: int, request: Request) -> None:
        self._device.submit(hart, request)
        self._requests.append((hart, request))

    async def run(self, limit: int) -> int:
        step = Step(
            reset=self._reset,
            privileges=tuple(self._privileges.items()),
            requests=tuple(self._requests),
            limit=limit,
            calm=self._device.quiescent,
        )
        cycles = await self._device.run(limit)
        self._recorder.add(step, observe(self._device, cycles))
        self._reset = False
        self._privileges.clear()
        self._requests.clear()
        return cycles

    def response(self, hart: int) -> Response | None:
        return self._device.response(hart)

    def interrupt(self, hart: int) -> bool:
        return self._device.interrupt(hart)

    def supervisor_interrupt(self, hart: int) -> bool:
        return self._device.supervisor_interrupt(hart)


def observe(device: Device, cycles: int) -> Seen:
    """What can be seen of a device after a run."""
    harts = range(device.config.harts)
    lines = sum(device.interrupt(hart) << hart for hart in harts)
    lines |= sum(device.supervisor_interrupt(hart) << len(harts) + hart for hart in harts)
    responses = tuple(
        (hart, response) for hart in harts if (response := device.response(hart)) is not None
    )
    return Seen(cycles, device.quiescent, lines, responses)


async def replay_on(steps: list[tuple[Step, Seen]], device: Device) -> str | None:
    """Play steps on any fresh device. None if all answers are the recorded ones, else the first
    difference in words."""
    for number, (step, expected) in enumerate(steps, start=1):
        if step.reset:
            await device.reset()
        for hart, level in step.privileges:
            device.set_privilege(hart, Privilege(level))
        for hart, request in step.requests:
            device.submit(hart, request)
        seen = observe(device, await device.run(step.limit))
        if seen != expected:
            return f"step {number}: recorded {expected}, now {seen}"
    return None

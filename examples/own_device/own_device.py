"""A device of one's own: the reference, with a count of what the harts asked of it."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rel4.machine.device import Device, DeviceConfig, Request, run_sync
from rel4.reference.device import ReferenceDevice

__all__ = ["Counted", "run"]

T = TypeVar("T")


class Counted(ReferenceDevice):
    """Counts requests by kind."""

    def __init__(self, config: DeviceConfig) -> None:
        super().__init__(config)
        self.requests: Counter[str] = Counter()

    def submit(self, hart: int, request: Request) -> None:
        self.requests[request.kind.name] += 1
        super().submit(hart, request)


def run(config: DeviceConfig, job: Callable[[Device], Coroutine[Any, Any, T]]) -> T:
    """What the entry point names: bring the device to life, drive the job, give its result."""
    device = Counted(config)
    result = run_sync(job(device))
    print("requests:", ", ".join(f"{n} {kind}" for kind, n in sorted(device.requests.items())))
    return result

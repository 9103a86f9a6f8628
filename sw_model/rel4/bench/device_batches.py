"""Tasks that need hardware, shared among batches that each bring one device to life."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from rel4.machine.device import Device, DeviceConfig, find_device

from .campaign import Batch, Store

__all__ = ["Shaped", "device_batches", "split_evenly"]

T = TypeVar("T")


class Shaped(Protocol):
    """A task that needs hardware of some shape: a dataclass, whose fields tell it from others."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def config(self) -> DeviceConfig:
        """The hardware it runs on."""
        ...


S = TypeVar("S", bound=Shaped)


@dataclass(frozen=True)
class _OnDevice(Generic[S]):
    """A batch: tasks of one shape, one after the other on one device."""

    device: str
    job: Callable[[str, S, Device], Coroutine[Any, Any, Any]]
    tasks: Sequence[tuple[str, S]]
    store: Store

    def __call__(self) -> None:
        find_device(self.device)(self.tasks[0][1].config, self._run)

    async def _run(self, device: Device) -> None:
        for key, task in self.tasks:
            await device.reset()
            self.store.add(key, await self.job(key, task, device))


def device_batches(
    tasks: Mapping[str, S],
    *,
    device: str,
    job: Callable[[str, S, Device], Coroutine[Any, Any, Any]],
    store: Store,
    parts: int,
    weight: Callable[[S], int] = lambda _: 1,
) -> list[Batch]:
    """Batches for `run_campaign`: tasks of one shape share a device that is brought to life once.

    Parameters
    ----------
    job : runs a task, whose key it is told, on a device that was just reset; returns what JSON can
        hold
    parts : of each shape
    """
    shapes: dict[DeviceConfig, dict[str, S]] = {}
    for key, task in tasks.items():
        shapes.setdefault(task.config, {})[key] = task
    return [
        _OnDevice(device, job, [(key, alike[key]) for key in keys], store)
        for alike in shapes.values()
        for keys in split_evenly(alike, parts, partial(_weight_of, alike, weight))
    ]


def _weight_of(tasks: Mapping[str, S], weight: Callable[[S], int], key: str) -> int:
    return weight(tasks[key])


def split_evenly(items: Iterable[T], parts: int, weight: Callable[[T], int]) -> list[list[T]]:
    """Share items among at most ``parts`` lists of about equal weight, the heaviest first."""
    lists: list[list[T]] = [[] for _ in range(parts)]
    loads = [0] * parts
    for item in sorted(items, key=weight, reverse=True):
        lightest = loads.index(min(loads))
        lists[lightest].append(item)
        loads[lightest] += weight(item)
    return [batch for batch in lists if batch]

"""Jobs that end in every way a job can end."""

import os
import threading
from collections.abc import Callable

from rel4.machine.device import Device, Request
from uintr.registers import Csr, CsrFunction, Privilege, RequestKind

__all__ = [
    "MISUSE",
    "CustomError",
    "UnpicklableError",
    "die",
    "echo",
    "fail",
    "misuse",
    "never_step",
    "never_stop",
    "strange_failure",
    "strange_result",
]


class CustomError(Exception):
    """An exception of the caller's own."""


class UnpicklableError(Exception):
    """Its constructor wants more than pickle gives it."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


async def echo(device: Device, *, words: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    await device.run(1)
    return device.config.harts, words


async def fail(device: Device) -> None:
    raise CustomError("lost", 5)


async def strange_failure(device: Device) -> None:
    raise UnpicklableError(1, 2)


async def strange_result(device: Device) -> object:
    return threading.Lock()


async def die(device: Device) -> None:
    os._exit(3)


async def never_stop(device: Device) -> None:
    while True:
        await device.run(1000)


async def never_step(device: Device) -> None:
    threading.Event().wait()


MISUSE = [
    "hart must have no request outstanding, not Request(kind=<RequestKind.CSR: 0>, "
    "function=<CsrFunction.READ: 0>, address=<Csr.UIE: 4>, data=0) on top",
    "hart must be below 2, not 2",
    "hart must be below 2, not -1",
    "address and data must fit 64 bits, not Request(kind=<RequestKind.STORE: 5>, function=0, "
    "address=0, data=18446744073709551616)",
    "kind and function must fit the hart port, not Request(kind=<RequestKind.UIPI: 1>, "
    "function=128, address=0, data=0)",
    "limit must be at least 1, not 0",
]
"""What `misuse` is told by every device of two harts."""


async def misuse(device: Device) -> list[str]:
    """The sentences for wrong calls."""
    request = Request(RequestKind.CSR, CsrFunction.READ, Csr.UIE)
    device.submit(0, request)
    sentences = []
    calls: tuple[Callable[[], None], ...] = (
        lambda: device.submit(0, request),
        lambda: device.submit(device.config.harts, request),
        lambda: device.set_privilege(-1, Privilege.U),
        lambda: device.submit(1, Request(RequestKind.STORE, 0, 0, 1 << 64)),
        lambda: device.submit(1, Request(RequestKind.UIPI, 128)),
    )
    for call in calls:
        try:
            call()
        except ValueError as error:
            sentences.append(str(error))
    try:
        await device.run(0)
    except ValueError as error:
        sentences.append(str(error))
    return sentences

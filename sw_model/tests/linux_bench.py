"""What tests of the library with the interface of Linux' proposal share."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from root_bench import program_of

from rel4.bench.program import ProgramRun, run_program
from rel4.machine.events import Fault
from rel4.machine.ops import Compute
from rel4.user.linux_process import LinuxProcess
from rel4.user.linux_uintr import LinuxThread
from rel4.user.user_thread import UserThread
from uintr.registers import Flavour

__all__ = [
    "BOTH",
    "Body",
    "Taken",
    "faults",
    "linux_thread",
    "nothing",
    "receive",
    "run",
    "sends",
    "until",
]

BOTH = pytest.mark.parametrize("flavour", Flavour)
Body = Callable[[LinuxThread], Awaitable[None]]


async def nothing(vector: int) -> None:
    """A handler."""


class Taken(list[int]):
    """Vectors that a handler has taken."""

    async def handler(self, vector: int) -> None:
        self.append(vector)


async def receive(linux: LinuxThread, taken: Taken) -> None:
    """From now on the thread's interrupts go to ``taken``."""
    assert await linux.uintr_register_handler(taken.handler, 0) == 0
    await linux.stui()


async def sends(linux: LinuxThread, vector: int) -> int:
    """An index by which the process sends ``vector`` to this thread."""
    return await linux.uintr_register_sender(await linux.uintr_vector_fd(vector, 0), 0)


def run(
    *bodies: Body,
    flavour: Flavour = Flavour.INTEL,
    harts: int | None = None,
    processes: dict[int, LinuxProcess] | None = None,
    process: LinuxProcess | None = None,
) -> ProgramRun:
    """Run threads of one process, each with a notification of its own; ``processes`` names threads
    of other ones. The last thread keeps time."""
    shared = process or LinuxProcess(alarm=None)

    def start(number: int, body: Body) -> Callable[[UserThread], Awaitable[None]]:
        async def program(thread: UserThread) -> None:
            shared.alarm = thread.notifications[len(bodies)]
            own = (processes or {}).get(number, shared)
            await body(LinuxThread(own, thread, thread.notifications[number]))

        return program

    async def keep_time(thread: UserThread) -> None:
        shared.alarm = thread.notifications[len(bodies)]
        await shared.keep_time(thread)

    return run_program(
        *(start(number, body) for number, body in enumerate(bodies)),
        keep_time,
        harts=harts or len(bodies),
        notifications=len(bodies) + 1,
        flavour=flavour,
    )


linux_thread = functools.partial(program_of, run)
"""The decorator of a test that is the program of one thread."""


async def until(condition: Callable[[], Any]) -> None:
    """Spin until something has happened elsewhere."""
    while not condition():
        await Compute(50)


def faults(ended: ProgramRun) -> list[tuple[str, str]]:
    return [(e.thread, e.reason[:22]) for e in ended.events if isinstance(e, Fault)]

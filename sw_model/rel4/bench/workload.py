"""Workloads: what the threads of an experiment do.

*published*: N frames, N coroutines, rounds of {map, unmap} of one's own frame.

*mixed*: the same calls in bursts of random length, with computation of random length between. A
seeded generator of each coroutine decides, so it is the same work for every policy.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Protocol

from rel4.abi.coroutine import Task
from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.abi.syscall_buffer import MAX_CAPACITY
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.machine.events import Mark
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute, Log, Swap
from rel4.user.adaptive import AdaptiveSyscalls
from rel4.user.async_syscalls import Style
from rel4.user.root_task import RootTask, check
from uintr.intel.registers import UPID_PIR
from uintr.registers import Flavour

from .conservation import PendingAtEnd

__all__ = ["BEGIN", "END", "FRAME_ADDRESS", "WORKLOADS", "boot_workload"]

FRAME_ADDRESS = 0x200_0000
"""Frame i is mapped at this address + i * 4 KiB, as published."""
PAGE = 4096
WORKER_PRIORITY = 2
BEGIN, END = "begin", "end"
"""Marks around the measured part; creation of coroutines is outside, as published."""


class Calls(Protocol):
    """System calls in one of the ways to make them."""

    async def page_map(self, frame: int, vspace: int, virtual: int) -> SeL4Error:
        """RISCV_Page_Map."""
        ...

    async def page_unmap(self, frame: int) -> SeL4Error:
        """RISCV_Page_Unmap."""
        ...


Worker = Callable[[Calls, RootTask, int, int, int, random.Random], Task]
"""One coroutine: calls, task, frame, address, rounds, its own generator."""


async def _published(
    calls: Calls, task: RootTask, frame: int, address: int, rounds: int, chance: random.Random
) -> None:
    for _ in range(rounds):
        check("Page_Map", await calls.page_map(frame, task.vspace, address))
        check("Page_Unmap", await calls.page_unmap(frame))


async def _mixed(
    calls: Calls, task: RootTask, frame: int, address: int, rounds: int, chance: random.Random
) -> None:
    left = rounds
    while left:
        burst = min(left, chance.choice((1, 1, 2, 5)))
        left -= burst
        await _published(calls, task, frame, address, burst, chance)
        # Work of its own, from nothing to a few calls' worth.
        await Compute(chance.choice((0, 500, 2_000, 8_000)))


WORKLOADS: dict[str, Worker] = {"published": _published, "mixed": _mixed}


def boot_workload(
    kernel: Kernel,
    machine: Machine,
    *,
    workload: str,
    style: Style | None,
    clients: int,
    concurrency: int,
    rounds: int,
    seed: int,
    capacity: int = MAX_CAPACITY,
) -> PendingAtEnd:
    """Make ``clients`` initial threads, one a hart from hart 0 on, run the workload.

    Parameters
    ----------
    workload : name of a workload
    style : of the user's side of asynchronous calls; None: one synchronous call after another
    clients : threads
    concurrency : frames and coroutines of each, 1 to 4096
    rounds : rounds of calls that each coroutine does
    seed : of the workers' generators
    capacity : items of a client's rings

    Returns what will hold, after the run, the pending word of every receiver in use.
    """
    pending = PendingAtEnd()
    worker = WORKLOADS[workload]

    async def program(task: RootTask) -> None:
        frames = await task.allocate(ObjectType.RISCV_4K_PAGE, concurrency)
        await task.map_page_tables(FRAME_ADDRESS, concurrency * PAGE)
        calls: Calls = task.kernel
        if style is not None:
            asynchronous = await task.start_async_syscalls(capacity, style)
            calls = asynchronous
            if style.adaptive:
                calls = AdaptiveSyscalls(task.kernel, asynchronous)
        programs = [
            partial(
                worker,
                calls,
                task,
                frame,
                FRAME_ADDRESS + number * PAGE,
                rounds,
                random.Random(f"worker/{seed}/{task.name}/{number}"),
            )
            for number, frame in enumerate(frames)
        ]
        if style is not None:
            for start in programs:
                task.executor.spawn(start, priority=WORKER_PRIORITY)
        await Log(Mark(BEGIN))
        if style is not None:
            await task.executor.run_until_complete()
        else:
            for start in programs:
                await start()
        await Log(Mark(END))

    async def final_look() -> None:
        uintr = kernel.state.uintr
        for receiver in uintr.receivers:
            pending.words[receiver] = await uintr.pending(receiver)
        pending.kernel.update(uintr.kernel_receivers.values())
        if kernel.state.machine.device.config.flavour is Flavour.INTEL:
            for receiver in pending.kernel:  # memory, which no reset clears: the next run's
                await Swap(receiver + UPID_PIR.address, 0)

    kernel.state.at_end = final_look
    for hart in range(clients):
        task = RootTask(machine, name=f"root{hart}" if hart else "root")
        boot_initial_thread(kernel, partial(program, task), hart=hart)
    return pending

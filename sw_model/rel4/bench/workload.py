"""The published workload: N frames, N coroutines, rounds of {map, unmap} of one's own frame."""

from functools import partial

from rel4.abi.numbers import ObjectType
from rel4.abi.syscall_buffer import MAX_CAPACITY
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.machine.events import Mark
from rel4.machine.machine import Machine
from rel4.machine.ops import Log
from rel4.user.adaptive import AdaptiveSyscalls
from rel4.user.async_syscalls import Style
from rel4.user.root_task import RootTask, check

__all__ = ["BEGIN", "END", "FRAME_ADDRESS", "boot_workload"]

FRAME_ADDRESS = 0x200_0000
"""Frame i is mapped at this address + i * 4 KiB, as published."""
PAGE = 4096
WORKER_PRIORITY = 2
BEGIN, END = "begin", "end"
"""Marks around the measured part; creation of coroutines is outside, as published."""


def boot_workload(
    kernel: Kernel, machine: Machine, *, style: Style | None, concurrency: int, rounds: int
) -> dict[int, int]:
    """Make the initial thread run the workload.

    Parameters
    ----------
    style : of the user's side of asynchronous calls; None: one synchronous call after another
    concurrency : frames and coroutines, 1 to 4096
    rounds : rounds of two calls that each does

    Returns the dictionary that holds, after the run, the pending word of every receiver in use.
    """
    pending: dict[int, int] = {}
    task = RootTask(machine)

    async def program() -> None:
        frames = await task.allocate(ObjectType.RISCV_4K_PAGE, concurrency)
        await task.map_page_tables(FRAME_ADDRESS, concurrency * PAGE)
        if style is None:
            await _synchronous(task, frames, rounds)
        else:
            await _asynchronous(task, frames, rounds, style)

    async def final_look() -> None:
        for receiver in kernel.uintr.receivers:
            pending[receiver] = await kernel.uintr.pending(receiver)

    kernel.at_end = final_look
    boot_initial_thread(kernel, program)
    return pending


async def _synchronous(task: RootTask, frames: range, rounds: int) -> None:
    await Log(Mark(BEGIN))
    for number, frame in enumerate(frames):
        for _ in range(rounds):
            address = FRAME_ADDRESS + number * PAGE
            check("Page_Map", await task.kernel.page_map(frame, task.vspace, address))
            check("Page_Unmap", await task.kernel.page_unmap(frame))
    await Log(Mark(END))


async def _asynchronous(task: RootTask, frames: range, rounds: int, style: Style) -> None:
    calls = await task.start_async_syscalls(MAX_CAPACITY, style)

    made = AdaptiveSyscalls(task.kernel, calls) if style.adaptive else calls

    async def worker(frame: int, address: int) -> None:
        for _ in range(rounds):
            check("Page_Map", await made.page_map(frame, task.vspace, address))
            check("Page_Unmap", await made.page_unmap(frame))

    for number, frame in enumerate(frames):
        program = partial(worker, frame, FRAME_ADDRESS + number * PAGE)
        task.executor.spawn(program, priority=WORKER_PRIORITY)
    await Log(Mark(BEGIN))
    await task.executor.run_until_complete()
    await Log(Mark(END))

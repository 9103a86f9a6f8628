"""Threads from user space: what a root task does to start one, and to talk to it."""

from collections.abc import Callable
from dataclasses import dataclass

from rel4.abi.numbers import ObjectType
from rel4.machine.context import Program

from .root_task import RootTask, check
from .syscalls import SystemCalls

__all__ = ["Thread", "ThreadMaker"]

BUFFERS = 0x3000_0000
"""IPC buffers of threads that were made here, one page each."""
PAGE = 4096


@dataclass(frozen=True)
class Thread:
    """A thread that was made: its TCB, and its system calls for its own program to use."""

    tcb: int
    kernel: SystemCalls
    buffer: int
    buffer_address: int


class ThreadMaker:
    """Makes threads that share the root task's spaces.

    Parameters
    ----------
    task : whose memory, CSpace and VSpace are used
    """

    def __init__(self, task: RootTask) -> None:
        self._task = task
        self._made = 0

    async def make(
        self,
        program: Callable[[SystemCalls], Program],
        *,
        priority: int = 255,
        hart: int = 0,
        fault_endpoint: int = 0,
        name: str = "",
        resume: bool = True,
        cnode: int | None = None,
        notification: int | None = None,
    ) -> Thread:
        """A thread with an IPC buffer of its own that runs ``program(kernel)``, bound to
        ``notification`` if there is one.

        Raises
        ------
        SyscallError : a system call failed.
        """
        task, kernel = self._task, self._task.kernel
        (tcb,) = await task.allocate(ObjectType.TCB)
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        address = BUFFERS + PAGE * self._made
        self._made += 1
        await task.map_page_tables(address, PAGE)
        check("Page_Map", await kernel.page_map(frame, task.vspace, address))
        cspace = task.cnode if cnode is None else cnode
        error = await kernel.tcb_configure(
            tcb, fault_endpoint, cspace, 0, task.vspace, 0, address, frame
        )
        check("TCB_Configure", error)
        error = await kernel.tcb_set_sched_params(tcb, task.tcb, priority, priority)
        check("TCB_SetSchedParams", error)
        if hart:
            check("TCB_SetAffinity", await kernel.tcb_set_affinity(tcb, hart))
        if name:
            await kernel.name_thread(tcb, name)
        if notification is not None:
            bound = await kernel.tcb_bind_notification(tcb, notification)
            check("TCB_BindNotification", bound)
        own = SystemCalls(address, tcb)
        pc = task.machine.place(lambda: program(own))
        check("TCB_WriteRegisters", await kernel.tcb_write_registers(tcb, (pc,), resume=resume))
        return Thread(tcb, own, frame, address)

"""What tests of user interrupts as kernel resources share."""

import pytest

from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.user.root_task import RootTask
from uintr.registers import Flavour

__all__ = ["BOTH", "become_receiver", "handler_into", "send_index", "syscall_buffer_at"]

BOTH = pytest.mark.parametrize("flavour", Flavour)


def handler_into(task: RootTask, taken: list[int]) -> int:
    """Code that notes what it took; returns its address."""

    async def handler() -> None:
        taken.append(await task.interrupts.take())
        await task.interrupts.leave()

    return task.machine.place(handler)


async def become_receiver(task: RootTask, ntfn: int, taken: list[int]) -> SeL4Error:
    """The initial thread is bound to ``ntfn`` and receives by it."""
    await task.kernel.tcb_bind_notification(task.tcb, ntfn)
    handler = handler_into(task, taken)
    return await task.interrupts.register(task.kernel, ntfn, task.tcb, handler)


async def send_index(task: RootTask, slot: int, ntfn: int, badge: int) -> int:
    """A badged capability in ``slot``, registered to send by; returns what the initial thread sends
    with."""
    await task.kernel.cnode_mint(task.cnode, slot, ntfn, 0b1111, badge)
    error, index = await task.kernel.uintr_register_sender(slot)
    assert error is SeL4Error.NO_ERROR
    return index


async def syscall_buffer_at(task: RootTask, virtual: int, *, table: bool = True) -> int:
    """A frame with a syscall buffer of four items, mapped, with the page table that it needs."""
    (frame,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
    if table:
        (new,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
        mapped = await task.kernel.page_table_map(new, task.vspace, virtual)
        assert mapped is SeL4Error.NO_ERROR
    assert await task.kernel.page_map(frame, task.vspace, virtual) is SeL4Error.NO_ERROR
    await SyscallBuffer.create(virtual, 4)
    return frame

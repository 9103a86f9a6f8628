"""Threads with spaces of their own, and which capability is in which slot of an attacker's."""

from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum

from rel4.abi.numbers import CapSlot, Invocation, ObjectType
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls

__all__ = [
    "BUFFER",
    "DATA",
    "GUARD",
    "IPC",
    "PAGE",
    "RADIX",
    "Own",
    "arm",
    "copy",
    "give",
    "make_thread",
]

PAGE = 0x1000
IPC, DATA, BUFFER = 0x1000_0000, 0x1000_1000, 0x4000_0000
"""Where every one of these threads has its IPC buffer, a page, and a syscall buffer."""
RADIX = 6
GUARD = 64 - RADIX
"""A CSpace of 64 slots that resolves whole pointers."""


class Own(IntEnum):
    """Slots of an attacker's CSpace."""

    TCB = 1
    CNODE = 2
    VSPACE = 3
    POOL = 4
    UNTYPED = 5
    NOTIFICATION = 6
    BADGED = 7
    SECOND = 8
    ENDPOINT = 9
    BUFFER_FRAME = 10
    IPC_FRAME = 11
    DATA_FRAME = 12
    TABLE = 13
    SHARED = 14  # the right to receive from the victim's second notification
    FIRST_FREE = 15


async def make_space(task: RootTask, quota: int) -> dict[int, int]:
    """A CNode, an address space of its own pool with a page each for IPC buffer and data; their
    capabilities."""
    kernel, root = task.kernel, task.cnode
    (pool_memory,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    (pool,) = await task.allocate(ObjectType.ENDPOINT)
    check("CNode_Delete", await kernel.cnode_delete(root, pool))  # its slot alone is wanted
    error = await kernel.asid_control_make_pool(CapSlot.ASID_CONTROL, pool_memory, root, pool)
    check("MakePool", error)
    (node,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=RADIX)
    (space, middle, leaf) = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 3)
    check("Assign", await kernel.asid_pool_assign(pool, space, quota=quota))
    for table in (middle, leaf):
        check("PageTable_Map", await kernel.page_table_map(table, space, IPC))
    frames = await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
    for frame, virtual in zip(frames, (IPC, DATA), strict=True):
        check("Page_Map", await kernel.page_map(frame, space, virtual))
    return {
        Own.CNODE: node,
        Own.VSPACE: space,
        Own.POOL: pool,
        Own.IPC_FRAME: frames[0],
        Own.DATA_FRAME: frames[1],
    }


async def make_thread(
    task: RootTask,
    name: str,
    program: Callable[[SystemCalls], Awaitable[None]],
    *,
    priority: int,
    hart: int,
    quota: int = 0,
) -> dict[int, int]:
    """A thread with spaces of its own; root's capabilities to what it has, by the slots that an
    attacker has them in. ``quota``: of user-interrupt resources; 0: none is set."""
    kernel = task.kernel
    made = await make_space(task, quota)
    (tcb,) = await task.allocate(ObjectType.TCB)
    error = await kernel.tcb_configure(
        tcb, 0, made[Own.CNODE], GUARD, made[Own.VSPACE], 0, IPC, made[Own.IPC_FRAME]
    )
    check("TCB_Configure", error)
    check(
        "TCB_SetSchedParams",
        await kernel.tcb_set_sched_params(tcb, task.tcb, priority, priority),
    )
    if hart:
        check("TCB_SetAffinity", await kernel.tcb_set_affinity(tcb, hart))
    await kernel.name_thread(tcb, name)
    own = SystemCalls(IPC)
    # No type fits: a coroutine function, typed as any awaitable.
    # A program of this package is any awaitable; the machine wants a coroutine, which it is.
    pc = task.machine.place(lambda: program(own))  # type: ignore[arg-type,return-value]
    check("TCB_WriteRegisters", await kernel.tcb_write_registers(tcb, (pc,), resume=False))
    return {Own.TCB: tcb, **made}


async def arm(task: RootTask, made: dict[int, int], endpoint: int, shared: int) -> None:
    """Give an attacker its capabilities, all derived from root's, so that they can be revoked; of
    ``shared``, a notification of the victim's, the right to receive."""
    kernel, root = task.kernel, task.cnode
    (untyped,) = await task.allocate(ObjectType.UNTYPED, size_bits=17)
    first, second = await task.allocate(ObjectType.NOTIFICATION, 2)
    (frame,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
    tables = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2)
    check("PageTable_Map", await kernel.page_table_map(tables[0], made[Own.VSPACE], BUFFER))
    check("Page_Map", await kernel.page_map(frame, made[Own.VSPACE], BUFFER))
    made.update(
        {
            Own.UNTYPED: untyped,
            Own.NOTIFICATION: first,
            Own.SECOND: second,
            Own.ENDPOINT: endpoint,
            Own.BUFFER_FRAME: frame,
            Own.TABLE: tables[1],
        }
    )
    table = made[Own.TABLE]  # one that is not mapped cannot be copied
    words = (Own.TABLE, RADIX, table, 64)
    error = (await kernel.invoke(made[Own.CNODE], Invocation.CNODE_MOVE, words, (root,))).error
    check("CNode_Move of a page table", error)
    await give(task, made, {slot: cap for slot, cap in made.items() if slot != Own.TABLE})
    await copy(task, made, Own.SHARED, shared, rights=0b0010)


async def give(task: RootTask, made: dict[int, int], caps: Mapping[int, int]) -> None:
    """Let a thread have capabilities of root's, by slot, and a badged one of its notification."""
    for slot, source in caps.items():
        await copy(task, made, slot, source)
    await copy(task, made, Own.BADGED, caps[Own.NOTIFICATION], badge=5)


async def copy(
    task: RootTask,
    made: dict[int, int],
    slot: int,
    source: int,
    *,
    rights: int = 0b1111,
    badge: int | None = None,
) -> None:
    """Give a thread a copy of one of root's capabilities, or a badged one."""
    label = Invocation.CNODE_COPY if badge is None else Invocation.CNODE_MINT
    words: tuple[int, ...] = (slot, RADIX, source, 64, rights)
    if badge is not None:
        words = (*words, badge)
    answer = await task.kernel.invoke(made[Own.CNODE], label, words, (task.cnode,))
    check(f"{label.name} to {slot}", answer.error)

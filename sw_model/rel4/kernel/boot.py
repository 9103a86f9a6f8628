"""What the boot loader and the kernel's initialisation leave: the initial thread and its world.

Memory map (physical)::

    0x6000_0000  16 MiB of device memory, untyped, slot DEVICE_UNTYPED
    0x8000_0000  kernel data
    0x8800_0000  the initial thread's own objects
    0x9000_0000  256 MiB of untyped memory for each initial thread, slot FIRST_UNTYPED of its CSpace

The initial thread's virtual memory holds its IPC buffer and one page of data; everything else it
allocates itself.
"""

from collections.abc import Callable

from rel4.abi.layout import DATA_ADDRESS, IPC_BUFFER_ADDRESS
from rel4.abi.numbers import CapSlot
from rel4.machine import sv39
from rel4.machine.context import Context, Program
from rel4.machine.sv39 import PTE

from . import mdb
from .account import Account
from .asid import assign
from .capability import (
    AsidControlCap,
    AsidPoolCap,
    Capability,
    CNodeCap,
    FrameCap,
    IrqControlCap,
    PageTableCap,
    Rights,
    ThreadCap,
    UntypedCap,
)
from .cspace import derive
from .kernel import Kernel
from .objects import TCB, AsidPool, CNode, Frame, PageTable, Untyped
from .scheduler import MAX_PRIORITY, TIME_SLICE

__all__ = [
    "DEVICE_BITS",
    "ROOT_RADIX",
    "UNTYPED_BITS",
    "boot_initial_thread",
]

DEVICE_BASE = 0x6000_0000
DEVICE_BITS = 24
BOOT_BASE = 0x8800_0000
BOOT_PAGES = 7
"""Pages of an initial thread's own objects."""
PAGE_BYTES = 1 << sv39.PAGE_BITS
UNTYPED_BASE = 0x9000_0000
UNTYPED_BITS = 28
ROOT_RADIX = 64
"""The initial CNode resolves a whole 64-bit capability pointer; its slots exist when used."""


def boot_initial_thread(
    kernel: Kernel, program: Callable[[], Program], *, priority: int = 255, hart: int = 0
) -> TCB:
    """Make an initial thread, runnable on ``hart``, with memory and a CSpace of its own.

    One a hart at most. `Machine.stop` follows the end of the last.
    """
    state = kernel.state
    memory = state.machine.memory
    name = f"root{hart}" if hart else "root"
    first = BOOT_BASE + hart * BOOT_PAGES * PAGE_BYTES
    pages = iter(range(first, first + BOOT_PAGES * PAGE_BYTES, PAGE_BYTES))
    cnode_address, tcb_address, root, middle, leaf, ipc, data = pages
    cnode = CNode(cnode_address, ROOT_RADIX)
    tcb = TCB(
        tcb_address,
        name,
        Context(name, program, root=root),
        priority=priority,
        affinity=hart,
        time_slice=TIME_SLICE,
    )
    tcb.mcp = MAX_PRIORITY
    flags = PTE.V | PTE.R | PTE.W | PTE.U | PTE.A | PTE.D
    memory.store(root + 8 * sv39.index(DATA_ADDRESS, 2), sv39.make_pte(middle, PTE.V))
    memory.store(middle + 8 * sv39.index(DATA_ADDRESS, 1), sv39.make_pte(leaf, PTE.V))
    for virtual, physical in ((IPC_BUFFER_ADDRESS, ipc), (DATA_ADDRESS, data)):
        memory.store(leaf + 8 * sv39.index(virtual, 0), sv39.make_pte(physical, flags))
    pool, table = state.asid_pools.setdefault(0, AsidPool(0, 0)), PageTable(root)
    caps: dict[CapSlot, Capability] = {
        CapSlot.INIT_THREAD_TCB: ThreadCap(tcb),
        CapSlot.INIT_THREAD_CNODE: CNodeCap(cnode),
        CapSlot.INIT_THREAD_VSPACE: PageTableCap(table),
        CapSlot.IRQ_CONTROL: IrqControlCap(),
        CapSlot.ASID_CONTROL: AsidControlCap(),
        CapSlot.INIT_THREAD_ASID_POOL: AsidPoolCap(pool),
        CapSlot.INIT_THREAD_IPC_BUFFER: FrameCap(
            Frame(ipc, sv39.PAGE_BITS), mapped=(table, IPC_BUFFER_ADDRESS)
        ),
        CapSlot.FIRST_UNTYPED: UntypedCap(
            Untyped(UNTYPED_BASE + (hart << UNTYPED_BITS), UNTYPED_BITS)
        ),
    }
    if not hart:
        device = Untyped(DEVICE_BASE, DEVICE_BITS, device=True)
        caps[CapSlot.DEVICE_UNTYPED] = UntypedCap(device)
    for number, cap in caps.items():
        mdb.insert_new(cnode.slot(number), cap, None)
    assign(state, pool, cnode.slot(CapSlot.INIT_THREAD_VSPACE), Account())
    for slot, origin in (
        (tcb.ctable, CapSlot.INIT_THREAD_CNODE),
        (tcb.vtable, CapSlot.INIT_THREAD_VSPACE),
        (tcb.buffer, CapSlot.INIT_THREAD_IPC_BUFFER),
    ):
        source = cnode.slot(origin)
        mdb.insert_copy(slot, derive(source.cap, Rights()), source)
    tcb.buffer_address = IPC_BUFFER_ADDRESS
    state.initial.append(tcb)
    state.harts.make_runnable(tcb)
    return tcb

"""The initial thread: allocation in user space, and set-up of the asynchronous runtime."""

from dataclasses import dataclass, field

from rel4.abi.layout import DATA_ADDRESS, IPC_BUFFER_ADDRESS
from rel4.abi.numbers import CapSlot, ObjectType, SeL4Error
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.machine.machine import Machine

from .async_syscalls import AsyncSyscalls, Style
from .executor import Executor
from .interrupts import UserInterrupts, interrupts_of
from .syscalls import SystemCalls

__all__ = ["RootTask", "SyscallError"]

BUFFER_ADDRESS = 0x4000_0000
PUBLISHED = Style()
RECEIVER_PRIORITY = 1
RETYPE_AT_ONCE = 256
TABLE_SPAN = 1 << 21
"""Virtual memory that one page table of the last level spans."""


class SyscallError(Exception):
    """A system call that the root task relies on failed."""


def check(call: str, error: SeL4Error) -> None:
    """Raise SyscallError naming the call, unless it succeeded."""
    if error is not SeL4Error.NO_ERROR:
        raise SyscallError(f"{call} failed with {error.name}")


@dataclass
class RootTask:
    """The initial thread's view of its world.

    Memory is allocated here, in user space: the task turns untyped memory into objects and keeps
    account of free CSpace slots and page tables itself.
    """

    machine: Machine
    name: str = "root"
    kernel: SystemCalls = field(default_factory=lambda: SystemCalls(IPC_BUFFER_ADDRESS))
    executor: Executor = field(init=False)
    tcb: int = CapSlot.INIT_THREAD_TCB
    cnode: int = CapSlot.INIT_THREAD_CNODE
    vspace: int = CapSlot.INIT_THREAD_VSPACE
    _untyped: int = CapSlot.FIRST_UNTYPED
    _next_slot: int = CapSlot.FIRST_FREE

    def __post_init__(self) -> None:
        self.executor = Executor(DATA_ADDRESS, self.interrupts)

    @property
    def interrupts(self) -> UserInterrupts:
        """User interrupts of the machine's flavour."""
        return interrupts_of(self.machine)

    async def allocate(self, kind: ObjectType, count: int = 1, size_bits: int = 0) -> range:
        """Make ``count`` objects; returns their capability pointers."""
        first = self._next_slot
        left = count
        while left:
            batch = min(left, RETYPE_AT_ONCE)
            error = await self.kernel.untyped_retype(
                self._untyped, kind, size_bits, self.cnode, self._next_slot, batch
            )
            check(f"Untyped_Retype of {batch} {kind.name}", error)
            self._next_slot += batch
            left -= batch
        return range(first, first + count)

    async def map_page_tables(self, virtual: int, size: int) -> None:
        """Page tables for ``size`` bytes from ``virtual`` on, as far as they are missing.

        DeleteFirst says that an address has all its tables already.
        """
        for address in range(virtual & -TABLE_SPAN, virtual + size, TABLE_SPAN):
            while True:
                (table,) = await self.allocate(ObjectType.RISCV_PAGE_TABLE)
                error = await self.kernel.page_table_map(table, self.vspace, address)
                if error is SeL4Error.DELETE_FIRST:
                    break
                check(f"PageTable_Map at {address:#x}", error)

    async def start_async_syscalls(
        self, capacity: int, style: Style = PUBLISHED, policy: int = 0
    ) -> AsyncSyscalls:
        """Set the asynchronous runtime up, in the published order.

        Buffer, notification, receiver coroutine, its vector, a badged capability, binding,
        registration as user-interrupt receiver, registration of the buffer.

        Parameters
        ----------
        capacity : items of either ring, a power of two
        style : how replies are brought to their coroutines
        policy : number of the kernel's policy for the handler
        """
        kernel = self.kernel
        buffer = await self._allocate_buffer()
        layout = await SyscallBuffer.create(BUFFER_ADDRESS, capacity)
        calls = AsyncSyscalls(self.executor, kernel, layout, style, thread=self.name)
        (notification,) = await self.allocate(ObjectType.NOTIFICATION)
        receiver = None
        if style.direct:
            self.executor.on_idle = calls.next_reply
            await layout.receiver_online.set()
        else:
            receiver = self.executor.spawn(
                calls.receive, priority=RECEIVER_PRIORITY, background=True
            )
        vector = self.executor.register_vector(receiver)
        badged = self._next_slot
        self._next_slot += 1
        write_only = 0b0001
        check(
            "CNode_Mint of the badged notification",
            await kernel.cnode_mint(self.cnode, badged, notification, write_only, vector),
        )
        check("TCB_BindNotification", await kernel.tcb_bind_notification(self.tcb, notification))
        handler = self.machine.place(self.executor.interrupt_handler)
        check(
            "UintrRegisterReceiver",
            await self.interrupts.register(kernel, notification, self.tcb, handler),
        )
        error, calls.sender = await kernel.uintr_register_async_syscall(badged, buffer, policy)
        check("UintrRegisterAsyncSyscall", error)
        return calls

    async def _allocate_buffer(self) -> int:
        """A 2 MiB frame for the syscall buffer: contiguous, so one capability stands for all."""
        (frame,) = await self.allocate(ObjectType.RISCV_MEGA_PAGE)
        # A megapage is an entry of the middle level: one table below the root is enough.
        (table,) = await self.allocate(ObjectType.RISCV_PAGE_TABLE)
        check(
            "PageTable_Map for the buffer",
            await self.kernel.page_table_map(table, self.vspace, BUFFER_ADDRESS),
        )
        check(
            "Page_Map of the buffer",
            await self.kernel.page_map(frame, self.vspace, BUFFER_ADDRESS),
        )
        return frame

"""The user interface of Linux' user-interrupt proposal, as a thin library over this kernel.

Code that was written against that interface can be modelled: the calls have its names, flags and
error numbers, and answer as a system call does (0 or more, or minus an error number). Descriptors,
indices and the list of waiting threads are the library's; receivers, entries and blocking are the
kernel's notifications. It runs on both flavours.

What differs, and why, is in `docs/intel_software.md`.
"""

import errno
from collections.abc import Awaitable, Callable
from weakref import WeakSet

from rel4.abi.numbers import SeL4Error
from rel4.machine.ops import ReadTime
from uintr.registers import VECTORS

from .linux_process import CYCLES_PER_USEC, Entry, LinuxProcess, UvecFile
from .user_thread import UserThread

__all__ = [
    "MAX_SENDERS",
    "UINTR_HANDLER_FLAG_WAITING_RECEIVER",
    "UINTR_HANDLER_FLAG_WAITING_SENDER",
    "UINTR_WAIT_MAX_USEC",
    "LinuxThread",
]

UINTR_HANDLER_FLAG_WAITING_RECEIVER = 0x1000
UINTR_HANDLER_FLAG_WAITING_SENDER = 0x2000
UINTR_WAIT_MAX_USEC = 1_000_000_000
MAX_SENDERS = 256
"""Entries of a process."""
NO_ENTRY = 1 << 20
"""An index behind any table."""

_WRITE_ONLY = 0b0001
_TIMEOUT = (1 << 64) - 1
"""Badge of a timeout: no vector, so a signal of it is no user interrupt."""

Handler = Callable[[int], Awaitable[None]]


class LinuxThread:
    """The system calls of one thread.

    Parameters
    ----------
    process : whose thread it is
    thread : what it is to this kernel
    notification : capability to a notification that is this thread's alone, if it is to receive
    """

    def __init__(
        self, process: LinuxProcess, thread: UserThread, notification: int | None = None
    ) -> None:
        self._process = process
        self.thread = thread
        self._kernel = thread.kernel
        self._notification = notification
        self._handler: Handler | None = None
        # Those that a descriptor or a registered sender still leads to.
        self._files: WeakSet[UvecFile] = WeakSet()
        self._alarm_slot: int | None = None

    # --- receivers --------------------------------------------------------------------------------

    async def uintr_register_handler(self, handler: Handler | None, flags: int) -> int:
        """Let ``handler(vector)`` be called for each user interrupt, from `stui` on."""
        if flags & ~UINTR_HANDLER_FLAG_WAITING_RECEIVER:
            return -errno.EINVAL  # a sender that pays for a waiting receiver is not offered
        if handler is None:
            return -errno.EFAULT
        if self._handler is not None:
            return -errno.EBUSY
        if self._notification is None:
            return -errno.ENOMEM
        thread, kernel = self.thread, self._kernel
        error = await kernel.tcb_bind_notification(thread.tcb, self._notification)
        if error is SeL4Error.NO_ERROR:
            # What was derived for a receiver that has gone must not lead to this one.
            error = await kernel.cnode_revoke(thread.cnode, self._notification)
            if self._alarm_slot is not None:
                self._process.free_slot(self._alarm_slot)
                self._alarm_slot = None
        if error is SeL4Error.NO_ERROR:
            place = thread.machine.place(self._enter)
            error = await thread.interrupts.register(
                kernel, self._notification, thread.tcb, place, enabled=False
            )
            if error is not SeL4Error.NO_ERROR:
                await kernel.tcb_unbind_notification(thread.tcb)
        if error is not SeL4Error.NO_ERROR:
            return -errno.ENOMEM
        self._handler = handler
        return 0

    async def uintr_unregister_handler(self, flags: int) -> int:
        """Receive no more. Who was registered to send cannot from now on."""
        if flags or self._handler is None:
            return -errno.EINVAL
        await self.clui()
        await self._kernel.tcb_unbind_notification(self.thread.tcb)
        self._handler = None
        for file in self._files:
            file.alive = False
        self._files.clear()
        return 0

    async def uintr_vector_fd(self, vector: int, flags: int) -> int:
        """A descriptor for ``vector`` of this thread; there may be several for one."""
        if flags or self._handler is None:
            return -errno.EINVAL
        if not 0 <= vector < VECTORS:
            return -errno.ENOSPC
        assert self._notification is not None  # a receiver has one
        file = UvecFile(self._notification, vector)
        self._files.add(file)
        return self._process.open(file)

    async def uintr_create_fd(self, vector: int, flags: int) -> int:
        """As the proposal's first version: a vector has one descriptor at a time."""
        if not flags and any(file.vector == vector and file.opens for file in self._files):
            return -errno.EBUSY
        return await self.uintr_vector_fd(vector, flags)

    async def uintr_wait(self, usec: int, flags: int) -> int:
        """Block until a user interrupt is pending (EINTR) or ``usec`` microseconds have passed (0).
        An interrupt wakes the thread also while its flag is clear; its handler then waits."""
        if flags or not 0 <= usec <= UINTR_WAIT_MAX_USEC:
            return -errno.EINVAL
        if usec == 0:
            return 0
        process, kernel = self._process, self._kernel
        if not process.keeps_time:
            return -errno.ENOSYS
        if self._handler is None:
            return -errno.EOPNOTSUPP
        assert self._notification is not None  # a receiver has one
        deadline = await ReadTime() + usec * CYCLES_PER_USEC
        if self._alarm_slot is None:
            self._alarm_slot = process.take_slot()
            await self._mint(self._alarm_slot, self._notification, _TIMEOUT)
        timer = await process.arm(kernel, deadline, self._alarm_slot)
        badge = await kernel.wait(self._notification)
        if process.disarm(timer):
            return -errno.EINTR
        while badge != _TIMEOUT:  # an interrupt was sooner than the signal, which still comes
            badge = await kernel.wait(self._notification)
        return 0

    async def stui(self) -> None:
        """Set the user-interrupt flag."""
        await self.thread.interrupts.enable()

    async def clui(self) -> None:
        """Clear the user-interrupt flag."""
        await self.thread.interrupts.disable()

    async def _enter(self) -> None:
        """The code at the handler's address."""
        vectors = await self.thread.interrupts.take()
        for vector in reversed(range(VECTORS)):
            if vectors >> vector & 1 and self._handler is not None:
                await self._handler(vector)
        await self.thread.interrupts.leave()

    # --- senders ----------------------------------------------------------------------------------

    async def uintr_register_sender(self, descriptor: int, flags: int) -> int:
        """An index for `senduipi`, for all threads of the process."""
        process = self._process
        if flags:
            return -errno.EINVAL
        if descriptor not in process.files:
            return -errno.EBADF
        file = process.files[descriptor]
        if file is None:
            return -errno.EOPNOTSUPP
        if not file.alive:
            return -errno.ESHUTDOWN
        index = next((n for n in range(MAX_SENDERS) if n not in process.entries), None)
        if index is None:
            return -errno.ENOSPC
        entry = process.entries[index] = Entry(file, process.take_slot())
        await self._mint(entry.slot, file.notification, file.vector)
        if not await self._enter_table(entry):
            await self._remove(index)
            return -errno.ENOMEM
        return index

    async def uintr_unregister_sender(self, index: int, flags: int) -> int:
        """Take the index back, from all threads of the process."""
        if flags or index not in self._process.entries:
            return -errno.EINVAL
        await self._remove(index)
        return 0

    async def senduipi(self, index: int) -> None:
        """The instruction. A fault of the thread (Intel) if nothing is registered at ``index``, or
        its receiver is gone. A thread's first send through an index enters it in its own table."""
        entry = self._process.entries.get(index)
        operand = NO_ENTRY
        if entry is not None and not entry.file.alive:
            entry = None
        if entry is not None and (self.thread in entry.operands or await self._enter_table(entry)):
            operand = entry.operands[self.thread]
        await self.thread.send(operand)

    async def _enter_table(self, entry: Entry) -> bool:
        error, operand = await self._kernel.uintr_register_sender(entry.slot)
        if error is SeL4Error.NO_ERROR:
            # An operand comes again when the receiver of the one who had it has ended.
            for other in self._process.entries.values():
                if other.operands.get(self.thread) == operand:
                    del other.operands[self.thread]
                    other.file.alive = False
            entry.operands[self.thread] = operand
        return error is SeL4Error.NO_ERROR

    async def _remove(self, index: int) -> None:
        """With the capability, the entries in all tables become invalid."""
        slot = self._process.entries.pop(index).slot
        await self._kernel.cnode_delete(self.thread.cnode, slot)
        self._process.free_slot(slot)

    async def _mint(self, slot: int, notification: int, badge: int) -> None:
        cnode = self.thread.cnode
        error = await self._kernel.cnode_mint(cnode, slot, notification, _WRITE_ONLY, badge)
        assert error is SeL4Error.NO_ERROR  # the slot is free, and the notification the thread's

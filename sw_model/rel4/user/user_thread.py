"""A thread for small programs: notifications that arrive as user interrupts, in a few verbs."""

from collections.abc import Sequence
from dataclasses import dataclass

from rel4.abi.layout import DATA_ADDRESS
from rel4.abi.numbers import SeL4Error
from rel4.machine.machine import Machine
from rel4.machine.ops import SpinWhile, Swap
from uintr.registers import VECTORS

from .interrupts import UserInterrupts, interrupts_of
from .root_task import check
from .syscalls import SystemCalls

__all__ = ["UserThread"]

_ARRIVED = DATA_ADDRESS + 0x100
"""A word for each thread, a cache line apart: the vectors that arrived and were not looked at."""
_SLOTS = 1 << 20
"""First CSpace slot for capabilities that threads mint: far above what the initial thread uses."""
_SLOTS_EACH = 1 << 10
_WRITE_ONLY = 0b0001


@dataclass(eq=False)
class UserThread:
    """One of several threads that share an address space and a CSpace.

    Parameters
    ----------
    machine : what it runs on
    number : 0 for the initial thread
    name : as in the event log
    kernel : its system calls
    tcb : capability to its own TCB
    cnode : capability to the CSpace that all threads share
    notifications : capabilities to the notifications made for the program
    """

    machine: Machine
    number: int
    name: str
    kernel: SystemCalls
    tcb: int
    cnode: int
    notifications: Sequence[int]
    _minted: int = 0

    async def receive_on(self, notification: int) -> None:
        """Let ``notification`` reach this thread by user interrupts from now on.

        Raises
        ------
        SyscallError : the kernel refused; the sentence names call and error.
        """
        check(
            f"TCB_BindNotification of {self.name}",
            await self.kernel.tcb_bind_notification(self.tcb, notification),
        )
        handler = self.machine.place(self._handler)
        check(
            f"UintrRegisterReceiver of {self.name}",
            await self.interrupts.register(self.kernel, notification, self.tcb, handler),
        )

    async def connect(self, notification: int, *, vector: int) -> int:
        """A way to post ``vector`` to whoever receives on ``notification``, for `send`; waits until
        somebody does.

        Raises
        ------
        ValueError : there is no such vector.
        SyscallError : the kernel refused; the sentence names call and error.
        """
        if not 0 <= vector < VECTORS:
            raise ValueError(f"vector must be below {VECTORS}, not {vector!r}")
        badged = _SLOTS + _SLOTS_EACH * self.number + self._minted
        self._minted += 1
        check(
            f"CNode_Mint by {self.name}",
            await self.kernel.cnode_mint(self.cnode, badged, notification, _WRITE_ONLY, vector),
        )
        while True:
            error, operand = await self.kernel.uintr_register_sender(badged)
            if error is not SeL4Error.ILLEGAL_OPERATION:
                break
            await self.kernel.yield_()  # nobody receives on it yet
        check(f"UintrRegisterSender of {self.name}", error)
        return operand

    async def send(self, connection: int) -> None:
        """Post, without the kernel."""
        await self.interrupts.send(connection)

    async def next_vectors(self) -> list[int]:
        """The vectors that arrived since the last time; waits for at least one."""
        while True:
            await SpinWhile(self._arrived, 0)
            word = await Swap(self._arrived, 0)
            if word:
                return [vector for vector in range(VECTORS) if word >> vector & 1]

    @property
    def interrupts(self) -> UserInterrupts:
        """User interrupts of the machine's flavour."""
        return interrupts_of(self.machine)

    @property
    def _arrived(self) -> int:
        return _ARRIVED + 64 * self.number

    async def _handler(self) -> None:
        """Take the pending vectors, note them, return."""
        await self.interrupts.note(self._arrived)

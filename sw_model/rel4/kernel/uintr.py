"""User interrupts as kernel resources: receivers, sender tables, signals, threads that wait.

What the hardware is told, in which order, stands in the flavours (`uintr_riscv`, `uintr_intel`).

A receiver belongs to a thread from the first registration on; several notifications of that thread
may share it, and it is given back when the last of them or the thread goes. Giving back has one
order: sender entries are made invalid, harts that may still be in a send are waited for, the
receiver is deactivated, what is pending is cleared, its index is free.

A thread that blocks where a user interrupt may wake it is *parked*: its receiver is deactivated,
and only then its pending word is looked at. Interrupts of the kernel (signals, devices) wake a
parked thread at once, posts of other threads when the hardware tells the kernel of them.
"""

from abc import abstractmethod
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import ClassVar

from rel4.abi.message import MessageInfo
from rel4.abi.numbers import SeL4Error
from rel4.machine.device import DeviceConfig
from uintr.registers import VECTORS

from .capability import Slot
from .errors import InvocationError, range_error
from .harts import Harts
from .objects import TCB, Notification, ThreadState
from .transfer import give
from .uintr_context import HartContexts, UserInterruptState
from .uintr_entries import SenderEntry, SenderTable

__all__ = ["UserInterruptState", "UserInterrupts"]


class UserInterrupts(HartContexts):
    """Allocation, registration, release and context switch of user-interrupt state.

    Parameters
    ----------
    config : shape of the hardware
    harts : whose they are
    receivers : what the hardware knows them by
    tables : addresses of pages for sender tables

    Members
    -------
    receivers : receivers in use
    free_receivers : the others
    parked : threads that a user interrupt is to wake, by receiver
    kernel_receivers : receivers of the kernel itself, by hart
    kernel_table : the sender table of the kernel itself
    free_tables : pages for sender tables that are not in use
    registration_words : message registers that the registration of a receiver needs
    """

    registration_words: ClassVar[int] = 0

    def __init__(
        self, config: DeviceConfig, harts: Harts, *, receivers: list[int], tables: list[int]
    ) -> None:
        super().__init__(config, harts)
        self._count = len(receivers)
        self.free_receivers = list(receivers)
        self._all_tables = len(tables)
        self.free_tables = list(tables)
        self.kernel_table = self._new_table()
        self.receivers: list[int] = []
        self.kernel_receivers: dict[int, int] = {}
        self._kernel_entries = [0] * config.harts
        self.parked: dict[int, TCB] = {}

    # --- allocation -------------------------------------------------------------------------------

    def _new_table(self) -> SenderTable:
        if not self.free_tables:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY,
                f"all {self._all_tables} sender tables are in use",
                (0,),
            )
        return self._table_at(heappop(self.free_tables))

    @abstractmethod
    def _table_at(self, address: int) -> SenderTable:
        """An empty table in the page at ``address``."""

    def _check_free_receiver(self) -> None:
        """NotEnoughMemory unless a receiver is free."""
        if not self.free_receivers:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY, f"all {self._count} receivers are in use", (0,)
            )

    async def _allocate_receiver(self) -> int:
        """A free receiver, inactive and with nothing pending."""
        self._check_free_receiver()
        receiver = heappop(self.free_receivers)
        self.receivers.append(receiver)
        await self._clear(receiver)
        return receiver

    @abstractmethod
    async def _clear(self, receiver: int) -> None:
        """Deactivate a receiver, then take what is pending."""

    async def quiesce(self, table: SenderTable) -> None:
        """A hart is in no send while it is in the kernel."""
        for hart, register in enumerate(self._tables):
            if register == table.register:
                await self._harts.stall(hart)

    def _state(self, tcb: TCB) -> UserInterruptState:
        """The state of a thread. A caller that has none yet may have set its registers already, so
        what the hart holds now is taken for its own."""
        state = tcb.find(UserInterruptState)
        if state is None:
            state = UserInterruptState(tcb, self)
            tcb.attached.append(state)
            if self._harts.current is tcb:
                self.owner[self._harts.here] = tcb
        return state

    # --- registration -----------------------------------------------------------------------------

    async def register_receiver(
        self, tcb: TCB, notification: Notification, words: Sequence[int] = ()
    ) -> None:
        """Give ``notification`` a receiver, whose user interrupts go to ``tcb``: the thread that it
        is bound to, or one that has a receiver already, which is then shared. ``words`` are what
        the flavour needs of a first registration.

        Raises
        ------
        InvocationError : IllegalOperation (not bound to this thread, or registered already; the
            thread must be the caller), NotEnoughMemory (no receiver is free).
        """
        present = tcb.find(UserInterruptState)
        has_one = present is not None and present.receiver is not None
        if notification.uintr_flag:
            raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "a receiver is registered already")
        if notification.bound_tcb is not tcb and not (has_one and notification.bound_tcb is None):
            raise InvocationError(
                SeL4Error.ILLEGAL_OPERATION, "the notification must be bound to the thread"
            )
        if not has_one:
            registers = self._registration(words)
            self._check_free_receiver()
            charge = tcb.account.charge()
            receiver = await self._allocate_receiver()
            state = self._state(tcb)
            state.receiver = receiver
            state.receiver_charge = charge
            state.registers.update(registers)
            await self._activate(state)
        state = self._state(tcb)
        assert state.receiver is not None
        state.notifications.append(notification)
        notification.uintr_flag = True
        notification.uintr_tcb = tcb
        notification.recv_idx = state.receiver

    def _registration(self, words: Sequence[int]) -> dict[int, int]:
        """Registers of a new receiver's thread as its registration's words say."""
        return {}

    async def register_sender(
        self, tcb: TCB, notification: Notification, badge: int, slot: Slot
    ) -> int:
        """An entry of ``tcb``'s table for vector ``badge``, by right of ``slot``; its index."""
        _check_sender(notification, badge)
        table = self._table_of(tcb)
        return (await table.add(notification.recv_idx, badge, notification, slot)).index

    def _table_of(self, tcb: TCB) -> SenderTable:
        state = tcb.find(UserInterruptState)
        if state is not None and state.table is not None:
            return state.table
        charge = tcb.account.charge()
        try:
            table = self._new_table()
        except InvocationError:
            charge.release()
            raise
        state = self._state(tcb)
        state.table, state.table_charge = table, charge
        return table

    async def register_kernel_sender(
        self, tcb: TCB, notification: Notification, badge: int, slot: Slot
    ) -> SenderEntry:
        """An entry of the kernel's own sender table, which ``tcb`` asks for."""
        _check_sender(notification, badge)
        self.kernel_table.check_room()
        charge = tcb.account.charge()
        entry = await self.kernel_table.add(notification.recv_idx, badge, notification, slot)
        entry.attached.append(charge)
        return entry

    async def register_sender_to_kernel(self, tcb: TCB, hart: int, vector: int) -> SenderEntry:
        """An entry of ``tcb``'s table that interrupts the kernel on ``hart``.

        The hart has a receiver of the kernel's own while there is such an entry: its posts are
        interrupts of the kernel, so no trap of the sender is needed to reach it.

        Raises
        ------
        InvocationError : IllegalOperation (the hardware has no such receivers), NotEnoughMemory.
        """
        if not self.reaches_kernel:
            raise InvocationError(
                SeL4Error.ILLEGAL_OPERATION,
                "the hardware must have supervisor receivers to interrupt the kernel",
            )
        if hart not in self.kernel_receivers:
            self._check_free_receiver()
        table = self._table_of(tcb)
        table.check_room()
        if hart not in self.kernel_receivers:
            receiver = await self._allocate_receiver()
            self.kernel_receivers[hart] = receiver
            await self._activate_kernel(hart, receiver)
        entry = await table.add(self.kernel_receivers[hart], vector)
        self._kernel_entries[hart] += 1
        entry.attached.append(_ToKernel(self, hart))
        return entry

    @property
    def reaches_kernel(self) -> bool:
        """True if the hardware has receivers that interrupt the kernel."""
        return True

    async def release_kernel_receiver(self, hart: int) -> None:
        """An entry that leads to the kernel on ``hart`` has gone, with the last its receiver."""
        self._kernel_entries[hart] -= 1
        if not self._kernel_entries[hart]:
            receiver = self.kernel_receivers.pop(hart)
            await self._clear(receiver)
            self.receivers.remove(receiver)
            self._freed(receiver)

    async def listen(self, on: bool) -> None:
        """Let posts to the kernel interrupt it on this hart (what is pending at once), or not."""
        receiver = self.kernel_receivers.get(self._harts.here)
        if receiver is not None:
            await self._listen(receiver, on)

    @abstractmethod
    async def _listen(self, receiver: int, on: bool) -> None:
        """Let posts to ``receiver``, of the kernel on this hart, interrupt it or not."""

    @abstractmethod
    async def _activate_kernel(self, hart: int, receiver: int) -> None:
        """Let ``receiver`` interrupt the kernel on ``hart``."""

    # --- release ----------------------------------------------------------------------------------

    async def release_notification(self, notification: Notification) -> None:
        """The notification goes or is unbound: it is plain again. A receiver goes with its last."""
        tcb = notification.uintr_tcb
        if tcb is None:
            return
        state = tcb.find(UserInterruptState)
        assert state is not None
        assert state.receiver is not None
        for entry in list(notification.attached):
            await entry.detach()
        state.notifications.remove(notification)
        notification.uintr_flag = False
        notification.uintr_tcb = None
        if state.notifications:
            return
        await self._free_receiver(tcb, state)
        if state.receiver_charge is not None:
            state.receiver_charge.release()

    @abstractmethod
    async def _free_receiver(self, tcb: TCB, state: UserInterruptState) -> None:
        """Give the receiver of ``tcb`` back; a hart saves its state before a thread runs there."""

    def _freed(self, receiver: int) -> None:
        heappush(self.free_receivers, receiver)

    async def release_thread(self, tcb: TCB) -> None:
        """The thread ends: everything that it owns of the hardware is given back."""
        state = tcb.find(UserInterruptState)
        if state is None:
            return
        for notification in list(state.notifications):
            await self.release_notification(notification)
        table = state.table
        if table is not None:
            for entry in list(table.entries.values()):
                await entry.detach()
            heappush(self.free_tables, table.address)
        if state.table_charge is not None:
            state.table_charge.release()
        tcb.attached.remove(state)
        for hart, owner in enumerate(self.owner):
            if owner is tcb:
                self._stale.add(hart)

    # --- signals from the kernel ------------------------------------------------------------------

    async def send(self, entry: SenderEntry) -> None:
        """Send through an entry of the kernel's table; nothing if it has gone."""
        if not entry.live:
            return
        await self._send(entry)
        await self.absent_post(entry.receiver)

    @abstractmethod
    async def _send(self, entry: SenderEntry) -> None:
        """The send alone, by the instruction."""

    async def post(self, receiver: int, vector: int) -> None:
        """Post a vector as the kernel, and wake the receiver's thread if it is parked."""
        await self._post(receiver, vector)
        await self.absent_post(receiver)

    @abstractmethod
    async def _post(self, receiver: int, vector: int) -> None:
        """The post alone."""

    # --- threads that wait ------------------------------------------------------------------------

    async def park(self, tcb: TCB) -> int:
        """``tcb``, which runs on this hart, is about to block. Returns its pending word: if it is
        not 0 the thread must not block."""
        state = tcb.find(UserInterruptState)
        assert state is not None
        receiver = state.receiver
        assert receiver is not None
        pending = await self._park(receiver)
        if not pending:
            self.parked[receiver] = tcb
        return pending

    @abstractmethod
    async def _park(self, receiver: int) -> int:
        """Have the kernel told of posts to ``receiver`` unless something is pending; what is."""

    def awake(self, tcb: TCB) -> None:
        """``tcb`` waits no more."""
        state = tcb.find(UserInterruptState)
        if state is not None and state.receiver is not None:
            self.parked.pop(state.receiver, None)

    async def absent_post(self, receiver: int) -> None:
        """Something was posted to a receiver that is not active: wake its thread if it is parked.
        The wait answers the pending word, and the interrupt is taken when the thread runs."""
        tcb = self.parked.get(receiver)
        if tcb is None:
            return
        pending = await self._absent(receiver, tcb)
        if not pending:
            return
        del self.parked[receiver]
        if not isinstance(tcb.waiting_on, TCB) and tcb.waiting_on is not None:
            tcb.waiting_on.queue.remove(tcb)
        tcb.waiting_on = None
        tcb.state = ThreadState.RUNNING
        give(tcb, pending, MessageInfo(), ())
        await self._harts.prefer(tcb)

    @abstractmethod
    async def _absent(self, receiver: int, tcb: TCB) -> int:
        """What is pending for ``tcb``, which is parked; if something is, it is told no more."""

    async def poll_parked(self) -> None:  # where the hardware tells, there is no need
        """A timer tick: look at parked threads of whose posts the hardware does not tell."""

    @abstractmethod
    async def take_interrupts(self) -> int:
        """The hardware interrupted the kernel on this hart: wake the parked threads that it tells
        of, and take what was posted to the kernel here, one bit a vector. The line falls."""

    @abstractmethod
    async def pending(self, receiver: int) -> int:
        """A receiver's pending word, which stays as it is."""


def _check_sender(notification: Notification, badge: int) -> None:
    if not notification.uintr_flag:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "the notification has no user-interrupt receiver"
        )
    if badge >= VECTORS:
        raise range_error(0, VECTORS - 1, f"badge must be a vector below {VECTORS}, not {badge}")


class _ToKernel:
    """On an entry that leads to the kernel on ``hart``."""

    def __init__(self, uintr: UserInterrupts, hart: int) -> None:
        self._uintr = uintr
        self._hart = hart

    async def detach(self) -> None:
        await self._uintr.release_kernel_receiver(self._hart)

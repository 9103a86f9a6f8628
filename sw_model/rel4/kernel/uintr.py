"""User interrupts as kernel resources: receivers, sender tables, signals, threads that wait.

A receiver belongs to a thread from the first registration on; several notifications of that thread
may share it, and it is given back when the last of them or the thread goes. Giving back has one
order: sender entries are made invalid, harts that may still be in a SEND are waited for, the
receiver is deactivated, its pending word is cleared, its index is free. So neither a stale entry
nor a stale bit reaches the next owner.

A thread that blocks where a user interrupt may wake it is *parked*: its receiver is deactivated,
and only then its pending word is looked at. Interrupts of the kernel (signals, devices) wake a
parked thread at once. A UIPI of another thread does so when the controller tells the kernel of the
absent receiver (feature NOTIFY); without that feature the kernel looks at every timer tick.
"""

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from rel4.abi.message import MessageInfo
from rel4.abi.numbers import SeL4Error
from rel4.machine.device import DeviceConfig
from rel4.machine.events import ReceiverChanged
from rel4.machine.ops import Load, Log, Store, Uipi
from uintr.registers import (
    CLAIM,
    CONTROL_OFFSET,
    HIGH,
    LOW,
    NOTIFY_HART,
    PAGE_BYTES,
    SEND,
    SLOT_RESET,
    VECTORS,
    Feature,
    UipiFunction,
)

from .capability import Slot
from .errors import InvocationError, range_error
from .objects import TCB, Notification, ThreadState
from .transfer import give
from .uintr_context import HartContexts, UserInterruptState
from .uintr_entries import SenderEntry, SenderTable

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["UserInterruptState", "UserInterrupts"]


class UserInterrupts(HartContexts):
    """Allocation, registration, release and context switch of user-interrupt state.

    Parameters
    ----------
    config : shape of the hardware
    kernel : for what it needs of threads and harts

    Members
    -------
    receivers : receivers in use
    parked : threads that a user interrupt is to wake, by receiver
    """

    def __init__(self, config: DeviceConfig, kernel: "Kernel") -> None:
        super().__init__(config)
        self._kernel = kernel
        self._free_receivers = list(range(config.receivers))
        self._free_pages = list(range(config.table_pages))
        self._kernel_table = self._table()
        self.receivers: list[int] = []
        self._kernel_receivers: dict[int, int] = {}
        self.parked: dict[int, TCB] = {}
        self._notifies = False  # somebody has parked, and the controller tells of posts

    # --- allocation -------------------------------------------------------------------------------

    def _table(self) -> SenderTable:
        if not self._free_pages:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY,
                f"all {self._config.table_pages} sender tables are in use",
                (0,),
            )
        page = heappop(self._free_pages)
        return SenderTable(self._config.table_base + page * PAGE_BYTES, self._quiesce)

    async def _allocate_receiver(self) -> int:
        """A free receiver, inactive and with nothing pending."""
        if not self._free_receivers:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY,
                f"all {self._config.receivers} receivers are in use",
                (0,),
            )
        receiver = heappop(self._free_receivers)
        self.receivers.append(receiver)
        await self._clear(receiver)
        return receiver

    def _control(self, offset: int) -> int:
        return self._config.base + CONTROL_OFFSET + offset

    async def _quiesce(self, table: SenderTable) -> None:
        """A hart is in no SEND while it is in the kernel."""
        for hart, suist in enumerate(self._suist):
            if suist == table.suist:
                await self._kernel.stall(hart)

    def _state(self, tcb: TCB) -> UserInterruptState:
        """The state of a thread. A caller that has none yet may have set its CSRs already, so what
        the hart holds now is taken for its own."""
        if tcb.uintr is None:
            tcb.uintr = UserInterruptState()
            here = self._kernel.here
            if self._kernel.schedulers[here].current is tcb:
                self.owner[here] = tcb
        return tcb.uintr

    # --- registration -----------------------------------------------------------------------------

    async def register_receiver(self, hart: int, tcb: TCB, notification: Notification) -> None:
        """Give ``notification`` a receiver, whose user interrupts go to ``tcb``: the thread that it
        is bound to, or one that has a receiver already, which is then shared.

        Raises
        ------
        InvocationError : IllegalOperation (not bound to this thread, or registered already; the
            thread must be the caller), NotEnoughMemory (no receiver is free).
        """
        has_one = tcb.uintr is not None and tcb.uintr.receiver is not None
        if notification.uintr_flag:
            raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "a receiver is registered already")
        if notification.bound_tcb is not tcb and not (has_one and notification.bound_tcb is None):
            raise InvocationError(
                SeL4Error.ILLEGAL_OPERATION, "the notification must be bound to the thread"
            )
        if not has_one:
            receiver = await self._allocate_receiver()
            previous = self.owner[hart]
            if previous is not None and previous is not tcb:
                await self._save(hart)
            state = self._state(tcb)
            state.receiver = receiver
            await self._activate(hart, state)
        state = self._state(tcb)
        assert state.receiver is not None
        state.notifications.append(notification)
        notification.uintr_flag = True
        notification.uintr_tcb = tcb
        notification.recv_idx = state.receiver

    async def _clear(self, receiver: int) -> None:
        """Deactivate a receiver, then take what is pending."""
        await Store(self._slot(receiver, LOW.address), 0)
        cleared = await Load(self._slot(receiver, HIGH.address))
        await Log(ReceiverChanged(receiver, False, 0, cleared))

    async def register_sender(
        self, tcb: TCB, notification: Notification, badge: int, slot: Slot
    ) -> int:
        """A sender-table entry of ``tcb`` that posts vector ``badge``, by right of the capability
        in ``slot``; answers its index."""
        _check_sender(notification, badge)
        table = self._table_of(tcb)
        return (await table.add(notification.recv_idx, badge, notification, slot)).index

    def _table_of(self, tcb: TCB) -> SenderTable:
        if tcb.uintr is None or tcb.uintr.table is None:
            table = self._table()
            self._state(tcb).table = table
        found = self._state(tcb).table
        assert found is not None
        return found

    async def register_kernel_sender(
        self, notification: Notification, badge: int, slot: Slot
    ) -> SenderEntry:
        """An entry of the kernel's own sender table."""
        _check_sender(notification, badge)
        return await self._kernel_table.add(notification.recv_idx, badge, notification, slot)

    async def register_sender_to_kernel(self, tcb: TCB, hart: int, vector: int) -> SenderEntry:
        """An entry of ``tcb``'s table that interrupts the kernel on ``hart``.

        The hart gets a receiver of supervisor kind when the first thread registers with it: its
        posts are supervisor software interrupts, so no trap of the sender is needed to reach the
        kernel.
        """
        if hart not in self._kernel_receivers:
            receiver = await self._allocate_receiver()
            self._kernel_receivers[hart] = receiver
            low = LOW.pack(active=1, mode=1, supervisor=1, hartid=hart)
            await Store(self._slot(receiver, LOW.address), low)
            await Log(ReceiverChanged(receiver, True, 0, 0))
        return await self._table_of(tcb).add(self._kernel_receivers[hart], vector)

    # --- release ----------------------------------------------------------------------------------

    async def release_notification(self, notification: Notification) -> None:
        """The notification goes or is unbound: it is plain again, and the receiver is given back if
        no other notification shares it."""
        tcb = notification.uintr_tcb
        if tcb is None:
            return
        state = tcb.uintr
        assert state is not None
        assert state.receiver is not None
        for entry in list(notification.entries):
            await entry.detach()
        state.notifications.remove(notification)
        notification.uintr_flag = False
        notification.uintr_tcb = None
        if state.notifications:
            return
        await self._free_receiver(state)
        for hart, owner in enumerate(self.owner):
            if owner is tcb:
                await self._kernel.stall(hart)
                self._stale.add(hart)

    async def _free_receiver(self, state: UserInterruptState) -> None:
        receiver, state.receiver = state.receiver, None
        assert receiver is not None
        self.parked.pop(receiver, None)
        await self._clear(receiver)
        if Feature.SLOT_RESET in self._config.features:
            await Store(self._control(SLOT_RESET.address), receiver)
        self.receivers.remove(receiver)
        heappush(self._free_receivers, receiver)

    async def release_thread(self, tcb: TCB) -> None:
        """The thread ends: everything that it owns of the hardware is given back."""
        state = tcb.uintr
        if state is None:
            return
        for notification in list(state.notifications):
            await self.release_notification(notification)
        table = state.table
        if table is not None:
            for entry in list(table.entries.values()):
                await entry.detach()
            heappush(self._free_pages, (table.address - self._config.table_base) // PAGE_BYTES)
        tcb.uintr = None
        for hart, owner in enumerate(self.owner):
            if owner is tcb:
                self._stale.add(hart)

    # --- signals from the kernel ------------------------------------------------------------------

    async def send(self, hart: int, index: int) -> None:
        """UIPI SEND from the kernel's table."""
        await self._set_table(hart, self._kernel_table.suist)
        await Uipi(UipiFunction.SEND, index)
        entry = self._kernel_table.entries.get(index)
        if entry is not None and entry.notification is not None:
            await self.absent_post(entry.notification.recv_idx)

    async def post(self, receiver: int, vector: int) -> None:
        """Post a vector as the kernel, and wake the receiver's thread if it is parked."""
        await Store(self._slot(receiver, SEND.address), vector)
        await Log(ReceiverChanged(receiver, False, 1 << vector, 0))
        await self.absent_post(receiver)

    # --- threads that wait ------------------------------------------------------------------------

    async def park(self, tcb: TCB) -> int:
        """``tcb``, which runs on this hart, is about to block. Answers its pending word: if it is
        not 0 the thread must not block. Deactivated first: a post that this look misses meets an
        inactive receiver."""
        assert tcb.uintr is not None
        receiver = tcb.uintr.receiver
        assert receiver is not None
        here = self._kernel.here
        tells = Feature.NOTIFY in self._config.features
        if tells and not self._notifies:
            self._notifies = True
            await Store(self._control(NOTIFY_HART.address), 0)
        low = LOW.pack(active=0, mode=1, notify=int(tells), hartid=here)
        await Store(self._slot(receiver, LOW.address), low)
        pending = await Load(self._slot(receiver, HIGH.address))
        if pending:
            low = LOW.pack(active=1, mode=1, hartid=here)
            await Store(self._slot(receiver, LOW.address), low)
            await Store(self._slot(receiver, HIGH.address), pending)
        else:
            self.parked[receiver] = tcb
        return pending

    def awake(self, tcb: TCB) -> None:
        """``tcb`` waits no more."""
        if tcb.uintr is not None and tcb.uintr.receiver is not None:
            self.parked.pop(tcb.uintr.receiver, None)

    async def absent_post(self, receiver: int) -> None:
        """Something was posted to a receiver that is not active: wake its thread if it is parked.
        The wait answers the pending word, and the interrupt is taken when the thread runs."""
        tcb = self.parked.get(receiver)
        if tcb is None:
            return
        low = LOW.pack(active=0, mode=1, hartid=tcb.affinity)  # told once is enough
        await Store(self._slot(receiver, LOW.address), low)
        pending = await self.pending(receiver)
        if not pending:
            low = LOW.pack(active=0, mode=1, notify=1, hartid=tcb.affinity)
            if self._notifies:
                await Store(self._slot(receiver, LOW.address), low)
            return
        del self.parked[receiver]
        if not isinstance(tcb.waiting_on, TCB) and tcb.waiting_on is not None:
            tcb.waiting_on.queue.remove(tcb)
        tcb.waiting_on = None
        tcb.state = ThreadState.RUNNING
        give(tcb, pending, MessageInfo(), ())
        await self._kernel.prefer(tcb)

    async def poll_parked(self) -> None:
        """A timer tick: look at every parked thread's pending word, unless the controller tells."""
        if not self._notifies:
            for receiver in list(self.parked):
                await self.absent_post(receiver)

    async def take_absent_posts(self) -> None:
        """Take all receivers out of the controller's queue, and wake their threads."""
        while self._notifies:
            claim = await Load(self._control(CLAIM.address))
            if not CLAIM.field("valid").get(claim):
                return
            await self.absent_post(CLAIM.field("receiver").get(claim))

    async def take_kernel_signals(self, hart: int) -> int:
        """Take what was posted to the kernel on ``hart``: one bit a vector. The line falls."""
        receiver = self._kernel_receivers.get(hart)
        if receiver is None:
            return 0
        vectors = await Load(self._slot(receiver, HIGH.address))
        await Log(ReceiverChanged(receiver, True, 0, vectors))
        return vectors

    # --- inspection -------------------------------------------------------------------------------

    @property
    def kernel_receivers(self) -> set[int]:
        """Receivers of the kernel itself, one a hart at most."""
        return set(self._kernel_receivers.values())

    async def pending(self, receiver: int) -> int:
        """Take and put back a receiver's pending word, as the kernel's own code may."""
        bits = await Load(self._slot(receiver, HIGH.address))
        if bits:
            await Store(self._slot(receiver, HIGH.address), bits)
        return bits


def _check_sender(notification: Notification, badge: int) -> None:
    if not notification.uintr_flag:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "the notification has no user-interrupt receiver"
        )
    if badge >= VECTORS:
        raise range_error(0, VECTORS - 1, f"badge must be a vector below {VECTORS}, not {badge}")

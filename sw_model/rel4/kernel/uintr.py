"""User interrupts as kernel resources: receivers, sender tables, save and restore.

A hart's user-interrupt CSRs belong to one thread at a time, its *owner*. They are saved only when
another thread is to run on the hart, so that a trap which returns to the same thread costs nothing,
and a thread that never registered pays nothing.

Order matters twice. A receiver is deactivated before its `uip` is read, so that what is saved is
the software bit and not the hart line; and it is activated last on the way out, so that no
interrupt meets half-restored state. While a receiver is inactive its pending bits stay in the
controller and raise the line at the next activation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rel4.abi.numbers import SeL4Error
from rel4.machine.device import DeviceConfig
from rel4.machine.events import ReceiverChanged, SenderEntryWritten
from rel4.machine.ops import CsrRead, CsrWrite, Load, Log, Store, Uipi
from uintr.registers import (
    ACTIVE,
    CSRS,
    ENTRIES_PER_PAGE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    VECTORS,
    Csr,
    UipiFunction,
)

from .errors import InvocationError
from .objects import TCB, Notification

__all__ = ["SenderTable", "UserInterruptState", "UserInterrupts"]

SAVED_CSRS = (
    Csr.USTATUS,
    Csr.UIE,
    Csr.UTVEC,
    Csr.USCRATCH,
    Csr.UEPC,
    Csr.UCAUSE,
    Csr.UTVAL,
    Csr.UIP,
)
DELEGATED = CSRS[Csr.SIDELEG].pack(software=1)


@dataclass(slots=True)
class SenderTable:
    """One page of sender-table entries; ``entries`` counts those given away."""

    address: int
    entries: int = 0

    @property
    def suist(self) -> int:
        """Value of the suist CSR that enables this table."""
        return CSRS[Csr.SUIST].pack(en=1, size=1, ppn=self.address // PAGE_BYTES)


@dataclass(slots=True)
class UserInterruptState:
    """What a thread owns of the hardware, and its CSRs while it is off its hart."""

    receiver: int | None = None
    table: SenderTable | None = None
    csrs: dict[Csr, int] = field(default_factory=dict)


class UserInterrupts:
    """Allocation, registration and context switch of user-interrupt state.

    Parameters
    ----------
    config : shape of the hardware
    """

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        self._free_receivers: Iterator[int] = iter(range(config.receivers))
        self._free_pages = iter(range(config.table_pages))
        self._kernel_table = SenderTable(self._page())
        self.owner: list[TCB | None] = [None] * config.harts
        self._suist = [0] * config.harts
        self.receivers: list[int] = []
        self._kernel_receivers: dict[int, int] = {}

    # --- allocation -------------------------------------------------------------------------------

    def _page(self) -> int:
        page = next(self._free_pages, None)
        if page is None:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY,
                f"all {self._config.table_pages} sender tables are in use",
            )
        return self._config.table_base + page * PAGE_BYTES

    async def _allocate_receiver(self) -> int:
        """A free receiver, inactive and with nothing pending."""
        receiver = next(self._free_receivers, None)
        if receiver is None:
            raise InvocationError(
                SeL4Error.NOT_ENOUGH_MEMORY,
                f"all {self._config.receivers} receivers are in use",
            )
        self.receivers.append(receiver)
        await Store(self._slot(receiver, LOW.address), 0)
        cleared = await Load(self._slot(receiver, HIGH.address))
        await Log(ReceiverChanged(receiver, False, 0, cleared))
        return receiver

    def _slot(self, receiver: int, offset: int) -> int:
        return self._config.base + receiver * SLOT_BYTES + offset

    async def _add_entry(self, table: SenderTable, receiver: int, vector: int) -> int:
        if vector >= VECTORS:
            raise InvocationError(
                SeL4Error.RANGE_ERROR, f"badge must be a vector below {VECTORS}, not {vector}"
            )
        if table.entries == ENTRIES_PER_PAGE:
            raise InvocationError(SeL4Error.NOT_ENOUGH_MEMORY, "the sender table is full")
        index = table.entries
        table.entries += 1
        entry = SENDER_ENTRY.pack(valid=1, vector=vector, receiver=receiver)
        await Store(table.address + index * SENDER_ENTRY_BYTES, entry)
        await Log(SenderEntryWritten(table.suist, index, vector, receiver))
        return index

    # --- registration -----------------------------------------------------------------------------

    async def register_receiver(self, hart: int, tcb: TCB, notification: Notification) -> None:
        """Give ``notification`` a receiver, whose user interrupts go to ``tcb``, its bound thread.

        Raises
        ------
        InvocationError : IllegalOperation (not bound to this thread, or registered already; the
            thread must be the caller), NotEnoughMemory (no receiver is free).
        """
        if notification.bound_tcb is not tcb:
            raise InvocationError(
                SeL4Error.ILLEGAL_OPERATION, "the notification must be bound to the thread"
            )
        if notification.uintr_flag or (tcb.uintr is not None and tcb.uintr.receiver is not None):
            raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "a receiver is registered already")
        receiver = await self._allocate_receiver()
        notification.uintr_flag = True
        notification.recv_idx = receiver
        tcb.uintr = tcb.uintr or UserInterruptState()
        tcb.uintr.receiver = receiver
        # The caller set utvec, uie and ustatus itself: what the hart holds now is its state.
        await self._take_over(hart, tcb)
        await self._activate(hart, tcb.uintr)

    async def register_sender(self, tcb: TCB, notification: Notification, badge: int) -> int:
        """A sender-table entry of ``tcb`` that posts vector ``badge``; answers its index."""
        return await self._add_entry(self._table(tcb), _receiver(notification), badge)

    async def register_kernel_sender(self, notification: Notification, badge: int) -> int:
        """An entry of the kernel's own sender table; answers its index."""
        return await self._add_entry(self._kernel_table, _receiver(notification), badge)

    async def register_sender_to_kernel(self, tcb: TCB, hart: int, vector: int) -> int:
        """An entry of ``tcb``'s table that interrupts the kernel on ``hart``; answers its index.

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
        return await self._add_entry(self._table(tcb), self._kernel_receivers[hart], vector)

    def _table(self, tcb: TCB) -> SenderTable:
        state = tcb.uintr or UserInterruptState()
        if state.table is None:
            state.table = SenderTable(self._page())
        tcb.uintr = state
        return state.table

    # --- signals from the kernel ------------------------------------------------------------------

    async def send(self, hart: int, index: int) -> None:
        """UIPI SEND from the kernel's table."""
        await self._set_table(hart, self._kernel_table.suist)
        await Uipi(UipiFunction.SEND, index)

    async def take_kernel_signals(self, hart: int) -> int:
        """Take what was posted to the kernel on ``hart``: one bit a vector. The line falls."""
        receiver = self._kernel_receivers[hart]
        vectors = await Load(self._slot(receiver, HIGH.address))
        await Log(ReceiverChanged(receiver, True, 0, vectors))
        return vectors

    # --- save and restore -------------------------------------------------------------------------

    async def switch(self, hart: int, tcb: TCB) -> None:
        """Last thing before ``tcb`` runs on ``hart``: make the hart's state that thread's."""
        if self.owner[hart] is not tcb:
            await self._save(hart)
            if tcb.uintr is not None:
                await self._restore(hart, tcb)
        state = tcb.uintr
        table = state.table if state is not None else None
        await self._set_table(hart, table.suist if table is not None else 0)

    async def _save(self, hart: int) -> None:
        owner = self.owner[hart]
        if owner is None or owner.uintr is None:
            return
        state = owner.uintr
        if state.receiver is not None:
            await Store(self._slot(state.receiver, ACTIVE.address), 0)
            await Log(ReceiverChanged(state.receiver, False, 0, 0))
        for csr in SAVED_CSRS:
            state.csrs[csr] = await CsrRead(csr)
        await CsrWrite(Csr.SIDELEG, 0)
        await CsrWrite(Csr.SUIRS, 0)
        self.owner[hart] = None

    async def _restore(self, hart: int, tcb: TCB) -> None:
        state = tcb.uintr
        assert state is not None
        for csr in SAVED_CSRS:
            await CsrWrite(csr, state.csrs.get(csr, 0))
        await self._take_over(hart, tcb)
        await self._activate(hart, state)

    async def _take_over(self, hart: int, tcb: TCB) -> None:
        previous = self.owner[hart]
        if previous is not None and previous is not tcb:
            await self._save(hart)
        self.owner[hart] = tcb

    async def _activate(self, hart: int, state: UserInterruptState) -> None:
        if state.receiver is None:
            return
        await CsrWrite(Csr.SIDELEG, DELEGATED)
        await CsrWrite(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=state.receiver))
        low = LOW.pack(active=1, mode=1, hartid=hart)
        await Store(self._slot(state.receiver, LOW.address), low)
        await Log(ReceiverChanged(state.receiver, True, 0, 0))

    async def _set_table(self, hart: int, suist: int) -> None:
        if self._suist[hart] != suist:
            await CsrWrite(Csr.SUIST, suist)
            self._suist[hart] = suist

    # --- inspection -------------------------------------------------------------------------------

    async def pending(self, receiver: int) -> int:
        """Take and put back a receiver's pending word, as the kernel's own code may."""
        bits = await Load(self._slot(receiver, HIGH.address))
        if bits:
            await Store(self._slot(receiver, HIGH.address), bits)
        return bits


def _receiver(notification: Notification) -> int:
    if not notification.uintr_flag:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, "the notification has no user-interrupt receiver"
        )
    return notification.recv_idx

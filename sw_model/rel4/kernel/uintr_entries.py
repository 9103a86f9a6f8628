"""Sender tables and their entries: who may post which vector to which receiver.

An entry lives as long as the capability that it was registered through. It is made invalid in the
table when that capability is deleted or revoked, when the thread that owns the table ends, and when
the receiver's thread or notification ends, whichever comes first.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from rel4.abi.numbers import SeL4Error
from rel4.machine.events import SenderEntryFreed, SenderEntryWritten
from rel4.machine.ops import Log

from .capability import Attachment, Slot
from .errors import InvocationError
from .objects import Notification

__all__ = ["EntryFormat", "SenderEntry", "SenderTable"]


class EntryFormat(Protocol):
    """How a flavour writes sender tables."""

    async def write_entry(self, address: int, index: int, receiver: int, vector: int) -> None:
        """Make entry ``index`` of the table at ``address`` post ``vector`` to ``receiver``."""
        ...

    async def clear_entry(self, address: int, index: int) -> None:
        """Make entry ``index`` of the table at ``address`` invalid."""
        ...

    async def quiesce(self, table: "SenderTable") -> None:
        """Wait until no hart that uses this table can still be in a send that read an entry
        before it was made invalid."""
        ...


@dataclass(eq=False, slots=True)
class SenderTable:
    """One page of sender-table entries.

    Parameters
    ----------
    address : physical address of the page
    register : value of the hart's register that enables it
    capacity : entries that there can be
    hardware : writes entries
    """

    address: int
    register: int
    capacity: int
    hardware: EntryFormat
    entries: "dict[int, SenderEntry]" = field(default_factory=dict)
    _free: list[int] = field(default_factory=list)
    _next: int = 0

    async def add(
        self,
        receiver: int,
        vector: int,
        notification: Notification | None = None,
        slot: Slot | None = None,
    ) -> "SenderEntry":
        """A valid entry that posts ``vector`` to ``receiver``.

        It is attached to the notification whose receiver that is and to the slot by whose right it
        is made, unless it leads to the kernel.

        Raises
        ------
        InvocationError : NotEnoughMemory: the table is full.
        """
        self.check_room()
        if self._free:
            index = heappop(self._free)
        else:
            index = self._next
            self._next += 1
        entry = SenderEntry(self, index, receiver, vector, notification, slot)
        self.entries[index] = entry
        if notification is not None:
            notification.attached.append(entry)
        if slot is not None:
            slot.attached.append(entry)
        await self.hardware.write_entry(self.address, index, receiver, vector)
        await Log(SenderEntryWritten(self.register, index, vector, receiver))
        return entry

    def check_room(self) -> None:
        """NotEnoughMemory if the table is full."""
        if not self._free and self._next == self.capacity:
            raise InvocationError(SeL4Error.NOT_ENOUGH_MEMORY, "the sender table is full", (0,))

    async def drop(self, entry: "SenderEntry") -> None:
        """Make an entry invalid and its index free for reuse."""
        await self.hardware.clear_entry(self.address, entry.index)
        await Log(SenderEntryFreed(self.register, entry.index))
        await self.hardware.quiesce(self)
        del self.entries[entry.index]
        heappush(self._free, entry.index)


@dataclass(eq=False, slots=True)
class SenderEntry:
    """One valid entry, attached to the slot of the capability that it was registered through.
    Whoever keeps it is ``attached`` and told when it goes: its index is another's then."""

    table: SenderTable
    index: int
    receiver: int
    vector: int
    notification: Notification | None
    slot: Slot | None
    attached: list[Attachment] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """True while the entry is valid and its index its own."""
        return self.table.entries.get(self.index) is self

    def moved(self, slot: Slot) -> None:
        """The capability is in another slot now."""
        self.slot = slot

    async def detach(self) -> None:
        """Make the entry invalid; nothing happens if it is already."""
        if not self.live:
            return
        await self.table.drop(self)
        if self.notification is not None:
            self.notification.attached.remove(self)
        if self.slot is not None:
            self.slot.attached.remove(self)
        for dependent in list(self.attached):
            await dependent.detach()

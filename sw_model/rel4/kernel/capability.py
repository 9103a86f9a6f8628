"""Capabilities and the slots that hold them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import objects

__all__ = [
    "CNodeCap",
    "Capability",
    "FrameCap",
    "NotificationCap",
    "NullCap",
    "PageTableCap",
    "Rights",
    "Slot",
    "ThreadCap",
    "UntypedCap",
]


@dataclass(frozen=True, slots=True)
class Rights:
    """seL4_CapRights: bit 0 write, bit 1 read, bit 2 grant, bit 3 grant reply."""

    write: bool = True
    read: bool = True
    grant: bool = True
    grant_reply: bool = True

    @classmethod
    def from_word(cls, word: int) -> "Rights":
        """Rights from a message word."""
        return cls(bool(word & 1), bool(word & 2), bool(word & 4), bool(word & 8))

    def word(self) -> int:
        """Rights as a message word."""
        return self.write | self.read << 1 | self.grant << 2 | self.grant_reply << 3

    def masked(self, other: "Rights") -> "Rights":
        """Rights that both have."""
        return Rights.from_word(self.word() & other.word())


class Capability:
    """Base of all capabilities; immutable, replaced in its slot when it changes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NullCap(Capability):
    """An empty slot."""


@dataclass(frozen=True, slots=True)
class UntypedCap(Capability):
    """Authority over unused memory."""

    untyped: "objects.Untyped"


@dataclass(frozen=True, slots=True)
class CNodeCap(Capability):
    """Authority over a CNode; ``guard`` of ``guard_size`` bits precedes its radix in addresses."""

    cnode: "objects.CNode"
    guard: int = 0
    guard_size: int = 0


@dataclass(frozen=True, slots=True)
class ThreadCap(Capability):
    """Authority over a thread."""

    tcb: "objects.TCB"


@dataclass(frozen=True, slots=True)
class NotificationCap(Capability):
    """Authority to signal (``can_send``) or wait on (``can_receive``) a notification.

    ``badge`` is what a signal delivers; of a notification over user interrupts it is the vector.
    """

    notification: "objects.Notification"
    badge: int = 0
    can_send: bool = True
    can_receive: bool = True


@dataclass(frozen=True, slots=True)
class FrameCap(Capability):
    """Authority over a frame; ``mapped`` is (root table address, virtual address) where it is."""

    frame: "objects.Frame"
    rights: Rights = field(default_factory=Rights)
    mapped: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PageTableCap(Capability):
    """Authority over a page table. ``is_root``: it is an address space of its own."""

    table: "objects.PageTable"
    is_root: bool = False
    mapped: tuple[int, int] | None = None


@dataclass(slots=True)
class Slot:
    """One slot of a CNode. ``parent`` is the slot that its capability was derived from."""

    cap: Capability = field(default_factory=NullCap)
    parent: "Slot | None" = None

    @property
    def empty(self) -> bool:
        """True if nothing is in the slot."""
        return isinstance(self.cap, NullCap)

"""Capabilities and the slots that hold them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from . import objects

__all__ = [
    "AsidControlCap",
    "AsidPoolCap",
    "Attachment",
    "CNodeCap",
    "Capability",
    "EndpointCap",
    "FrameCap",
    "IrqControlCap",
    "IrqHandlerCap",
    "NotificationCap",
    "NullCap",
    "PageTableCap",
    "ReplyCap",
    "Rights",
    "Slot",
    "SlotAttachment",
    "ThreadCap",
    "UntypedCap",
    "ZombieCap",
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
class EndpointCap(Capability):
    """Authority to send to or receive from an endpoint, and what may travel with a message.

    ``can_grant``: capabilities may be transferred, and the reply may carry some;
    ``can_grant_reply``: a call may be replied to.
    """

    endpoint: "objects.Endpoint"
    badge: int = 0
    can_send: bool = True
    can_receive: bool = True
    can_grant: bool = True
    can_grant_reply: bool = True


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
class ReplyCap(Capability):
    """Authority to reply once to ``tcb``, which is blocked in a call.

    The ``master`` stands in the caller's own TCB and is what real ones are derived from.
    """

    tcb: "objects.TCB"
    master: bool = False
    can_grant: bool = False


@dataclass(frozen=True, slots=True)
class FrameCap(Capability):
    """Authority over a frame; ``mapped`` is (root table, virtual address) where this capability
    maps it. The mapping is void once the root table has lost its address-space identifier."""

    frame: "objects.Frame"
    rights: Rights = field(default_factory=Rights)
    mapped: "tuple[objects.PageTable, int] | None" = None


@dataclass(frozen=True, slots=True)
class PageTableCap(Capability):
    """Authority over a page table. ``is_root``: an ASID pool made it an address space of its own;
    ``mapped``: it is part of the address space of that root table, from that address on."""

    table: "objects.PageTable"
    is_root: bool = False
    mapped: "tuple[objects.PageTable, int] | None" = None


@dataclass(frozen=True, slots=True)
class AsidControlCap(Capability):
    """Authority to make ASID pools."""


@dataclass(frozen=True, slots=True)
class AsidPoolCap(Capability):
    """Authority to give address-space identifiers of one pool."""

    pool: "objects.AsidPool"


@dataclass(frozen=True, slots=True)
class IrqControlCap(Capability):
    """Authority to make interrupt handlers."""


@dataclass(frozen=True, slots=True)
class IrqHandlerCap(Capability):
    """Authority over one interrupt number."""

    irq: "objects.Irq"


@dataclass(frozen=True, slots=True)
class ZombieCap(Capability):
    """What the last capability to a CNode or TCB becomes while its slots are being deleted."""

    target: "objects.CNode | objects.TCB"


class Attachment(Protocol):
    """Something that hangs on an object or a capability and must not outlive it. It is owned by
    whoever attached it."""

    async def detach(self) -> None:
        """What it hangs on is about to go."""
        ...


class SlotAttachment(Attachment, Protocol):
    """Something that was set up by right of a capability."""

    def moved(self, slot: "Slot") -> None:
        """The capability is in another slot now."""
        ...


@dataclass(eq=False, slots=True, weakref_slot=True)
class Slot:
    """One slot of a CNode or TCB, a node of the derivation tree.

    ``parent`` and ``children`` are the derivation tree; a capability that is ``revocable`` becomes
    the parent of its copies, another one their sibling. ``attached`` goes with the capability.
    """

    cap: Capability = field(default_factory=NullCap)
    parent: "Slot | None" = None
    children: "dict[Slot, None]" = field(default_factory=dict)
    revocable: bool = False
    attached: list[SlotAttachment] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True if nothing is in the slot."""
        return isinstance(self.cap, NullCap)

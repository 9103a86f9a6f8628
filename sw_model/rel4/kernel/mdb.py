"""The derivation tree (seL4's mapping database): which capability came from which.

A tree of slots. A capability that seL4 calls revocable (an object's first one, an untyped one, one
that was given a badge) is the parent of its copies; a copy of another capability is its sibling.
When a slot is emptied its children move up to its parent, so that an ancestor's revocation still
reaches them.
"""

from dataclasses import replace

from . import objects
from .capability import (
    AsidPoolCap,
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    Slot,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)

__all__ = ["insert_copy", "insert_new", "move", "object_of", "remove", "set_cap", "swap"]


_OBJECT: dict[type[Capability], str] = {
    EndpointCap: "endpoint",
    NotificationCap: "notification",
    CNodeCap: "cnode",
    ThreadCap: "tcb",
    PageTableCap: "table",
    FrameCap: "frame",
    AsidPoolCap: "pool",
    IrqHandlerCap: "irq",
    ZombieCap: "target",
}


def object_of(cap: Capability) -> objects.KernelObject | None:
    """The object that a capability keeps alive; None for those that keep none."""
    name = _OBJECT.get(type(cap))
    return getattr(cap, name) if name is not None else None


def set_cap(slot: Slot, cap: Capability) -> None:
    """Replace the capability of a slot, keeping count; its place in the tree stays."""
    old, new = object_of(slot.cap), object_of(cap)
    slot.cap = cap
    if old is not new:
        if new is not None:
            new.caps += 1
        if old is not None:
            old.caps -= 1


def _adopt(slot: Slot, parent: Slot | None) -> None:
    slot.parent = parent
    if parent is not None:
        parent.children[slot] = None


def insert_new(slot: Slot, cap: Capability, parent: Slot | None) -> None:
    """The first capability of an object, made from ``parent``."""
    set_cap(slot, cap)
    slot.revocable = True
    _adopt(slot, parent)


def _badge(cap: Capability) -> int:
    return cap.badge if isinstance(cap, EndpointCap | NotificationCap) else 0


def _revocable(cap: Capability, source: Capability) -> bool:
    if isinstance(cap, IrqHandlerCap):
        return isinstance(source, IrqControlCap)
    return isinstance(cap, UntypedCap) or _badge(cap) != _badge(source)


def insert_copy(slot: Slot, cap: Capability, source: Slot) -> None:
    """A capability derived from the one in ``source``."""
    revocable = _revocable(cap, source.cap)
    if isinstance(cap, UntypedCap):
        # Two capabilities to one region: only the copy may hand it out from now on.
        original = cap.untyped
        cap = UntypedCap(replace(original))
        original.watermark = 1 << original.size_bits
    set_cap(slot, cap)
    slot.revocable = revocable
    _adopt(slot, source if source.revocable else source.parent)


def remove(slot: Slot) -> None:
    """Empty a slot; its children move up."""
    parent = slot.parent
    if parent is not None:
        del parent.children[slot]
    for child in slot.children:
        _adopt(child, parent)
    slot.children.clear()
    slot.parent = None
    slot.revocable = False
    slot.attached.clear()
    set_cap(slot, NullCap())


def _take_place(slot: Slot, parent: Slot | None, children: list[Slot], revocable: bool) -> None:
    slot.revocable = revocable
    slot.children = dict.fromkeys(children)
    for child in children:
        child.parent = slot
    _adopt(slot, parent)


def move(destination: Slot, source: Slot, cap: Capability) -> None:
    """Move ``source`` to the empty slot ``destination``, with its place in the tree, as ``cap``."""
    parent, children, revocable = source.parent, list(source.children), source.revocable
    attached, source.attached = source.attached, []
    source.children.clear()
    if parent is not None:
        del parent.children[source]
    source.parent, source.revocable = None, False
    set_cap(destination, cap)
    set_cap(source, NullCap())
    _take_place(destination, parent, children, revocable)
    destination.attached = attached
    for attachment in attached:
        attachment.moved(destination)


def swap(one: Slot, one_cap: Capability, two: Slot, two_cap: Capability) -> None:
    """Exchange two slots with their places; each capability arrives as given."""
    rest = Slot()
    move(rest, one, one_cap)
    move(one, two, two_cap)
    move(two, rest, rest.cap)

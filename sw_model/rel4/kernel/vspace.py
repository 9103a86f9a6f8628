"""Address spaces: PageTable and Page invocations, writing real Sv39 tables in simulated memory."""

from dataclasses import replace

from rel4.abi.numbers import SeL4Error
from rel4.machine import sv39
from rel4.machine.ops import Clear, Load, SfenceVma, Store
from rel4.machine.sv39 import PTE

from .capability import Capability, FrameCap, PageTableCap, Rights, Slot
from .errors import (
    InvocationError,
    LookupFailure,
    LookupFault,
    failed_lookup,
    invalid_argument,
    invalid_capability,
)
from .objects import PageTable

__all__ = [
    "USER_TOP",
    "is_live_root",
    "page_get_address",
    "page_map",
    "page_table_map",
    "page_table_unmap",
    "page_unmap",
]

USER_TOP = 1 << 38
"""First address that user mappings may not reach (upper half of Sv39)."""


def is_live_root(cap: Capability) -> bool:
    """True if it is an address space that has its identifier."""
    return isinstance(cap, PageTableCap) and cap.is_root and cap.table.asid != 0


def _root(vspace: Capability) -> PageTable:
    if not isinstance(vspace, PageTableCap) or not vspace.is_root:
        raise invalid_capability(1, "vspace must be a root page table")
    if not vspace.table.asid:
        failure = LookupFailure(LookupFault.INVALID_ROOT)
        raise failed_lookup(failure, source=False, sentence="the address space has no identifier")
    return vspace.table


def _live(mapped: tuple[PageTable, int] | None) -> bool:
    """True if a mapping still is one: its address space has not gone meanwhile."""
    return mapped is not None and mapped[0].asid != 0


async def _entry_at(root: int, virtual: int, level: int) -> tuple[int, int, int]:
    """Descend from ``root`` towards ``level``; address, value and level of the entry where the walk
    ends: at ``level``, or earlier at an entry that is no pointer to a table."""
    table = root
    for at in range(sv39.LEVELS - 1, -1, -1):
        address = table + 8 * sv39.index(virtual, at)
        entry = await Load(address)
        if at == level or not entry & PTE.V or sv39.is_leaf(entry):
            return address, entry, at
        table = sv39.pte_address(entry)
    raise AssertionError("level is 0 to 2")


async def page_table_map(slot: Slot, vspace: Capability, virtual: int) -> None:
    """RISCV_PageTable_Map: put the table where the walk for ``virtual`` first finds none."""
    cap = slot.cap
    if not isinstance(cap, PageTableCap) or cap.is_root:
        raise invalid_capability(0, "Map needs a page table that is no root")
    if _live(cap.mapped):
        raise invalid_capability(0, "this page table is mapped already")
    root = _root(vspace)
    if virtual >= USER_TOP:
        raise invalid_argument(0, f"{virtual:#x} is no user address")
    address, entry, level = await _entry_at(root.address, virtual, 0)
    if entry & PTE.V or level == 0:
        raise InvocationError(SeL4Error.DELETE_FIRST, f"{virtual:#x} has all its page tables")
    await Store(address, sv39.make_pte(cap.table.address, PTE.V))
    await SfenceVma()
    bits = sv39.PAGE_BITS + sv39.INDEX_BITS * level
    slot.cap = replace(cap, mapped=(root, virtual >> bits << bits))


async def page_table_unmap(slot: Slot) -> None:
    """RISCV_PageTable_Unmap: take the table out of its address space and clear it."""
    cap = slot.cap
    if not isinstance(cap, PageTableCap):
        raise invalid_capability(0, "Unmap needs a page table")
    if cap.is_root or cap.table.caps > 1:
        raise InvocationError(
            SeL4Error.REVOKE_FIRST, "a root, or a table with other capabilities, stays mapped"
        )
    if cap.mapped is not None and _live(cap.mapped):
        root, virtual = cap.mapped
        table = root.address
        for at in range(sv39.LEVELS - 1, 0, -1):
            address = table + 8 * sv39.index(virtual, at)
            entry = await Load(address)
            if not entry & PTE.V or sv39.is_leaf(entry):
                break
            table = sv39.pte_address(entry)
            if table == cap.table.address:
                await Store(address, 0)
                break
        await SfenceVma()
    if cap.mapped is not None:
        await Clear(cap.table.address, 1 << sv39.PAGE_BITS)
    slot.cap = replace(cap, mapped=None)


async def page_map(
    slot: Slot, vspace: Capability, virtual: int, rights: Rights, attributes: int
) -> None:
    """RISCV_Page_Map: map a frame at ``virtual``, or change the rights of its mapping there.

    ``attributes`` bit 0 is ExecuteNever.
    """
    cap = slot.cap
    if not isinstance(cap, FrameCap):
        raise invalid_capability(0, "Map needs a frame")
    root = _root(vspace)
    bits = cap.frame.size_bits
    if virtual + (1 << bits) > USER_TOP:
        raise invalid_argument(0, f"{virtual:#x} is no user address")
    if virtual & ((1 << bits) - 1):
        raise InvocationError(
            SeL4Error.ALIGNMENT_ERROR, f"{virtual:#x} must be a multiple of {1 << bits:#x}"
        )
    mapped = cap.mapped if _live(cap.mapped) else None
    if mapped is not None and mapped[0] is not root:
        raise invalid_capability(1, "this frame is mapped in another address space")
    if mapped is not None and mapped[1] != virtual:
        raise invalid_argument(0, f"this frame is mapped at {mapped[1]:#x} already")
    level = (bits - sv39.PAGE_BITS) // sv39.INDEX_BITS
    address, entry, at = await _entry_at(root.address, virtual, level)
    if at != level:
        if entry & PTE.V:  # a larger page is there
            raise InvocationError(SeL4Error.DELETE_FIRST, f"something is mapped at {virtual:#x}")
        left = sv39.PAGE_BITS + sv39.INDEX_BITS * at
        raise failed_lookup(
            LookupFailure(LookupFault.MISSING_CAPABILITY, left),
            source=False,
            sentence=f"{virtual:#x} has no page table at level {at - 1}",
        )
    ours = entry & PTE.V and sv39.is_leaf(entry) and sv39.pte_address(entry) == cap.frame.address
    if entry & PTE.V and not (mapped is not None and ours):
        raise InvocationError(SeL4Error.DELETE_FIRST, f"something is mapped at {virtual:#x}")
    allowed = cap.rights.masked(rights)
    if not allowed.read:
        raise invalid_argument(1, "a mapping must be readable")
    flags = PTE.V | PTE.U | PTE.A | PTE.D | PTE.R
    flags |= PTE.W if allowed.write else 0
    flags |= 0 if attributes & 1 else PTE.X
    await Store(address, sv39.make_pte(cap.frame.address, flags))
    await SfenceVma(virtual if level == 0 else None)
    slot.cap = replace(cap, mapped=(root, virtual))


async def page_unmap(slot: Slot) -> None:
    """RISCV_Page_Unmap: take the frame's mapping away; nothing happens if it has none."""
    cap = slot.cap
    if not isinstance(cap, FrameCap):
        raise invalid_capability(0, "Unmap needs a frame")
    if cap.mapped is None:
        return
    root, virtual = cap.mapped
    if root.asid:
        level = (cap.frame.size_bits - sv39.PAGE_BITS) // sv39.INDEX_BITS
        address, entry, at = await _entry_at(root.address, virtual, level)
        leaf = entry & PTE.V and sv39.is_leaf(entry)
        if at == level and leaf and sv39.pte_address(entry) == cap.frame.address:
            await Store(address, 0)
            await SfenceVma(virtual if level == 0 else None)
    slot.cap = replace(cap, mapped=None)


def page_get_address(slot: Slot) -> int:
    """RISCV_Page_GetAddress: the frame's physical address."""
    if not isinstance(slot.cap, FrameCap):
        raise invalid_capability(0, "GetAddress needs a frame")
    return slot.cap.frame.address

"""Address spaces: PageTable and Page invocations, writing real Sv39 tables in simulated memory."""

from dataclasses import replace

from rel4.abi.numbers import SeL4Error
from rel4.machine import sv39
from rel4.machine.ops import Load, SfenceVma, Store
from rel4.machine.sv39 import PTE

from .capability import Capability, FrameCap, PageTableCap, Rights, Slot
from .errors import InvocationError

__all__ = [
    "USER_TOP",
    "page_get_address",
    "page_map",
    "page_table_map",
    "page_table_unmap",
    "page_unmap",
]

USER_TOP = 1 << 38
"""First address that user mappings may not reach (upper half of Sv39)."""


def _root(vspace: Capability) -> int:
    if not isinstance(vspace, PageTableCap) or not vspace.is_root:
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "vspace must be a root page table")
    return vspace.table.address


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
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Map needs a page table")
    root = _root(vspace)
    if cap.mapped is not None:
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "this page table is mapped already")
    if virtual >= USER_TOP:
        raise InvocationError(SeL4Error.INVALID_ARGUMENT, f"{virtual:#x} is no user address")
    address, entry, level = await _entry_at(root, virtual, 0)
    if entry & PTE.V or level == 0:
        raise InvocationError(SeL4Error.DELETE_FIRST, f"{virtual:#x} has all its page tables")
    await Store(address, sv39.make_pte(cap.table.address, PTE.V))
    await SfenceVma()
    bits = sv39.PAGE_BITS + sv39.INDEX_BITS * level
    slot.cap = replace(cap, mapped=(root, virtual >> bits << bits))


async def page_table_unmap(slot: Slot) -> None:
    """RISCV_PageTable_Unmap: take the table out of its address space and clear it."""
    cap = slot.cap
    if not isinstance(cap, PageTableCap) or cap.is_root:
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Unmap needs a page table")
    if cap.mapped is not None:
        root, virtual = cap.mapped
        table = root
        for at in range(sv39.LEVELS - 1, 0, -1):
            address = table + 8 * sv39.index(virtual, at)
            entry = await Load(address)
            if not entry & PTE.V or sv39.is_leaf(entry):
                break
            table = sv39.pte_address(entry)
            if table == cap.table.address:
                await Store(address, 0)
                break
        for index in range(512):
            if await Load(cap.table.address + 8 * index):
                await Store(cap.table.address + 8 * index, 0)
        await SfenceVma()
    slot.cap = replace(cap, mapped=None)


async def page_map(
    slot: Slot, vspace: Capability, virtual: int, rights: Rights, attributes: int
) -> None:
    """RISCV_Page_Map: map a frame at ``virtual``, or change the rights of its mapping there.

    ``attributes`` bit 0 is ExecuteNever.
    """
    cap = slot.cap
    if not isinstance(cap, FrameCap):
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Map needs a frame")
    root = _root(vspace)
    bits = cap.frame.size_bits
    if virtual + (1 << bits) > USER_TOP:
        raise InvocationError(SeL4Error.INVALID_ARGUMENT, f"{virtual:#x} is no user address")
    if virtual & ((1 << bits) - 1):
        raise InvocationError(
            SeL4Error.ALIGNMENT_ERROR, f"{virtual:#x} must be a multiple of {1 << bits:#x}"
        )
    if cap.mapped is not None and cap.mapped != (root, virtual):
        raise InvocationError(
            SeL4Error.INVALID_ARGUMENT, f"this frame is mapped at {cap.mapped[1]:#x} already"
        )
    level = (bits - sv39.PAGE_BITS) // sv39.INDEX_BITS
    address, entry, at = await _entry_at(root, virtual, level)
    if at != level:
        raise InvocationError(
            SeL4Error.FAILED_LOOKUP, f"{virtual:#x} has no page table at level {at - 1}"
        )
    if entry & PTE.V and cap.mapped is None:
        raise InvocationError(SeL4Error.DELETE_FIRST, f"something is mapped at {virtual:#x}")
    allowed = cap.rights.masked(rights)
    if not allowed.read:
        raise InvocationError(SeL4Error.INVALID_ARGUMENT, "a mapping must be readable")
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
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "Unmap needs a frame")
    if cap.mapped is None:
        return
    root, virtual = cap.mapped
    level = (cap.frame.size_bits - sv39.PAGE_BITS) // sv39.INDEX_BITS
    address, entry, at = await _entry_at(root, virtual, level)
    if at == level and entry & PTE.V and sv39.pte_address(entry) == cap.frame.address:
        await Store(address, 0)
        await SfenceVma(virtual if level == 0 else None)
    slot.cap = replace(cap, mapped=None)


def page_get_address(slot: Slot) -> int:
    """RISCV_Page_GetAddress: the frame's physical address."""
    if not isinstance(slot.cap, FrameCap):
        raise InvocationError(SeL4Error.INVALID_CAPABILITY, "GetAddress needs a frame")
    return slot.cap.frame.address

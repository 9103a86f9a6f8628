"""Sv39 page tables: the layout of an entry and the walk of a table in simulated memory.

The kernel writes entries with this module's constants; harts translate through `walk`. Source: the
RISC-V privileged architecture, section "Sv39: Page-Based 39-bit Virtual-Memory System".
"""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "LEVELS",
    "PAGE_BITS",
    "PTE",
    "Leaf",
    "index",
    "is_leaf",
    "make_pte",
    "pte_address",
    "walk",
]

LEVELS = 3
PAGE_BITS = 12
INDEX_BITS = 9


class PTE:
    """Bits of a page-table entry."""

    V = 1 << 0
    R = 1 << 1
    W = 1 << 2
    X = 1 << 3
    U = 1 << 4
    G = 1 << 5
    A = 1 << 6
    D = 1 << 7
    PPN_SHIFT = 10
    PPN_MASK = ((1 << 44) - 1) << PPN_SHIFT


@dataclass(frozen=True, slots=True)
class Leaf:
    """Result of a walk: the leaf entry, its own address, and the bits of the page it maps."""

    entry: int
    entry_address: int
    page_bits: int

    def physical(self, virtual: int) -> int:
        """Physical address of ``virtual``, which lies in this page."""
        offset = virtual & ((1 << self.page_bits) - 1)
        return pte_address(self.entry) | offset


def index(virtual: int, level: int) -> int:
    """Table index of a virtual address at ``level`` (2 is the root)."""
    return (virtual >> (PAGE_BITS + INDEX_BITS * level)) & ((1 << INDEX_BITS) - 1)


def make_pte(physical: int, flags: int) -> int:
    """Entry that points to ``physical`` (a multiple of 4 KiB) with the given flag bits."""
    return (physical >> PAGE_BITS) << PTE.PPN_SHIFT | flags


def pte_address(entry: int) -> int:
    """Physical address that an entry points to."""
    return (entry & PTE.PPN_MASK) >> PTE.PPN_SHIFT << PAGE_BITS


def is_leaf(entry: int) -> bool:
    """True if a valid entry maps a page instead of pointing to the next table."""
    return bool(entry & (PTE.R | PTE.W | PTE.X))


def walk(load: Callable[[int], int], root: int, virtual: int) -> Leaf | None:
    """Walk the table at ``root`` for ``virtual``; None if nothing is mapped there.

    ``load`` reads a 64-bit word of physical memory. A superpage whose address is not a multiple of
    its size is a fault, as is an address that is not the sign extension of its 39 bits.
    """
    top = virtual >> 38
    if top not in (0, (1 << 26) - 1):
        return None
    table = root
    for level in reversed(range(LEVELS)):
        address = table + 8 * index(virtual, level)
        entry = load(address)
        if not entry & PTE.V or (entry & PTE.W and not entry & PTE.R):
            return None
        if is_leaf(entry):
            bits = PAGE_BITS + INDEX_BITS * level
            if pte_address(entry) & ((1 << bits) - 1):
                return None
            return Leaf(entry, address, bits)
        table = pte_address(entry)
    return None

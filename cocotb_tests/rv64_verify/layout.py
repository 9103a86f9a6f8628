"""Where a random program has what, in main memory and in its address spaces."""

from dataclasses import dataclass

from rv64.memory_map import CLINT_BASE, CONTROLLER_BASE, RAM_BASE, SSWI_BASE

__all__ = ["BASE", "Entry", "MEMORY_BYTES", "TOHOST", "VIRTUAL", "page_tables"]

BASE = RAM_BASE
MEMORY_BYTES = 4 << 20
"""Enough for a page of 2 MiB beside everything else."""

TOHOST = BASE + 0x1000
SUPERVISOR = BASE + 0x2000  #: its handler
SAVED = BASE + 0x3000  #: registers saved by the handlers, counters
DESCRIPTORS = BASE + 0x4000  #: what the dispatcher does, one after the other
TABLES = BASE + 0x8000  #: page tables, six of them
SENDERS = BASE + 0x1_0000  #: one page of sender table, and one behind it that does not belong to it
CODE = BASE + 0x2_0000
CODE_PAGES = 32
DATA = BASE + 0x4_0000
DATA_PAGES = 16
LARGE = BASE + 0x20_0000

VIRTUAL = 0x4000_0000
VIRTUAL_CODE = VIRTUAL
VIRTUAL_DATA = VIRTUAL + 0x20_0000
VIRTUAL_LARGE = VIRTUAL + 0x40_0000
VIRTUAL_CROOKED = VIRTUAL + 0x60_0000  #: a large page that is not aligned
VIRTUAL_KERNEL = VIRTUAL + 0x80_0000  #: a large page for supervisor mode
NEGATIVE = 0xFFFF_FFFF_C000_0000  #: main memory once more, at the end of the address space

ROOT, LOW, MIDDLE, CODE_TABLE, DATA_TABLE = (TABLES + 0x1000 * each for each in range(5))

V, R, W, X, U, G, A, D = (1 << each for each in range(8))
_KERNEL = V | R | W | X | G | A | D


@dataclass(frozen=True)
class Entry:
    """A page-table entry to be written: where, and what."""

    address: int
    word: int


def leaf(physical: int, flags: int) -> int:
    """An entry for a page."""
    return physical >> 12 << 10 | flags


def page_tables(code: list[int], data: list[int]) -> list[Entry]:
    """All tables, with the flags of each page of code and of data."""

    def entry(table: int, index: int, physical: int, flags: int) -> Entry:
        return Entry(table + 8 * index, leaf(physical, flags))

    entries = [
        entry(ROOT, 0, LOW, V),
        entry(ROOT, 1, MIDDLE, V),
        entry(ROOT, 2, BASE, _KERNEL),
        entry(ROOT, 511, BASE, V | R | W | A | D),
        entry(MIDDLE, 0, CODE_TABLE, V),
        entry(MIDDLE, 1, DATA_TABLE, V),
        entry(MIDDLE, 2, LARGE, V | R | W | U | A | D),
        entry(MIDDLE, 3, LARGE + 0x1000, V | R | W | U | A | D),
        entry(MIDDLE, 4, LARGE, V | R | W | A | D),
    ]
    for device in (CLINT_BASE, CONTROLLER_BASE, CONTROLLER_BASE + 0x20_0000, SSWI_BASE):
        entries.append(entry(LOW, device >> 21, device >> 21 << 21, V | R | W | A | D))
    entries += [entry(CODE_TABLE, n, CODE + 0x1000 * n, flags) for n, flags in enumerate(code)]
    entries += [entry(DATA_TABLE, n, DATA + 0x1000 * n, flags) for n, flags in enumerate(data)]
    return entries

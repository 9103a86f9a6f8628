"""The reference device's cache of sender-table entries of one hart."""

from uintr.registers import CACHE_ENTRIES

__all__ = ["EntryCache"]


class EntryCache:
    """Checked entries by their index, one at each index modulo `CACHE_ENTRIES`.

    Members
    -------
    enabled : entries that are read are kept
    entries : index, receiver and vector by place
    """

    def __init__(self) -> None:
        self.enabled = False
        self.entries: dict[int, tuple[int, int, int]] = {}

    def find(self, index: int) -> tuple[int, int] | None:
        """Receiver and vector of the entry, if it is there."""
        entry = self.entries.get(index % CACHE_ENTRIES)
        return entry[1:] if entry is not None and entry[0] == index else None

    def fill(self, index: int, receiver: int, vector: int) -> None:
        """Keep an entry, if enabled."""
        if self.enabled:
            self.entries[index % CACHE_ENTRIES] = (index, receiver, vector)

    def invalidate(self) -> None:
        """Forget all."""
        self.entries.clear()

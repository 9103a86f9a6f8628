"""Physical memory: sparse, in 64-bit words, with watches for harts that spin on a word."""

from collections.abc import Callable

__all__ = ["Memory"]

WORD_MASK = (1 << 64) - 1


class Memory:
    """Ordinary RAM of the whole physical address space; reads as zero where nothing was written.

    Addresses are bytes and multiples of 8.
    """

    def __init__(self) -> None:
        self._words: dict[int, int] = {}
        self._watches: dict[int, list[Callable[[], None]]] = {}
        self._awaited: dict[tuple[int, int], Callable[[], None]] = {}

    def load(self, address: int) -> int:
        """The word at ``address``."""
        return self._words.get(address, 0)

    def store(self, address: int, value: int) -> None:
        """Write the word at ``address`` and call whoever watches it."""
        self._words[address] = value & WORD_MASK
        if address in self._watches:
            for notify in self._watches.pop(address):
                notify()
        if self._awaited:
            served = self._awaited.pop((address, value), None)
            if served is not None:
                served()

    def any_set(self, begin: int, end: int) -> bool:
        """True if a word from ``begin`` up to ``end`` is not zero; for inspection."""
        return any(begin <= address < end and word for address, word in self._words.items())

    def words(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Address and word of what is not zero from ``begin`` up to ``end``; for inspection."""
        get = self._words.get
        return [(address, word) for address in range(begin, end, 8) if (word := get(address))]

    def watch(self, address: int, notify: Callable[[], None]) -> None:
        """Call ``notify`` once, at the next store to ``address``."""
        self._watches.setdefault(address, []).append(notify)

    def await_word(self, address: int, value: int, notify: Callable[[], None]) -> None:
        """Call ``notify`` once, at the next store of ``value`` to ``address``. One waits for it."""
        self._awaited[address, value] = notify

    def unwatch(self, address: int, notify: Callable[[], None]) -> None:
        """Take a watch back; nothing happens if it has fired."""
        watchers = self._watches.get(address, [])
        if notify in watchers:
            watchers.remove(notify)
        if not watchers:
            self._watches.pop(address, None)

    def clear(self, address: int, size: int) -> None:
        """Zero ``size`` bytes from ``address`` on."""
        if size // 8 > len(self._words):
            for word in [w for w in self._words if address <= w < address + size]:
                del self._words[word]
        else:
            for word in range(address, address + size, 8):
                self._words.pop(word, None)

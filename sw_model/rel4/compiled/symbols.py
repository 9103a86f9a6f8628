"""Names of addresses."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping

__all__ = ["Symbols"]


class Symbols:
    """The functions and objects of a program; ``starts`` are the functions' addresses, in order.

    Parameters
    ----------
    found : (address, size, name, is it a function) of each
    """

    def __init__(self, found: Iterable[tuple[int, int, str, bool]] = ()) -> None:
        entries = sorted(found, key=lambda entry: (entry[0], entry[1], entry[2]))
        self.addresses: Mapping[str, int] = {name: address for address, _, name, _ in entries}
        self._functions = [
            (address, size, name) for address, size, name, function in entries if function
        ]
        self.starts = [address for address, _, _ in self._functions]

    def function(self, address: int) -> tuple[str, int] | None:
        """The function that ``address`` is in and how far; without a size (assembler) it reaches to
        the next one."""
        at = bisect_right(self.starts, address) - 1
        if at < 0:
            return None
        start, size, name = self._functions[at]
        if size and address >= start + size:
            return None
        return name, address - start

    def name(self, address: int) -> str:
        """``function+0x12``, or the number of an address that is in no function."""
        found = self.function(address)
        if found is None:
            return f"{address:#x}"
        name, offset = found
        return f"{name}+{offset:#x}" if offset else name

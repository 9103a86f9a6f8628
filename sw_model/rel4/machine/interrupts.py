"""A simple external interrupt controller: numbered sources with an enable bit, all for hart 0.

A source's interrupt is remembered until it is claimed, also while the source is disabled.
"""

from collections.abc import Callable

__all__ = ["MAX_IRQ", "InterruptController"]

MAX_IRQ = 63
"""Sources are 1 to this number."""


class InterruptController:
    """Pending and enabled sources.

    Parameters
    ----------
    notify : called when an enabled source becomes pending

    Members
    -------
    pending : True if an enabled source is pending
    """

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._pending: set[int] = set()
        self._enabled: set[int] = set()
        self.pending = False

    def _look(self) -> None:
        self.pending = not self._pending.isdisjoint(self._enabled)

    def trigger(self, source: int) -> None:
        """A device raises its interrupt.

        Raises
        ------
        ValueError : there is no such source.
        """
        if not 1 <= source <= MAX_IRQ:
            raise ValueError(f"interrupt source must be 1 to {MAX_IRQ}, not {source!r}")
        self._pending.add(source)
        self._look()
        if source in self._enabled:
            self._notify()

    def claim(self) -> int:
        """Take the lowest pending source that is enabled; 0 if there is none."""
        source = min(self._pending & self._enabled, default=0)
        self._pending.discard(source)
        self._look()
        return source

    def enable(self, source: int, *, on: bool = True) -> None:
        """Let a source interrupt, or not."""
        if not on:
            self._enabled.discard(source)
            self._look()
            return
        self._enabled.add(source)
        self._look()
        if source in self._pending:
            self._notify()

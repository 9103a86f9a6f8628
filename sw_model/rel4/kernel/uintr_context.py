"""Whose user-interrupt state a hart holds, and when it changes hands.

A hart's state belongs to one thread at a time, the hart's *owner*. It is saved only when another
thread is to run on the hart, so that a trap which returns to the same thread costs nothing, and a
thread that never registered pays nothing. What is saved, and in which order, is the flavour's.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from rel4.machine.device import DeviceConfig

from .objects import TCB, Notification
from .uintr_entries import SenderTable

__all__ = ["HartContexts", "UserInterruptState"]


@dataclass(eq=False, slots=True)
class UserInterruptState:
    """What a thread owns of the hardware, and the hart's registers while it is off its hart.

    ``registers`` are by the numbers of the flavour.
    """

    receiver: int | None = None
    notifications: list[Notification] = field(default_factory=list)
    table: SenderTable | None = None
    registers: dict[int, int] = field(default_factory=dict)


class HartContexts(ABC):
    """Save and restore of user-interrupt state at context switches.

    Parameters
    ----------
    config : shape of the hardware

    Members
    -------
    owner : for each hart, the thread whose state it holds
    """

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        self.owner: list[TCB | None] = [None] * config.harts
        self._tables = [0] * config.harts  # what each hart's table register holds
        self._stale: set[int] = set()

    async def start(self, hart: int) -> None:  # noqa: B027  # not every flavour has something to do
        """``hart`` boots."""

    async def switch(self, hart: int, tcb: TCB) -> None:
        """Last thing before ``tcb`` runs on ``hart``: make the hart's state that thread's."""
        if self.owner[hart] is not tcb or hart in self._stale:
            await self._save(hart)
            if tcb.uintr is not None:
                await self._restore(hart, tcb)
        state = tcb.uintr
        table = state.table if state is not None else None
        await self._use_table(hart, table.register if table is not None else 0)

    async def _use_table(self, hart: int, register: int) -> None:
        if self._tables[hart] != register:
            await self._set_table(register)
            self._tables[hart] = register

    @abstractmethod
    async def _save(self, hart: int) -> None:
        """Save the owner's state, if there is an owner, and hide it from the next thread."""

    @abstractmethod
    async def _restore(self, hart: int, tcb: TCB) -> None:
        """Make ``tcb`` the owner, whose state is loaded."""

    @abstractmethod
    async def _activate(self, hart: int, state: UserInterruptState) -> None:
        """Let the receiver of the owner interrupt it here, and tell what was posted meanwhile."""

    @abstractmethod
    async def _set_table(self, register: int) -> None:
        """Write this hart's table register; 0: no table."""

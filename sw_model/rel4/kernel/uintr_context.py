"""Whose user-interrupt state a hart holds, and when it changes hands.

A hart's state belongs to one thread at a time, the hart's *owner*: the user thread that runs there,
registered or not, since every thread may write its registers. It is saved only when another thread
is to run on the hart, so that a trap which returns to the same thread costs nothing, and the next
one finds zeros. What is saved, and in which order, is the flavour's.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from rel4.machine.device import DeviceConfig

from .account import Charge
from .harts import Harts
from .objects import TCB, Notification, ThreadState
from .uintr_entries import SenderTable

__all__ = ["HartContexts", "UserInterruptState"]


@dataclass(eq=False, slots=True)
class UserInterruptState:
    """What thread ``tcb`` owns of the hardware, and the hart's registers while it is off its hart.

    ``registers`` are by the numbers of the flavour.
    """

    tcb: TCB
    hardware: "HartContexts"
    receiver: int | None = None
    notifications: list[Notification] = field(default_factory=list)
    table: SenderTable | None = None
    receiver_charge: Charge | None = None
    table_charge: Charge | None = None
    registers: dict[int, int] = field(default_factory=dict)

    async def detach(self) -> None:
        """The thread ends."""
        await self.hardware.release_thread(self.tcb)


class HartContexts(ABC):
    """Save and restore of user-interrupt state at context switches.

    Parameters
    ----------
    config : shape of the hardware
    harts : where threads run

    Members
    -------
    owner : for each hart, the thread whose state it holds
    """

    def __init__(self, config: DeviceConfig, harts: Harts) -> None:
        self._config = config
        self._harts = harts
        self.owner: list[TCB | None] = [None] * config.harts
        self._tables = [0] * config.harts  # what each hart's table register holds
        self._stale: set[int] = set()

    async def start(self) -> None:  # noqa: B027  # not every flavour has something to do
        """The hart that boots is here."""

    async def switch(self, tcb: TCB) -> None:
        """Last thing before ``tcb`` runs on this hart: make the hart's state that thread's."""
        hart = self._harts.here
        state = tcb.find(UserInterruptState)
        if self.owner[hart] is not tcb or hart in self._stale:
            await self._save()
            if tcb.state is not ThreadState.IDLE:
                self.owner[hart] = tcb
            if state is not None:
                await self._restore(state)
        table = state.table if state is not None else None
        await self._use_table(table.register if table is not None else 0)

    async def _use_table(self, register: int) -> None:
        hart = self._harts.here
        if self._tables[hart] != register:
            await self._set_table(register)
            self._tables[hart] = register

    @abstractmethod
    async def release_thread(self, tcb: TCB) -> None:
        """The thread ends: everything that it owns of the hardware is given back."""

    @abstractmethod
    async def _save(self) -> None:
        """Save the owner's state, if there is an owner, and hide it from the next thread. What is
        saved of a thread that never registered is `_keep`."""

    def _keep(self, owner: TCB, registers: dict[int, int]) -> None:
        """The registers of an owner that had no state are to be there again when it runs; nothing
        if they were as after reset, or it runs no more."""
        if any(registers.values()) and not owner.dead:
            owner.attached.append(UserInterruptState(owner, self, registers=registers))

    @abstractmethod
    async def _restore(self, state: UserInterruptState) -> None:
        """Load the state of the owner."""

    @abstractmethod
    async def _activate(self, state: UserInterruptState) -> None:
        """Let the receiver of the owner interrupt it here, and tell what was posted meanwhile."""

    @abstractmethod
    async def _set_table(self, register: int) -> None:
        """Write this hart's table register; 0: no table."""

"""A hart's user-interrupt registers: whose they are, and how they change hands.

They belong to one thread at a time, the hart's *owner*. They are saved only when another thread is
to run on the hart, so that a trap which returns to the same thread costs nothing, and a thread that
never registered pays nothing.

Order matters twice. A receiver is deactivated before its `uip` is read, so that what is saved
is the software bit and not the hart line; and it is activated last on the way out, so that no
interrupt meets half-restored state. While a receiver is inactive its pending bits stay in the
controller and raise the line at the next activation.
"""

from dataclasses import dataclass, field

from rel4.machine.device import DeviceConfig
from rel4.machine.events import ReceiverChanged
from rel4.machine.ops import CsrWrite, Log, Store
from uintr.registers import ACTIVE, CSRS, LOW, SLOT_BYTES, Csr

from .objects import TCB, Notification
from .uintr_entries import SenderTable

__all__ = ["HartContexts", "UserInterruptState"]

SAVED_CSRS = (
    Csr.USTATUS,
    Csr.UIE,
    Csr.UTVEC,
    Csr.USCRATCH,
    Csr.UEPC,
    Csr.UCAUSE,
    Csr.UTVAL,
    Csr.UIP,
)
DELEGATED = CSRS[Csr.SIDELEG].pack(software=1)


@dataclass(eq=False, slots=True)
class UserInterruptState:
    """What a thread owns of the hardware, and its CSRs while it is off its hart."""

    receiver: int | None = None
    notifications: list[Notification] = field(default_factory=list)
    table: SenderTable | None = None
    csrs: dict[Csr, int] = field(default_factory=dict)


class HartContexts:
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
        self._suist = [0] * config.harts
        self._stale: set[int] = set()

    def _slot(self, receiver: int, offset: int) -> int:
        return self._config.base + receiver * SLOT_BYTES + offset

    async def switch(self, hart: int, tcb: TCB) -> None:
        """Last thing before ``tcb`` runs on ``hart``: make the hart's state that thread's."""
        if self.owner[hart] is not tcb or hart in self._stale:
            await self._save(hart)
            if tcb.uintr is not None:
                await self._restore(hart, tcb)
        state = tcb.uintr
        table = state.table if state is not None else None
        await self._set_table(hart, table.suist if table is not None else 0)

    async def _save(self, hart: int) -> None:
        self._stale.discard(hart)
        owner = self.owner[hart]
        if owner is None:
            return
        state = owner.uintr or UserInterruptState()  # its thread may have ended
        if state.receiver is not None:
            await Store(self._slot(state.receiver, ACTIVE.address), 0)
            await Log(ReceiverChanged(state.receiver, False, 0, 0))
        for csr in SAVED_CSRS:
            state.csrs[csr] = await CsrWrite(csr, 0)  # read, and hidden from the next thread
        await CsrWrite(Csr.SIDELEG, 0)
        await CsrWrite(Csr.SUIRS, 0)
        self.owner[hart] = None

    async def _restore(self, hart: int, tcb: TCB) -> None:
        state = tcb.uintr
        assert state is not None
        for csr in SAVED_CSRS:
            await CsrWrite(csr, state.csrs.get(csr, 0))
        self.owner[hart] = tcb
        await self._activate(hart, state)

    async def _activate(self, hart: int, state: UserInterruptState) -> None:
        if state.receiver is None:
            return
        await CsrWrite(Csr.SIDELEG, DELEGATED)
        await CsrWrite(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=state.receiver))
        low = LOW.pack(active=1, mode=1, hartid=hart)
        await Store(self._slot(state.receiver, LOW.address), low)
        await Log(ReceiverChanged(state.receiver, True, 0, 0))

    async def _set_table(self, hart: int, suist: int) -> None:
        if self._suist[hart] != suist:
            await CsrWrite(Csr.SUIST, suist)
            self._suist[hart] = suist

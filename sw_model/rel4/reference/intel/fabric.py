"""What the hart units of the Intel reference share: the locking bus and the interrupt fabric."""

from typing import NamedTuple

from rel4.machine.device import DeviceConfig
from rel4.reference.controller import round_robin
from uintr.registers import PAGE_BYTES

__all__ = ["Interrupt", "InterruptFabric", "LockingBus", "Transfer"]


class Transfer(NamedTuple):
    """One transfer of eight bytes."""

    write: bool
    address: int
    data: int


class LockingBus:
    """Round-robin arbiter with a lock, decoder and table memory.

    Initiator h is hart unit h; the bus from outside, initiator ``harts``, is at rest.

    Parameters
    ----------
    config : shape and addresses

    Members
    -------
    busy : a transfer is wanted or under way
    """

    def __init__(self, *, config: DeviceConfig) -> None:
        self._outside = config.harts
        self._base = config.table_base
        self._end = config.table_base + config.table_pages * PAGE_BYTES
        self._words: dict[int, int] = {}
        self._transfers = [Transfer(False, 0, 0)] * config.harts
        self.reset()

    def look(self, address: int) -> int:
        """A word of the table memory, looked at from outside."""
        return self._words.get(address, 0)

    def reset(self) -> None:
        """End all transfers. The table memory keeps its words."""
        self.waiting = 0
        self._owner = -1
        self._last = self._outside
        self._reply: tuple[int, bool] | None = None

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def request(self, initiator: int, transfer: Transfer, *, locked: bool = False) -> None:
        """Raise `cyc` and `stb` from the next cycle on, until `step` returns with the end.
        ``locked``: the initiator's last transfer ended at this very edge with its lock held, so
        it is still connected.
        """
        self._transfers[initiator] = transfer
        self.waiting |= 1 << initiator
        if locked:
            self._owner = initiator

    def step(self) -> tuple[int, int, bool] | None:
        """One clock edge. Returns (initiator, data, error) of the transfer that ends in the cycle
        before it."""
        if self._reply is not None:
            (data, error), owner = self._reply, self._owner
            self.waiting &= ~(1 << owner)
            self._owner, self._reply = -1, None
            return owner, data, error
        if self.waiting:
            if self._owner < 0:
                self._owner = self._last = round_robin(self.waiting, self._last)
            write, address, data = self._transfers[self._owner]
            if not self._base <= address < self._end:
                self._reply = (0, True)
            elif write:
                self._words[address] = data
                self._reply = (0, False)
            else:
                self._reply = (self._words.get(address, 0), False)
        return None


class Interrupt(NamedTuple):
    """An interrupt on its way from one hart to another."""

    vector: int
    destination: int


class InterruptFabric:
    """Takes one interrupt a cycle, in turn, to the hart it is for.

    Parameters
    ----------
    harts : number of harts
    """

    def __init__(self, *, harts: int) -> None:
        self._harts = harts
        self._interrupts = [Interrupt(0, 0)] * harts
        self.reset()

    def reset(self) -> None:
        """Forget what is presented."""
        self.waiting = 0
        self._last = self._harts

    @property
    def busy(self) -> bool:
        """An interrupt is presented."""
        return bool(self.waiting)

    def present(self, hart: int, interrupt: Interrupt) -> None:
        """From the next cycle on, until it is accepted."""
        self._interrupts[hart] = interrupt
        self.waiting |= 1 << hart

    def step(self) -> tuple[int, Interrupt] | None:
        """One clock edge. Returns who was accepted, and with what."""
        if not self.waiting:
            return None
        hart = self._last = round_robin(self.waiting, self._last)
        self.waiting &= ~(1 << hart)
        return hart, self._interrupts[hart]

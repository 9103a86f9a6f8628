"""What the harts of a machine share: clock, memory, device, costs, interrupts, code, log."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import simpy

from uintr.registers import Privilege

from . import sv39
from .clock import Clock
from .context import Program
from .costs import Costs, load_costs
from .device import Device, Request
from .events import EventLog
from .faults import MachineError
from .interrupts import InterruptController
from .memory import Memory

__all__ = ["Board"]

CODE_BASE = 0x1000


class Board(ABC):
    """A machine without its harts.

    Parameters
    ----------
    device : the user-interrupt hardware, just reset
    costs : cycles of software work; default costs.toml

    Members
    -------
    code : program text: handlers by their address
    stopped : `stop` was called
    """

    def __init__(self, device: Device, costs: Costs | None = None) -> None:
        self.device = device
        self.costs = costs or load_costs()
        self.env = Clock()
        self.memory = Memory()
        self.log = EventLog()
        self.code: dict[int, Callable[[], Program]] = {}
        self.interrupts = InterruptController(lambda: self.poke(0))
        self.stopped = False
        config = device.config
        self._windows = tuple((first, first + size) for first, size in config.windows)
        self._lowest = min(low for low, _ in self._windows)
        self._highest = max(high for _, high in self._windows)
        self._pending: list[simpy.Event | None] = [None] * config.harts
        self._translations: dict[tuple[int, int], tuple[int, int]] = {}
        self.translated = 0  # how often translations were forgotten
        self.spinning: set[int] = set()  # harts whose user waits for a word of memory

    @abstractmethod
    def interrupt(self, hart: int) -> None:
        """Interrupt a hart on behalf of another."""

    @abstractmethod
    def poke(self, hart: int) -> None:
        """Something happened that a waiting hart has to look at."""

    @property
    def now(self) -> int:
        """The current cycle."""
        return self.env.now

    def place(self, function: Callable[[], Program]) -> int:
        """Put a user-interrupt handler into the program text; returns its address (for utvec)."""
        address = CODE_BASE + 0x100 * len(self.code)
        self.code[address] = function
        return address

    def stop(self) -> None:
        """End `run` before the next cycle."""
        self.stopped = True
        self.env.quiet = False

    def submit(self, hart: int, request: Request) -> simpy.Event:
        """Present a request of ``hart`` to the device; the event carries the response."""
        if self._pending[hart] is not None:
            raise MachineError(f"hart {hart} has a request outstanding")
        self.env.quiet = False
        self.device.submit(hart, request)
        event = self.env.event()
        self._pending[hart] = event
        return event

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        """Present the privilege of ``hart`` to the device."""
        self.env.quiet = False
        self.device.set_privilege(hart, privilege)

    def is_device(self, address: int) -> bool:
        """True if a physical address belongs to the user-interrupt hardware."""
        if address < self._lowest or address >= self._highest:  # quickly, as most are not
            return False
        return any(low <= address < high for low, high in self._windows)

    def translate(self, root: int, page: int) -> tuple[int, int] | None:
        """Physical page address and entry flags of virtual page number ``page`` for user code."""
        key = (root, page)
        found = self._translations.get(key)
        if found is None:
            leaf = sv39.walk(self.memory.load, root, page << sv39.PAGE_BITS)
            if leaf is None or not leaf.entry & sv39.PTE.U:
                return None
            found = (leaf.physical(page << sv39.PAGE_BITS), leaf.entry & 0xFF)
            self._translations[key] = found
        return found

    def stale_translations(self) -> list[tuple[int, int]]:
        """Root and page of what harts still translate, for inspection, otherwise than the tables
        in memory say."""

        def walked(root: int, page: int) -> tuple[int, int] | None:
            leaf = sv39.walk(self.memory.load, root, page << sv39.PAGE_BITS)
            at = page << sv39.PAGE_BITS
            return None if leaf is None else (leaf.physical(at), leaf.entry & 0xFF)

        return [key for key, found in self._translations.items() if walked(*key) != found]

    def forget_translations(self, address: int | None) -> None:
        """What sfence.vma does, on every hart: forget one page's translations, or all. A user that
        waits for a word looks it up anew."""
        self.translated += 1
        for hart in tuple(self.spinning):
            self.poke(hart)
        if address is None:
            self._translations.clear()
            return
        page = address >> sv39.PAGE_BITS
        for key in [key for key in self._translations if key[1] == page]:
            del self._translations[key]

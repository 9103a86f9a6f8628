"""The machine: harts, memory and device under one clock.

Time is integer cycles. Within one cycle the order is: the device's responses and lines of the last
edge are handed to the harts, then software acts (in the order in which its events were scheduled),
then the device's clock edge. When the device is quiescent and no software event is due, time jumps
to the next software event and the device's clock does not tick; with ``jump=False`` it ticks every
cycle, with the same result.
"""

from collections.abc import Callable
from typing import Protocol

import simpy

from . import sv39
from .costs import Costs, load_costs
from .device import Device, Request
from .events import EventLog
from .hart import Hart, MachineError, Program
from .interrupts import InterruptController
from .memory import Memory

__all__ = ["Kernel", "Machine"]

FOREVER = 1 << 20
"""Cycles to step a busy device when no software event is due; it stops by itself much earlier."""

CODE_BASE = 0x1000


class Kernel(Protocol):
    """What a machine asks of the kernel that runs on it. Both coroutines run in privilege S."""

    def start(self, hart: Hart) -> Program:
        """Boot ``hart``; must leave `Hart.context` set."""
        ...

    def trap(self, hart: Hart, cause: str) -> Program:
        """Handle a trap of ``hart.context``; may set another context."""
        ...


class Machine:
    """Harts 0 to n-1 with a device, memory, costs and an event log.

    Parameters
    ----------
    device : the user-interrupt hardware, just reset
    costs : cycles of software work; default costs.toml
    jump : skip the device's clock while it is quiescent
    """

    def __init__(self, device: Device, *, costs: Costs | None = None, jump: bool = True) -> None:
        self.device = device
        self.costs = costs or load_costs()
        self.jump = jump
        self.env = simpy.Environment()
        self.memory = Memory()
        self.log = EventLog()
        self.code: dict[int, Callable[[], Program]] = {}
        self.kernel: Kernel
        self.harts: list[Hart] = []
        self.interrupts = InterruptController(lambda: self.harts[0].poke())
        self.stopped = False
        config = device.config
        self._windows = tuple((first, first + size) for first, size in config.windows)
        self._pending: list[simpy.Event | None] = [None] * config.harts
        self._translations: dict[tuple[int, int], tuple[int, int]] = {}

    @property
    def now(self) -> int:
        """The current cycle."""
        return int(self.env.now)

    def boot(self, kernel: Kernel) -> None:
        """Give the machine its kernel and start its harts."""
        self.kernel = kernel
        self.harts = [Hart(self, index) for index in range(self.device.config.harts)]

    def place(self, function: Callable[[], Program]) -> int:
        """Put a user-interrupt handler into the program text; answers its address (for utvec)."""
        address = CODE_BASE + 0x100 * len(self.code)
        self.code[address] = function
        return address

    def stop(self) -> None:
        """End `run` before the next cycle."""
        self.stopped = True

    async def run(self) -> None:
        """Let time pass until `stop`.

        Raises
        ------
        MachineError : nothing can ever happen any more (deadlock), or the model broke a rule.
        """
        env, device = self.env, self.device
        while not self.stopped:
            due = env.peek()
            now = int(env.now)
            if due <= now or (self.jump and device.quiescent and due != simpy.core.Infinity):
                env.step()  # in this cycle, or a jump to the cycle of the next event
                continue
            if self.jump and device.quiescent:
                raise MachineError(f"deadlock in cycle {now}: every hart waits for ever")
            gap = FOREVER if due == simpy.core.Infinity else int(due) - now
            env.run(until=now + await device.run(gap))
            for hart in self.harts:
                response = device.response(hart.index)
                if response is not None:
                    waiter = self._pending[hart.index]
                    if waiter is None:
                        raise MachineError(f"hart {hart.index} got an answer it did not ask for")
                    self._pending[hart.index] = None
                    waiter.succeed(response)
                hart.set_line(device.interrupt(hart.index))
                hart.set_supervisor_line(device.supervisor_interrupt(hart.index))

    def submit(self, hart: int, request: Request) -> simpy.Event:
        """Present a request of ``hart`` to the device; the event carries the response."""
        if self._pending[hart] is not None:
            raise MachineError(f"hart {hart} has a request outstanding")
        self.device.submit(hart, request)
        event = self.env.event()
        self._pending[hart] = event
        return event

    def is_device(self, address: int) -> bool:
        """True if a physical address belongs to the user-interrupt hardware."""
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

    def forget_translations(self, address: int | None) -> None:
        """What sfence.vma does: forget one page's translations, or all."""
        if address is None:
            self._translations.clear()
            return
        page = address >> sv39.PAGE_BITS
        for key in [key for key in self._translations if key[1] == page]:
            del self._translations[key]

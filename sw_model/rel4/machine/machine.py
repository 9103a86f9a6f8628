"""The machine: harts, memory and device under one clock.

Time is integer cycles. Within one cycle the order is: the device's responses and lines of the last
edge are handed to the harts, then software acts (in the order in which its events were scheduled),
then the device's clock edge. When the device is quiescent and no software event is due, time jumps
to the next software event and the device's clock does not tick; with ``jump=False`` it ticks every
cycle, with the same result.
"""

import simpy

from .board import Board
from .costs import Costs
from .device import Device
from .faults import MachineError
from .hart import Hart, Kernel

__all__ = ["Machine"]

FOREVER = 1 << 20
"""Cycles to step a busy device when no software event is due; it stops by itself much earlier."""


class Machine(Board):
    """Harts 0 to n-1 with a device, memory, costs and an event log.

    Parameters
    ----------
    device : the user-interrupt hardware, just reset
    costs : cycles of software work; default costs.toml
    jump : skip the device's clock while it is quiescent
    """

    hart_type: type[Hart] = Hart

    def __init__(self, device: Device, *, costs: Costs | None = None, jump: bool = True) -> None:
        super().__init__(device, costs)
        self.jump = jump
        self.harts: list[Hart] = []

    def boot(self, kernel: Kernel) -> None:
        """Give the machine its kernel and start its harts."""
        count = self.device.config.harts
        self.harts = [self.hart_type(self, index, kernel) for index in range(count)]

    def interrupt(self, hart: int) -> None:
        self.harts[hart].interrupt()

    def poke(self, hart: int) -> None:
        self.harts[hart].poke()

    async def run(self) -> None:
        """Let time pass until `stop`.

        Raises
        ------
        MachineError : nothing can ever happen any more (deadlock), or the model broke a rule.
        """
        while not self.stopped:
            if not await self.advance():
                raise MachineError(f"deadlock in cycle {self.now}: every hart waits for ever")

    async def advance(self, before: float = simpy.core.Infinity) -> bool:
        """All that software does until the device's clock has to tick or the machine is stopped,
        then the device's cycles up to the next thing that happens. False: nothing will happen any
        more by itself, or nothing before that cycle.

        Raises
        ------
        MachineError : the model broke a rule.
        """
        env, device = self.env, self.device
        while (due := env.peek()) <= (now := env.now) or (
            self.jump and (env.quiet or device.quiescent)
        ):
            if due > now:  # a jump to the cycle of the next event
                if due >= before:
                    return False
                env.quiet = True
            env.step()
            if self.stopped:
                return True
        gap = FOREVER if due == simpy.core.Infinity else int(due) - now
        env.pass_to(now + await device.run(gap))
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
        return True

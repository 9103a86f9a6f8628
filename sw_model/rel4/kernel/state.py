"""What the kernel's mechanisms share. They take this, and never the kernel."""

from collections.abc import Awaitable, Callable, Sequence

from rel4.machine.machine import Machine

from .async_runtime import AsyncRuntime, Policy
from .harts import Harts
from .objects import TCB, AsidPool, Irq
from .uintr import UserInterrupts

__all__ = ["State"]


class State:
    """One kernel's state.

    Parameters
    ----------
    machine : where it runs
    harts : its harts
    uintr : its user interrupts
    runtime : its handlers of asynchronous system calls
    policies : where those run; a buffer names one by its number when it is registered
    empty_root : root table that maps nothing, of threads without an address space
    fastpath : take seL4's fastpath for short calls and replies

    Members
    -------
    initial : the threads made at boot
    at_end : awaited in the kernel when the last of them has ended, before the machine stops
    asid_pools, irqs : what was made of ASIDControl and IRQControl
    console : what was written to the debug console
    """

    def __init__(
        self,
        machine: Machine,
        harts: Harts,
        uintr: UserInterrupts,
        runtime: AsyncRuntime,
        *,
        policies: Sequence[Policy],
        empty_root: int,
        fastpath: bool,
    ) -> None:
        self.machine = machine
        self.harts = harts
        self.uintr = uintr
        self.runtime = runtime
        self.policies = list(policies)
        self.empty_root = empty_root
        self.fastpath = fastpath
        self.asid_pools: dict[int, AsidPool] = {}
        self.irqs: dict[int, Irq] = {}
        self.initial: list[TCB] = []
        self.at_end: Callable[[], Awaitable[None]] | None = None
        self.console = ""

    def put_char(self, character: int) -> None:
        """The debug console."""
        self.console += chr(character & 0xFF)

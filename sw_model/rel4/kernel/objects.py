"""Kernel objects, made from untyped memory."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from rel4.abi.numbers import ObjectType
from rel4.machine.hart import Context

from .capability import CNodeCap, PageTableCap, Slot

if TYPE_CHECKING:
    from .async_runtime import HandlerTask
    from .uintr import UserInterruptState

__all__ = [
    "CNODE_SLOT_BITS",
    "OBJECT_BITS",
    "CNode",
    "Frame",
    "Notification",
    "PageTable",
    "TCB",
    "ThreadState",
    "Untyped",
]

CNODE_SLOT_BITS = 5
"""A CNode slot takes 32 bytes."""

OBJECT_BITS = {
    ObjectType.TCB: 10,
    ObjectType.ENDPOINT: 4,
    ObjectType.NOTIFICATION: 6,  # seL4's 4 words and ReL4's fifth: 40 bytes, rounded up
    ObjectType.RISCV_4K_PAGE: 12,
    ObjectType.RISCV_MEGA_PAGE: 21,
    ObjectType.RISCV_GIGA_PAGE: 30,
    ObjectType.RISCV_PAGE_TABLE: 12,
}
"""Sizes of fixed-size objects, as log2 of bytes."""


@dataclass(eq=False, slots=True)
class Untyped:
    """2**``size_bits`` bytes at physical ``address``; ``watermark`` bytes of it are given away."""

    address: int
    size_bits: int
    watermark: int = 0


@dataclass(eq=False, slots=True)
class CNode:
    """2**``radix`` capability slots; slots come into being when they are first looked at."""

    address: int
    radix: int
    slots: dict[int, Slot] = field(default_factory=dict)

    def slot(self, index: int) -> Slot:
        """Slot ``index`` (below 2**radix)."""
        return self.slots.setdefault(index, Slot())


@dataclass(eq=False, slots=True)
class Frame:
    """2**``size_bits`` bytes of memory that can be mapped: 4 KiB, 2 MiB or 1 GiB."""

    address: int
    size_bits: int


@dataclass(eq=False, slots=True)
class PageTable:
    """A page table of 512 entries at physical ``address``."""

    address: int


@dataclass(eq=False, slots=True)
class Notification:
    """seL4's notification with ReL4's user-interrupt word.

    ``word`` is None when idle or waiting, else the OR of badges signalled (active). With
    ``uintr_flag`` set, signals are user interrupts of receiver ``recv_idx``.
    """

    address: int
    word: int | None = None
    queue: "deque[TCB]" = field(default_factory=deque)
    bound_tcb: "TCB | None" = None
    uintr_flag: bool = False
    recv_idx: int = 0


class ThreadState(Enum):
    """What a thread does, as in seL4."""

    INACTIVE = auto()
    RUNNING = auto()
    BLOCKED_ON_NOTIFICATION = auto()
    IDLE = auto()


@dataclass(eq=False, slots=True)
class TCB:
    """A thread.

    ``ipc_buffer`` is the physical address of its IPC buffer. ``uintr`` exists from the first
    registration for user interrupts on; ``handler`` is its asynchronous system-call handler.
    """

    address: int
    name: str = "thread"
    context: Context | None = None
    priority: int = 0
    affinity: int = 0
    time_slice: int = 0
    state: ThreadState = ThreadState.INACTIVE
    cspace: CNodeCap | None = None
    vspace: PageTableCap | None = None
    ipc_buffer: int | None = None
    bound_notification: Notification | None = None
    waiting_on: Notification | None = None
    uintr: "UserInterruptState | None" = None
    handler: "HandlerTask | None" = None
    queued: bool = False

    @property
    def runnable(self) -> bool:
        """True if the scheduler may choose it."""
        return self.state is ThreadState.RUNNING

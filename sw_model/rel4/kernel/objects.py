"""Kernel objects, made from untyped memory."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar, Protocol, TypeVar
from weakref import WeakValueDictionary

from rel4.abi.numbers import ObjectType
from rel4.machine.context import Context

from .account import Account
from .capability import Attachment, CNodeCap, FrameCap, PageTableCap, ReplyCap, Slot

__all__ = [
    "ASIDS_PER_POOL",
    "CNODE_SLOT_BITS",
    "OBJECT_BITS",
    "TCB",
    "AsidPool",
    "CNode",
    "Endpoint",
    "Frame",
    "Irq",
    "KernelObject",
    "Notification",
    "PageTable",
    "ThreadFault",
    "ThreadState",
    "Untyped",
]

A = TypeVar("A")

CNODE_SLOT_BITS = 5
"""A CNode slot takes 32 bytes."""
ASIDS_PER_POOL = 512

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
class KernelObject:
    """An object at physical ``address``; ``caps`` counts the slots whose capability names it.
    ``attached`` is what mechanisms keep with it."""

    address: int
    caps: int = field(default=0, init=False)
    attached: list[Attachment] = field(default_factory=list, init=False)

    def find(self, kind: type[A]) -> A | None:
        """What is attached of this kind, if anything is: the first."""
        for attachment in self.attached:
            if isinstance(attachment, kind):
                return attachment
        return None


@dataclass(eq=False, slots=True)
class Untyped(KernelObject):
    """2**``size_bits`` bytes at physical ``address``; ``watermark`` bytes of it are given away.

    Every capability has one of its own, since the watermark belongs to the capability. ``device``
    memory is never cleared and makes frames only.
    """

    size_bits: int
    watermark: int = 0
    device: bool = False

    @property
    def free_bytes(self) -> int:
        """Bytes behind the watermark."""
        return (1 << self.size_bits) - self.watermark


@dataclass(eq=False, slots=True)
class CNode(KernelObject):
    """2**``radix`` capability slots. They come into being when they are looked at; empty ones that
    nobody holds are forgotten when there are many (`SPARE`), so that look-ups which find nothing
    cost no memory of the machine that runs the model."""

    SPARE: ClassVar[int] = 1024

    radix: int
    slots: dict[int, Slot] = field(default_factory=dict)
    _most: int = SPARE

    def slot(self, index: int) -> Slot:
        """Slot ``index`` (below 2**radix)."""
        slot = self.slots.get(index)
        if slot is None:
            if len(self.slots) >= self._most:
                self._forget()
            slot = self.slots[index] = Slot()
        return slot

    def _forget(self) -> None:
        """Of the empty slots keep those that somebody is about to fill."""
        empty = WeakValueDictionary({n: slot for n, slot in self.slots.items() if slot.empty})
        for index in list(empty):
            del self.slots[index]
        self.slots.update(empty)
        self._most = self.SPARE + 2 * len(self.slots)

    def used(self) -> list[Slot]:
        """Slots that hold a capability."""
        return [slot for slot in self.slots.values() if not slot.empty]


@dataclass(eq=False, slots=True)
class Frame(KernelObject):
    """2**``size_bits`` bytes of memory that can be mapped: 4 KiB, 2 MiB or 1 GiB."""

    size_bits: int
    device: bool = False


@dataclass(eq=False, slots=True)
class PageTable(KernelObject):
    """A page table of 512 entries. As a root table it has an ``asid`` from its assignment to its
    end; 0 is none. Its ``account`` is charged for what its threads take of the hardware."""

    asid: int = 0
    account: Account = field(default_factory=Account)


@dataclass(eq=False, slots=True)
class AsidPool(KernelObject):
    """512 address-space identifiers from ``base`` on, and the root tables that have them."""

    base: int
    spaces: dict[int, PageTable] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Irq(KernelObject):
    """An interrupt number. ``notification`` holds the capability that is signalled."""

    number: int
    notification: Slot = field(default_factory=Slot)


@dataclass(eq=False, slots=True)
class Endpoint(KernelObject):
    """Threads that wait to send or to receive, never both, in order of arrival."""

    queue: "deque[TCB]" = field(default_factory=deque)

    @property
    def receiving(self) -> bool:
        """True if those who wait are receivers."""
        return bool(self.queue) and self.queue[0].state is ThreadState.BLOCKED_ON_RECEIVE

    @property
    def sending(self) -> bool:
        """True if those who wait are senders."""
        return bool(self.queue) and self.queue[0].state is ThreadState.BLOCKED_ON_SEND


@dataclass(eq=False, slots=True)
class Notification(KernelObject):
    """seL4's notification with ReL4's user-interrupt word.

    ``word`` is None when idle or waiting, else the OR of badges signalled (active). With
    ``uintr_flag`` set, signals are user interrupts of receiver ``recv_idx``, which is that of
    thread ``uintr_tcb``.
    """

    word: int | None = None
    queue: "deque[TCB]" = field(default_factory=deque)
    bound_tcb: "TCB | None" = None
    uintr_flag: bool = False
    recv_idx: int = 0
    uintr_tcb: "TCB | None" = None


class ThreadState(Enum):
    """What a thread does, as in seL4. RESTART: it runs the operation again that it was in."""

    INACTIVE = auto()
    RUNNING = auto()
    RESTART = auto()
    BLOCKED_ON_RECEIVE = auto()
    BLOCKED_ON_SEND = auto()
    BLOCKED_ON_REPLY = auto()
    BLOCKED_ON_NOTIFICATION = auto()
    IDLE = auto()


class ThreadFault(Protocol):
    """What a thread did that only its fault handler can answer."""

    @property
    def label(self) -> int:
        """Label of the message that tells the handler."""
        ...

    def message(self, tcb: "TCB") -> tuple[int, ...]:
        """Its message registers."""
        ...


class TCB(KernelObject):
    """A thread.

    Its capabilities stand in slots of the derivation tree: ``ctable`` (CSpace), ``vtable``
    (VSpace), ``reply`` (master of the capabilities that reply to it), ``caller`` (capability to
    reply with), ``buffer`` (frame of its IPC buffer, at ``buffer_address``).
    ``waiting_on`` is what it is blocked on; ``send_*`` describe the message of a blocked sender and
    ``receive_grant`` whether a blocked receiver may grant with its reply. ``integers`` are the
    registers that no system call uses.

    Parameters
    ----------
    address, name, context, priority, affinity, time_slice, state : as the members
    cspace : capability that the ``ctable`` slot begins with
    """

    __slots__ = (
        "affinity",
        "bound_notification",
        "buffer",
        "buffer_address",
        "caller",
        "context",
        "ctable",
        "dead",
        "fault",
        "fault_handler",
        "had_vspace",
        "integers",
        "mcp",
        "name",
        "priority",
        "queued",
        "receive_grant",
        "reply",
        "send_badge",
        "send_call",
        "send_grant",
        "send_grant_reply",
        "state",
        "time_slice",
        "vtable",
        "waiting_on",
    )

    def __init__(
        self,
        address: int,
        name: str = "thread",
        context: Context | None = None,
        priority: int = 0,
        affinity: int = 0,
        time_slice: int = 0,
        state: ThreadState = ThreadState.INACTIVE,
        cspace: CNodeCap | None = None,
    ) -> None:
        super().__init__(address)
        self.name = name
        self.context = context
        self.priority = priority
        self.mcp = 0
        self.affinity = affinity
        self.time_slice = time_slice
        self.state = state
        self.ctable = Slot() if cspace is None else Slot(cspace)
        self.vtable = Slot()
        self.reply = Slot(ReplyCap(self, master=True, can_grant=True), revocable=True)
        self.caller = Slot()
        self.buffer = Slot()
        self.buffer_address = 0
        self.had_vspace = False
        self.fault_handler = 0
        self.fault: ThreadFault | None = None
        self.integers: dict[str, int] = {}
        self.bound_notification: Notification | None = None
        self.waiting_on: Notification | Endpoint | None = None
        self.send_badge = 0
        self.send_grant = self.send_grant_reply = self.send_call = False
        self.receive_grant = False
        self.queued = False
        self.dead = False

    @property
    def cspace(self) -> CNodeCap | None:
        """The capability to its CSpace, if it has one."""
        cap = self.ctable.cap
        return cap if isinstance(cap, CNodeCap) else None

    @property
    def runnable(self) -> bool:
        """True if the scheduler may choose it."""
        return self.state is ThreadState.RUNNING or self.state is ThreadState.RESTART

    @property
    def vspace(self) -> PageTableCap | None:
        """The capability to its address space, if it has one."""
        cap = self.vtable.cap
        return cap if isinstance(cap, PageTableCap) else None

    @property
    def account(self) -> Account:
        """Who pays for what it takes of the hardware: without an address space, nobody can."""
        space = self.vspace
        return Account(0) if space is None else space.table.account

    @property
    def ipc_buffer(self) -> int | None:
        """Physical address of its IPC buffer for reading, if it has one."""
        cap = self.buffer.cap
        if not isinstance(cap, FrameCap) or cap.frame.device or not cap.rights.read:
            return None
        return cap.frame.address + (self.buffer_address & ((1 << cap.frame.size_bits) - 1))

    @property
    def receive_buffer(self) -> int | None:
        """The same for writing."""
        cap = self.buffer.cap
        if not isinstance(cap, FrameCap) or not cap.rights.write:
            return None
        return self.ipc_buffer

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Its capability slots."""
        return (self.ctable, self.vtable, self.reply, self.caller, self.buffer)

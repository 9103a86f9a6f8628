"""The typed event log: the one record that metrics, timelines and comparisons are made from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar

__all__ = [
    "AsyncHandled",
    "AsyncReplied",
    "AsyncSubmitted",
    "CacheMiss",
    "ContextSwitch",
    "Delivered",
    "Event",
    "EventLog",
    "Fault",
    "FunctionEntered",
    "LockWait",
    "Mark",
    "PathDone",
    "ReceiverChanged",
    "SenderEntryFreed",
    "SenderEntryWritten",
    "Syscall",
    "TaskRun",
    "Trap",
    "TrapCause",
    "TrapReturn",
    "UipiDone",
    "UserReturn",
    "UserTrap",
]


@dataclass(slots=True)
class Event:
    """Base of all events: ``cycle`` and ``hart`` are filled in by the log."""

    cycle: int
    hart: int
    kind: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__


@dataclass(slots=True, kw_only=True)
class _Stamped(Event):
    cycle: int = -1
    hart: int = -1


class TrapCause(StrEnum):
    """Why a hart entered the kernel."""

    ECALL = "ecall"
    FAULT = "fault"
    EXIT = "exit"
    TIMER = "timer"
    IPI = "ipi"
    UIPI = "uipi"
    INTERRUPT = "interrupt"


@dataclass(slots=True)
class Trap(_Stamped):
    """The hart entered the kernel."""

    cause: str  # of `TrapCause`; a word in a log that was read back
    thread: str


@dataclass(slots=True)
class TrapReturn(_Stamped):
    """The hart left the kernel for ``thread``."""

    thread: str


@dataclass(slots=True)
class UserTrap(_Stamped):
    """A user interrupt was taken: ``pc`` was saved in uepc, control went to ``handler``."""

    thread: str
    pc: int
    handler: int


@dataclass(slots=True)
class Delivered(_Stamped):
    """The user interrupt just taken carries ``vector``, which was posted to ``receiver``: the
    address of the thread's UPID (Intel, where a delivery takes one vector)."""

    thread: str
    receiver: int
    vector: int


@dataclass(slots=True)
class UserReturn(_Stamped):
    """uret: back to ``pc``."""

    thread: str
    pc: int


@dataclass(slots=True)
class UipiDone(_Stamped):
    """A UIPI instruction, or SENDUIPI, ended. ``table`` and ``receiver`` are suist and suirs, or
    UINTR_TT and UINTR_PD, as they stood."""

    function: str
    operand: int
    table: int
    receiver: int
    data: int
    status: str


@dataclass(slots=True)
class SenderEntryWritten(_Stamped):
    """The kernel wrote entry ``index`` of the sender table that ``table`` names: the value of suist
    or UINTR_TT. ``receiver`` is a number (RISC-V) or the address of a UPID (Intel)."""

    table: int
    index: int
    vector: int
    receiver: int


@dataclass(slots=True)
class SenderEntryFreed(_Stamped):
    """The kernel made entry ``index`` of that sender table invalid."""

    table: int
    index: int


@dataclass(slots=True)
class ReceiverChanged(_Stamped):
    """The kernel changed a receiver; ``posted`` and ``cleared`` are bits of its pending word."""

    receiver: int
    active: bool
    posted: int
    cleared: int


@dataclass(slots=True)
class Syscall(_Stamped):
    """A system call was decoded. ``label`` is the invocation's name, if it was one."""

    thread: str
    number: str
    label: str
    error: str


@dataclass(slots=True)
class Fault(_Stamped):
    """A thread faulted and was suspended."""

    thread: str
    reason: str


@dataclass(slots=True)
class ContextSwitch(_Stamped):
    """The hart's current thread changed."""

    old: str
    new: str


@dataclass(slots=True)
class LockWait(_Stamped):
    """The hart got the big kernel lock after waiting ``cycles``."""

    cycles: int


@dataclass(slots=True)
class TaskRun(_Stamped):
    """An executor resumed coroutine ``cid``. ``where``: "user" or "kernel"."""

    where: str
    cid: int


@dataclass(slots=True)
class AsyncSubmitted(_Stamped):
    """A request is about to be published in the request ring of ``thread``'s buffer."""

    cid: int
    label: str
    thread: str = "root"


@dataclass(slots=True)
class AsyncHandled(_Stamped):
    """The kernel handler served a request and is about to publish the reply. With error CANCELLED
    nothing was done: the buffer is deregistered."""

    cid: int
    label: str
    error: str
    thread: str = "root"


@dataclass(slots=True)
class AsyncReplied(_Stamped):
    """The user took the reply, and its owner is ready or resumed."""

    cid: int
    thread: str = "root"


@dataclass(slots=True)
class PathDone(_Stamped):
    """A software path ended: it cost ``cycles`` of software and began at cycle ``begin``."""

    name: str
    cycles: int
    begin: int


@dataclass(slots=True)
class Mark(_Stamped):
    """A moment that the program names, such as the begin and end of the measured part."""

    name: str


@dataclass(slots=True)
class CacheMiss(_Stamped):
    """A line had to come from main memory, or a page table to be walked (real harts only).
    ``what``: "icache", "dcache" or "walk"."""

    what: str


@dataclass(slots=True)
class FunctionEntered(_Stamped):
    """The hart's pc is in another function of the program than before, whether called or returned
    to (real harts only). ``context``: whose code it runs."""

    name: str
    context: str


class EventLog:
    """Events in the order in which they happened.

    Same cycle, several harts: the order is that in which the event loop ran them, which is the
    same on every device.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event, *, cycle: int, hart: int) -> None:
        """Stamp and append ``event``."""
        event.cycle = cycle
        event.hart = hart
        self.events.append(event)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def lines(self) -> Iterator[str]:
        """One JSON object an event; byte for byte equal for equal runs."""
        names: dict[type, list[str]] = {}
        for event in self.events:
            cls = type(event)
            if cls not in names:
                names[cls] = [f.name for f in fields(cls) if f.name not in ("cycle", "hart")]
            record: dict[str, Any] = {"cycle": event.cycle, "hart": event.hart, "event": cls.kind}
            for name in names[cls]:
                record[name] = getattr(event, name)
            yield json.dumps(record, separators=(",", ":"))

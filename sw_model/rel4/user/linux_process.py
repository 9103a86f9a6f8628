"""What threads of one process share under the interface of Linux' proposal: descriptors, registered
senders, timeouts."""

import errno
from dataclasses import dataclass, field

from rel4.machine.ops import Compute, ReadTime

from .syscalls import SystemCalls
from .user_thread import UserThread

__all__ = ["CYCLES_PER_USEC", "Entry", "LinuxProcess", "Timer", "UvecFile"]

CYCLES_PER_USEC = 100
"""The published board's clock."""
_SLOTS = 1 << 22
"""First CSpace slot for capabilities that are minted here."""
_SLOTS_BITS = 12
"""Slots of a process: more than it can have senders and timeouts at a time."""


@dataclass(eq=False)
class UvecFile:
    """An open file that stands for one vector of one receiver, with as many descriptors as it is
    ``opens``, of any process."""

    notification: int
    vector: int
    alive: bool = True
    opens: int = 0


@dataclass(eq=False)
class Entry:
    """A registered sender: the capability by whose right it is, and each thread's operand."""

    file: UvecFile
    slot: int
    operands: dict[UserThread, int] = field(default_factory=dict)


@dataclass(eq=False)
class Timer:
    """Who is to be woken, by the capability in ``slot``, and when."""

    deadline: int
    slot: int
    expired: bool = False


class LinuxProcess:
    """What threads of one process share: descriptors, registered senders, timeouts.

    Parameters
    ----------
    number : tells processes apart that share a CSpace, below 1 024
    alarm : capability to a notification, for timeouts; `keep_time` must then be one of the threads

    Members
    -------
    alarm : see above
    files : open descriptors; one that holds None is a file of another kind
    entries : registered senders, by index
    """

    def __init__(self, number: int = 0, alarm: int | None = None) -> None:
        self.number = number
        self.files: dict[int, UvecFile | None] = {0: None, 1: None, 2: None}
        self.entries: dict[int, Entry] = {}
        self.alarm = alarm
        self._timers: list[Timer] = []
        self._minted = 0
        self._free: list[int] = []

    def fork(self, number: int, *, shares_table: bool = False) -> "LinuxProcess":
        """A child: it has the descriptors, but no receivers. Of the proposal's versions, one leaves
        the child without registered senders, and in the other its table is its parent's
        (``shares_table``): what either registers or takes back, it does for both."""
        child = LinuxProcess(number, self.alarm)
        if shares_table:
            child.entries = self.entries
        child.files = dict(self.files)
        for file in child.files.values():
            if file is not None:
                file.opens += 1
        return child

    def open(self, file: UvecFile) -> int:
        """The lowest free descriptor stands for ``file`` from now on; also for one that another
        process sent."""
        number = next(n for n in range(len(self.files) + 1) if n not in self.files)
        self.files[number] = file
        file.opens += 1
        return number

    def close(self, descriptor: int) -> int:
        """Close a descriptor. Senders that were registered with it stay."""
        if descriptor not in self.files:
            return -errno.EBADF
        file = self.files.pop(descriptor)
        if file is not None:
            file.opens -= 1
        return 0

    def take_slot(self) -> int:
        """A free CSpace slot."""
        if self._free:
            return self._free.pop()
        self._minted += 1
        return _SLOTS + (self.number << _SLOTS_BITS) + self._minted

    def free_slot(self, slot: int) -> None:
        """The slot is empty."""
        self._free.append(slot)

    @property
    def keeps_time(self) -> bool:
        """True if timeouts are possible."""
        return self.alarm is not None

    async def arm(self, kernel: SystemCalls, deadline: int, slot: int) -> Timer:
        """Have the notification in ``slot`` signalled at ``deadline``."""
        assert self.alarm is not None  # the caller asked
        timer = Timer(deadline, slot)
        self._timers.append(timer)
        await kernel.signal(self.alarm)
        return timer

    def disarm(self, timer: Timer) -> bool:
        """True if the timer did not and will not expire."""
        if timer.expired:
            return False
        self._timers.remove(timer)
        return True

    async def keep_time(self, thread: UserThread) -> None:
        """Body of the thread that stands for the kernel's timers: it signals who waited too long.
        While nobody waits with a timeout it is blocked."""
        assert self.alarm is not None
        while True:
            await thread.kernel.wait(self.alarm)
            while self._timers:
                now = await ReadTime()
                for timer in [timer for timer in self._timers if timer.deadline <= now]:
                    if timer not in self._timers:  # disarmed while another one was signalled
                        continue
                    timer.expired = True
                    self._timers.remove(timer)
                    await thread.kernel.nb_send(timer.slot)  # who waited may have gone
                await Compute(CYCLES_PER_USEC)
                await thread.kernel.yield_()

"""Synchronous or asynchronous, chosen per call site by what is measured."""

from dataclasses import dataclass, field
from enum import IntEnum

from rel4.machine.ops import Path, ReadTime

from .async_syscalls import ASYNC_FORMS, AsyncSyscalls
from .calls import Answer, ObjectCalls
from .syscalls import Kernel

__all__ = ["AdaptiveSyscalls", "Chooser", "Way"]


class Way(IntEnum):
    """How a call is made."""

    ASYNC = 0
    SYNC = 1


@dataclass
class Chooser:
    """Chooses between two ways by their measured cycles per call.

    The way in use is kept until the other is better by more than `HYSTERESIS`. The other is tried
    for `PROBE` calls every so often; each time it turns out worse, the next trial is twice as far
    away, so that trials cost little in the long run and a change of load is still found.

    An estimate is the mean of the last full window of calls in that way, so a single odd call
    changes nothing.
    """

    HYSTERESIS = 0.05
    WINDOW = 8
    PROBE = 8
    FIRST_TRIAL, LAST_TRIAL = 1_024, 16_384

    way: Way = Way.ASYNC
    estimate: list[float | None] = field(default_factory=lambda: [None, None])
    switches: int = 0
    _cycles: list[int] = field(default_factory=lambda: [0, 0])
    _calls: list[int] = field(default_factory=lambda: [0, 0])
    _since_trial: int = 0
    _interval: int = FIRST_TRIAL
    _trial: int = 0

    def choose(self) -> Way:
        """The way for the next call."""
        if self._trial:
            self._trial -= 1
            return Way(1 - self.way)
        self._since_trial += 1
        if self._since_trial >= self._interval:
            self._since_trial = 0
            self._trial = self.PROBE
        return self.way

    def record(self, way: Way, cycles: int) -> None:
        """A call made in ``way`` took ``cycles`` of the thread's time since the call before."""
        self._cycles[way] += cycles
        self._calls[way] += 1
        if self._calls[way] < self.WINDOW:
            return
        self.estimate[way] = self._cycles[way] / self._calls[way]
        self._cycles[way] = self._calls[way] = 0
        if way is not self.way:
            self._judge()

    def _judge(self) -> None:
        mine, other = self.estimate[self.way], self.estimate[1 - self.way]
        if mine is None or other is None:
            return
        if other < mine * (1 - self.HYSTERESIS):
            self.way = Way(1 - self.way)
            self.switches += 1
            self._interval = self.FIRST_TRIAL
        else:
            self._interval = min(self.LAST_TRIAL, 2 * self._interval)


class AdaptiveSyscalls(ObjectCalls):
    """System calls of coroutines, each call site (kind of invocation) choosing its own way.

    What a call costs is the time from the call finished before it to its own end, so waiting that
    other coroutines fill with work costs nothing, and waiting that nobody fills costs in full. The
    decision itself is the path ``user.decide``. An invocation that has no asynchronous form is made
    synchronously.
    """

    def __init__(self, kernel: Kernel, calls: AsyncSyscalls) -> None:
        self._kernel = kernel
        self._calls = calls
        self._last = 0
        self.sites: dict[int, Chooser] = {}

    async def invoke(
        self, cap: int, label: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> Answer:
        """One invocation of a kernel object."""
        if label not in ASYNC_FORMS:
            return await self._kernel.invoke(cap, label, words, caps)
        async with Path("user.decide"):
            way = self.sites.setdefault(label, Chooser()).choose()
        made: ObjectCalls = self._kernel if way is Way.SYNC else self._calls
        answer = await made.invoke(cap, label, words, caps)
        now = await ReadTime()
        if self._last:
            self.sites[label].record(way, now - self._last)
        self._last = now
        return answer

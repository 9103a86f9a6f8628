"""Synchronous or asynchronous, chosen per call site by what is measured."""

from dataclasses import dataclass, field
from enum import IntEnum

from rel4.abi.coroutine import Suspend
from rel4.machine.ops import Path, ReadTime

from .async_syscalls import ASYNC_FORMS, AsyncSyscalls, Meter
from .calls import Answer, ObjectCalls
from .syscalls import SystemCalls

__all__ = ["AdaptiveSyscalls", "Chooser", "Learner", "Way"]


class Way(IntEnum):
    """How a call is made."""

    ASYNC = 0
    SYNC = 1


@dataclass
class Learner:
    """Chooses between two ways while a thread has made its first calls only.

    The first call is made synchronously, then one batch asynchronously; calls behind it wait for
    its replies. Then the cheaper way is the one that every kind of call begins with. So a thread of
    a few calls does not depend on a good guess, and pays little for it.

    Members
    -------
    verdict : the way, once it is known
    """

    BATCH = 8
    HYSTERESIS = 0.05

    verdict: Way | None = None
    _tried: int = 0
    _synchronous: int = 0
    _needed: int = 0

    def choose(self) -> Way | None:
        """The way for the next call; None: wait for the verdict."""
        if self._tried > self.BATCH or self._needed:
            return None
        self._tried += 1
        return Way.SYNC if self._tried == 1 else Way.ASYNC

    def synchronous(self, cycles: int) -> None:
        """The synchronous call took ``cycles``."""
        self._synchronous = cycles

    def asynchronous(self, meter: Meter, outstanding: int) -> None:
        """An asynchronous call is over, ``outstanding`` others are not."""
        # The first reply pays for the trap that brought those behind it as well.
        self._needed = self._needed or min(outstanding + 1, self.BATCH)
        if meter.taken and (meter.taken >= self._needed or not outstanding):
            cheaper = self._synchronous < meter.cost * (1 - self.HYSTERESIS)
            self.verdict = Way.SYNC if cheaper else Way.ASYNC
        elif not outstanding:
            self.verdict = Way.ASYNC  # the batch was cancelled: nothing is known


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

    A thread's first calls go to a `Learner`, which says where every kind begins; where a second
    hart helps, they are asynchronous without a trial, which would be a trap. After that, what a
    call costs is the time from the call finished before it to its own end, so waiting that other
    coroutines fill with work costs nothing, and waiting that nobody fills costs in full. The
    decision itself is the path ``user.decide``. An invocation that has no asynchronous form is made
    synchronously.
    """

    def __init__(self, kernel: SystemCalls, calls: AsyncSyscalls) -> None:
        self._kernel = kernel
        self._calls = calls
        self._last = 0
        self._waiting: list[int] = []
        self.learner = Learner()
        self.sites: dict[int, Chooser] = {}
        if calls.sender is None:
            calls.meter = Meter()
        else:
            self.learner.verdict = Way.ASYNC

    async def invoke(
        self, cap: int, label: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> Answer:
        """One invocation of a kernel object."""
        if label not in ASYNC_FORMS:
            return await self._kernel.invoke(cap, label, words, caps)
        async with Path("user.decide"):
            way = self._choose(label)
        while way is None:
            self._waiting.append(self._calls.executor.current)
            await Suspend()
            way = self._choose(label)
        begin = await ReadTime()
        made: ObjectCalls = self._kernel if way is Way.SYNC else self._calls
        answer = await made.invoke(cap, label, words, caps)
        now = await ReadTime()
        if self.learner.verdict is None:
            self._learn(way, now - begin)
        elif label in self.sites and self._last:
            self.sites[label].record(way, now - self._last)
        self._last = now
        return answer

    def _choose(self, label: int) -> Way | None:
        start = self.learner.verdict
        if start is None:
            return self.learner.choose()
        return self.sites.setdefault(label, Chooser(start)).choose()

    def _learn(self, way: Way, cycles: int) -> None:
        if way is Way.SYNC:
            self.learner.synchronous(cycles)
        elif self._calls.meter is not None:
            self.learner.asynchronous(self._calls.meter, self._calls.outstanding)
        if self.learner.verdict is not None:
            self._calls.meter = None
            for cid in self._waiting:
                self._calls.executor.wake(cid)
            self._waiting.clear()

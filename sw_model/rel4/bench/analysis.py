"""What an event log says about time: latency of every call, and where every cycle went."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rel4.machine.events import (
    AsyncHandled,
    AsyncReplied,
    AsyncSubmitted,
    Event,
    LockWait,
    Mark,
    PathDone,
    Syscall,
    TaskRun,
    Trap,
    TrapReturn,
    UserTrap,
)

from .workload import BEGIN, END

__all__ = [
    "IDLE",
    "KERNEL_OTHER",
    "LOCK",
    "USER_OTHER",
    "Call",
    "Quantiles",
    "Window",
    "breakdown",
    "calls",
    "quantiles",
    "window",
]

IDLE = "idle"
LOCK = "kernel.lock_wait"
KERNEL_OTHER = "kernel.other"
USER_OTHER = "user.other"
"""Outside any path: spinning and polling for replies, user-interrupt hardware, single accesses."""

_STUB = "user.invoke"
INITIAL_THREAD = "root"

Caller = tuple[str, int]
"""Thread and coroutine."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One system call as its caller sees it.

    Parameters
    ----------
    label : the invocation's name
    begin : asynchronous: cycle of submission; synchronous: cycle in which the stub began
    handled : asynchronous: cycle in which the kernel had done it; synchronous: None
    replied : asynchronous: cycle in which the reply was taken; synchronous: None
    end : asynchronous: cycle in which the coroutine runs with the reply; synchronous: the stub's
        end
    cid : asynchronous: the coroutine; synchronous: -1
    """

    label: str
    begin: int
    handled: int | None
    replied: int | None
    end: int
    cid: int = -1

    @property
    def cycles(self) -> int:
        """Latency of the whole call."""
        return self.end - self.begin


@dataclass(frozen=True)
class Quantiles:
    """A distribution in brief, all but ``mean`` values that occurred."""

    count: int
    mean: float
    p50: int
    p90: int
    p99: int
    most: int


def quantiles(values: Iterable[int]) -> Quantiles | None:
    """The distribution of ``values`` by the nearest-rank rule; None if there are none.

    >>> quantiles(range(1, 101))
    Quantiles(count=100, mean=50.5, p50=50, p90=90, p99=99, most=100)
    """
    found = np.fromiter(values, dtype=np.int64)
    if not found.size:
        return None
    p50, p90, p99 = np.percentile(found, (50, 90, 99), method="inverted_cdf")
    return Quantiles(
        found.size, float(found.mean()), int(p50), int(p90), int(p99), int(found.max())
    )


@dataclass(frozen=True)
class Window:
    """The measured part of a run: from the first begin mark to the last end mark.

    Parameters
    ----------
    begin, end : cycles
    events : those between, both cycles included
    """

    begin: int
    end: int
    events: Sequence[Event]

    @property
    def cycles(self) -> int:
        """From begin to end."""
        return self.end - self.begin

    def traps(self, *causes: str) -> int:
        """Traps of these causes, on all harts."""
        return sum(isinstance(event, Trap) and event.cause in causes for event in self.events)

    @property
    def user_interrupts(self) -> int:
        """User interrupts that were taken."""
        return sum(isinstance(event, UserTrap) for event in self.events)


def window(events: Iterable[Event], *, by_place: bool = False) -> Window:
    """The part between the marks; ``by_place``: by their places in the log, since many events
    share a cycle.

    Raises
    ------
    ValueError : a mark is missing.
    """
    log = list(events)
    marks = [(n, event) for n, event in enumerate(log) if isinstance(event, Mark)]
    begins = [(event.cycle, n) for n, event in marks if event.name == BEGIN]
    ends = [(event.cycle, n) for n, event in marks if event.name == END]
    if not begins or not ends:
        names = sorted({event.name for _, event in marks})
        raise ValueError(f"events must have the marks {BEGIN} and {END}, not {names}")
    (begin, first), (end, last) = min(begins), max(ends)
    if by_place:
        return Window(begin, end, log[first : last + 1])
    return Window(begin, end, [event for event in log if begin <= event.cycle <= end])


def calls(events: Sequence[Event]) -> list[Call]:
    """Every system call that ended between the marks, in the order of their ends.

    Asynchronous calls are matched by thread and coroutine, first come first served. Synchronous
    calls are invocations that began after the begin mark of their hart; a wake-up of the handler is
    no call but part of one.
    """
    measured = window(events)
    begin, end = measured.begin, measured.end
    submitted: dict[Caller, deque[AsyncSubmitted]] = defaultdict(deque)
    handled: dict[Caller, deque[AsyncHandled]] = defaultdict(deque)
    taken: dict[Caller, deque[tuple[AsyncSubmitted, AsyncHandled, int]]] = defaultdict(deque)
    label: dict[int, str] = {}
    began: dict[int, int] = {}
    running: dict[int, str] = {}
    found: list[Call] = []
    for event in events:
        match event:
            case TrapReturn():
                running[event.hart] = event.thread
            case Mark(name=name) if name == BEGIN:
                began[event.hart] = event.cycle
            case AsyncSubmitted():
                submitted[_caller(event)].append(event)
            case AsyncHandled():
                handled[_caller(event)].append(event)
            case AsyncReplied():
                caller = _caller(event)
                if not submitted[caller] or not handled[caller]:
                    raise ValueError(f"a reply to coroutine {event.cid} answers no request")
                request, done = submitted[caller].popleft(), handled[caller].popleft()
                taken[caller].append((request, done, event.cycle))
            case TaskRun(where="user") if taken[running.get(event.hart, ""), event.cid]:
                request, done, replied = taken[running[event.hart], event.cid].popleft()
                found.append(
                    Call(
                        label=request.label,
                        begin=request.cycle,
                        handled=done.cycle,
                        replied=replied,
                        end=event.cycle,
                        cid=event.cid,
                    )
                )
            case Syscall() if event.label:
                label[event.hart] = event.label
            case PathDone(name=name) if name == _STUB:
                if event.hart in began and event.begin >= began[event.hart]:
                    found.append(
                        Call(
                            label=label.get(event.hart, ""),
                            begin=event.begin,
                            handled=None,
                            replied=None,
                            end=event.cycle,
                        )
                    )
            case _:
                pass
    return [call for call in found if begin <= call.end <= end]


def _caller(event: AsyncSubmitted | AsyncHandled | AsyncReplied) -> Caller:
    """Whose call it is; logs of one thread do not say so."""
    return getattr(event, "thread", INITIAL_THREAD), event.cid


def breakdown(events: Sequence[Event], harts: int) -> list[Mapping[str, int]]:
    """For each hart, cycles between the marks by what they were spent on; they add up exactly.

    Keys are the names of paths, `LOCK`, `KERNEL_OTHER`, `USER_OTHER` and `IDLE`. A path that lies
    partly outside the marks counts in proportion.
    """
    measured = window(events)
    begin, end = measured.begin, measured.end
    return [_of_hart([e for e in events if e.hart == hart], begin, end) for hart in range(harts)]


def _of_hart(events: Iterable[Event], begin: int, end: int) -> dict[str, int]:
    spent: dict[str, int] = defaultdict(int)
    mode, since = "kernel", 0  # a hart boots in the kernel
    total = {"kernel": 0, "user": 0, IDLE: 0}

    def inside(low: int, high: int) -> int:
        return max(min(high, end) - max(low, begin), 0)

    for event in events:
        match event:
            case Trap() | TrapReturn():
                total[mode] += inside(since, event.cycle)
                since = event.cycle
                if isinstance(event, Trap):
                    mode = "kernel"
                else:
                    mode = IDLE if event.thread.startswith("idle") else "user"
            case PathDone() if event.cycle > event.begin:
                share = inside(event.begin, event.cycle) / (event.cycle - event.begin)
                spent[event.name] += round(event.cycles * share)
            case LockWait():
                spent[LOCK] += inside(event.cycle - event.cycles, event.cycle)
            case _:
                pass
    total[mode] += inside(since, end)
    named = {name: cycles for name, cycles in spent.items() if cycles}
    user = [name for name in named if name.startswith("user.")]
    kernel = [name for name in named if not name.startswith("user.")]
    rest = {
        KERNEL_OTHER: _rest(total["kernel"], named, kernel),
        USER_OTHER: _rest(total["user"], named, user),
        IDLE: total[IDLE],
    }
    return named | {name: cycles for name, cycles in rest.items() if cycles}


def _rest(total: int, named: dict[str, int], names: Sequence[str]) -> int:
    """What ``names`` leave of ``total``. The wait for the lock begins within a path that counts the
    first of its cycles too; what is counted twice is taken from the largest part."""
    rest = total - sum(named[name] for name in names)
    if rest < 0:
        named[max(names, key=lambda name: named[name])] += rest
    return max(rest, 0)

"""A timeline for Perfetto and chrome://tracing: the event log as Chrome trace events.

One cycle is one microsecond of the viewer, so that every number it shows is a cycle number of the
event log and of the waveform. Four groups of tracks:

* *harts*: what each hart runs (threads, idle, kernel by cause of the trap), user-interrupt
  handlers, lock waits, batches of the kernel's handler coroutines;
* *threads*: on which hart each thread runs;
* *coroutines*: which coroutine of each thread runs;
* *calls*: every asynchronous system call from submission to reply, with the kernel's part.

Compiled programs on real harts have two more: *functions*, which function each hart is in, and
*memory*, its cache misses and page-table walks.

An arrow goes from each post to the user trap that it caused.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rel4.machine.events import (
    AsyncHandled,
    AsyncReplied,
    AsyncSubmitted,
    CacheMiss,
    ContextSwitch,
    Event,
    Fault,
    FunctionEntered,
    LockWait,
    Mark,
    PathDone,
    Syscall,
    TaskRun,
    Trap,
    TrapReturn,
    UipiDone,
    UserReturn,
    UserTrap,
)
from uintr.files import write_atomically

from .posts import deliveries

__all__ = ["chrome_trace", "write_trace"]

HARTS, THREADS, COROUTINES, CALLS, FUNCTIONS, MEMORY = 1, 2, 3, 4, 5, 6
_GROUPS = {HARTS: "harts", THREADS: "threads", COROUTINES: "coroutines", CALLS: "calls"}
_REAL = {FUNCTIONS: "functions", MEMORY: "memory"}

Record = dict[str, Any]


def chrome_trace(events: Sequence[Event], about: Mapping[str, Any] | None = None) -> Record:
    """The trace of an event log as the object of the Chrome trace format.

    Parameters
    ----------
    events : the whole log of one run
    about : what was run, kept as ``otherData``
    """
    builder = _Builder()
    for event in events:
        builder.add(event)
    builder.close(events[-1].cycle if events else 0)
    records = builder.metadata() + builder.records + _arrows(events)
    return {
        "traceEvents": records,
        "displayTimeUnit": "ns",
        "otherData": {"unit": "1 us in the viewer is 1 cycle", **(about or {})},
    }


def write_trace(
    events: Sequence[Event], path: Path, about: Mapping[str, Any] | None = None
) -> None:
    """Write `chrome_trace` to ``path`` (made whole or not at all)."""
    text = json.dumps(chrome_trace(events, about), separators=(",", ":"))
    write_atomically(path, text.encode() + b"\n")


def _arrows(events: Sequence[Event]) -> list[Record]:
    """A pair of flow events for each post that was taken, each bound to a slice of its own."""
    records: list[Record] = []
    for number, post in enumerate(deliveries(events)):
        name = f"receiver {post.receiver} vector {post.vector}"
        flow = {"cat": "post", "name": "post", "id": number, "pid": HARTS}
        records += [
            {**flow, "ph": "s", "tid": post.sender, "ts": post.sent, "args": {"to": name}},
            {**flow, "ph": "f", "bp": "e", "tid": post.taker, "ts": post.taken},
        ]
    return records


class _Hart:
    """What is open on one hart's track."""

    def __init__(self) -> None:
        self.name = "kernel: boot"
        self.thread: str | None = None
        self.handler: dict[str, int] = {}  # thread to depth: handlers survive traps
        self.open = 0
        self.batch: tuple[int, int, int] | None = None  # cid, begin, calls
        self.batch_end = 0
        self.function: tuple[str, str, int] | None = None  # name, context, begin


class _Builder:
    """Takes events in order and makes balanced slices of them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._harts: dict[int, _Hart] = {}
        self._threads: dict[str, int] = {}
        self._task: dict[str, tuple[int, int]] = {}  # thread: cid, begin
        self._active: dict[str, int] = {}  # thread: last cycle in which its coroutine did anything
        self._calls: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        self._handled: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        self._number = 0

    def metadata(self) -> list[Record]:
        """Names of groups and tracks."""
        real = any(hart.function is not None for hart in self._harts.values())
        groups = _GROUPS | (_REAL if real else {})
        names = [(pid, 0, "process_name", name) for pid, name in groups.items()]
        for pid in (HARTS, *(_REAL if real else ())):
            names += [(pid, hart, "thread_name", f"hart {hart}") for hart in sorted(self._harts)]
        for thread, tid in self._threads.items():
            names += [(pid, tid, "thread_name", thread) for pid in (THREADS, COROUTINES)]
        return [
            {"ph": "M", "pid": pid, "tid": tid, "name": kind, "args": {"name": name}}
            for pid, tid, kind, name in names
        ]

    def add(self, event: Event) -> None:
        """Draw one event."""
        hart = self._harts.get(event.hart)
        if hart is None:
            hart = self._harts[event.hart] = _Hart()
            self._begin(event.hart, 0, hart.name, "kernel")
        draw = getattr(self, f"_on_{event.kind.lower()}", None)
        if draw is not None:
            draw(event, hart)

    def close(self, cycle: int) -> None:
        """End whatever is still open."""
        for index, hart in self._harts.items():
            self._end_batch(index, hart)
            if hart.thread is not None:
                self._leave_thread(index, hart, cycle)
            self._end_all(index, hart, cycle)
            self._end_function(index, hart, cycle)
        for thread in list(self._task):
            self._end_task(thread)

    # --- slices -----------------------------------------------------------------------------------

    def _begin(self, hart: int, cycle: int, name: str, category: str, **args: Any) -> None:
        self.records.append(
            {
                "ph": "B",
                "pid": HARTS,
                "tid": hart,
                "ts": cycle,
                "name": name,
                "cat": category,
                "args": args,
            }
        )
        self._harts[hart].open += 1

    def _end(self, hart: int, cycle: int) -> None:
        self.records.append({"ph": "E", "pid": HARTS, "tid": hart, "ts": cycle})
        self._harts[hart].open -= 1

    def _end_all(self, index: int, hart: _Hart, cycle: int) -> None:
        while hart.open:
            self._end(index, cycle)

    def _slice(
        self, pid: int, tid: int, begin: int, end: int, name: str, category: str, **args: Any
    ) -> None:
        self.records.append(
            {
                "ph": "X",
                "pid": pid,
                "tid": tid,
                "ts": begin,
                "dur": end - begin,
                "name": name,
                "cat": category,
                "args": args,
            }
        )

    def _instant(self, event: Event, name: str, **args: Any) -> None:
        self.records.append(
            {
                "ph": "i",
                "s": "t",
                "pid": HARTS,
                "tid": event.hart,
                "ts": event.cycle,
                "name": name,
                "args": args,
            }
        )

    # --- harts and threads ------------------------------------------------------------------------

    def _on_trap(self, event: Trap, hart: _Hart) -> None:
        if hart.thread is not None:
            self._leave_thread(event.hart, hart, event.cycle)
        self._end_all(event.hart, hart, event.cycle)
        self._begin(event.hart, event.cycle, f"kernel: {event.cause}", "kernel", by=event.thread)

    def _on_trapreturn(self, event: TrapReturn, hart: _Hart) -> None:
        self._end_batch(event.hart, hart)
        self._end_all(event.hart, hart, event.cycle)
        idle = event.thread.startswith("idle")
        self._begin(event.hart, event.cycle, event.thread, "idle" if idle else "user")
        if idle:
            return
        for _ in range(hart.handler.get(event.thread, 0)):
            self._begin(event.hart, event.cycle, "user-interrupt handler", "handler")
        hart.thread = event.thread
        tid = self._threads.setdefault(event.thread, len(self._threads))
        self.records.append(
            {
                "ph": "B",
                "pid": THREADS,
                "tid": tid,
                "ts": event.cycle,
                "name": f"on hart {event.hart}",
                "cat": "thread",
            }
        )

    def _leave_thread(self, index: int, hart: _Hart, cycle: int) -> None:
        assert hart.thread is not None  # the callers looked
        tid = self._threads[hart.thread]
        self.records.append({"ph": "E", "pid": THREADS, "tid": tid, "ts": cycle})
        hart.thread = None

    def _on_usertrap(self, event: UserTrap, hart: _Hart) -> None:
        hart.handler[event.thread] = hart.handler.get(event.thread, 0) + 1
        self._begin(event.hart, event.cycle, "user-interrupt handler", "handler", pc=event.pc)

    def _on_userreturn(self, event: UserReturn, hart: _Hart) -> None:
        hart.handler[event.thread] -= 1
        self._end(event.hart, event.cycle)

    def _on_lockwait(self, event: LockWait, hart: _Hart) -> None:
        begin = event.cycle - event.cycles
        self._slice(HARTS, event.hart, begin, event.cycle, "lock wait", "lock")

    # --- the kernel's handler batches -------------------------------------------------------------

    def _on_taskrun(self, event: TaskRun, hart: _Hart) -> None:
        if event.where == "kernel":
            self._end_batch(event.hart, hart)
            hart.batch = (event.cid, event.cycle, 0)
            hart.batch_end = event.cycle
        elif hart.thread is not None:
            self._end_task(hart.thread)
            self._task[hart.thread] = (event.cid, event.cycle)
            self._active[hart.thread] = event.cycle

    def _end_batch(self, index: int, hart: _Hart) -> None:
        if hart.batch is None:
            return
        cid, begin, calls = hart.batch
        hart.batch = None
        name = f"handler {cid}: {calls} call{'' if calls == 1 else 's'}"
        self._slice(HARTS, index, begin, hart.batch_end, name, "batch", calls=calls)

    # --- coroutines and calls ---------------------------------------------------------------------

    def _end_task(self, thread: str) -> None:
        task = self._task.pop(thread, None)
        if task is None:
            return
        cid, begin = task
        tid = self._threads[thread]
        self._slice(
            COROUTINES, tid, begin, self._active[thread], f"coroutine {cid}", "coroutine", cid=cid
        )

    def _does(self, hart: _Hart, cycle: int) -> None:
        if hart.thread in self._task:
            self._active[hart.thread] = cycle

    def _on_pathdone(self, event: PathDone, hart: _Hart) -> None:
        if hart.batch is not None and event.name.startswith("kernel."):
            if event.name != "kernel.timer_tick":
                hart.batch_end = event.cycle
        elif event.name in _COROUTINE_PATHS:
            self._does(hart, event.cycle)

    def _on_asyncsubmitted(self, event: AsyncSubmitted, hart: _Hart) -> None:
        self._does(hart, event.cycle)
        number = self._number = self._number + 1
        self._calls[_caller(event)].append((number, event.label))
        self._phase("b", number, event, event.label, cid=event.cid)
        self._phase("b", number, event, "waits for the kernel")

    def _on_asynchandled(self, event: AsyncHandled, hart: _Hart) -> None:
        if hart.batch is not None:
            cid, begin, calls = hart.batch
            hart.batch = (cid, begin, calls + 1)
            hart.batch_end = event.cycle
        if self._calls[_caller(event)]:
            number, label = self._calls[_caller(event)].pop(0)
            self._handled[_caller(event)].append((number, label))
            self._phase("e", number, event, "waits for the kernel")
            self._phase("b", number, event, "waits for its reply", error=event.error)

    def _on_asyncreplied(self, event: AsyncReplied, hart: _Hart) -> None:
        self._does(hart, event.cycle)
        if self._handled[_caller(event)]:
            number, label = self._handled[_caller(event)].pop(0)
            self._phase("e", number, event, "waits for its reply")
            self._phase("e", number, event, label)

    def _phase(self, phase: str, number: int, event: Event, name: str, **args: Any) -> None:
        self.records.append(
            {
                "ph": phase,
                "pid": CALLS,
                "tid": 0,
                "ts": event.cycle,
                "cat": "call",
                "id": number,
                "name": name,
                "args": args,
            }
        )

    # --- moments ----------------------------------------------------------------------------------

    def _on_uipidone(self, event: UipiDone, hart: _Hart) -> None:
        if hart.batch is not None:
            hart.batch_end = event.cycle
        status = "" if event.status == "OK" else f" ({event.status})"
        self._instant(event, f"UIPI {event.function}{status}", operand=event.operand)

    def _on_syscall(self, event: Syscall, hart: _Hart) -> None:
        self._instant(event, event.label or event.number, error=event.error, thread=event.thread)

    def _on_contextswitch(self, event: ContextSwitch, hart: _Hart) -> None:
        self._instant(event, f"{event.old} → {event.new}")

    def _on_fault(self, event: Fault, hart: _Hart) -> None:
        self._instant(event, f"fault of {event.thread}", reason=event.reason)

    def _on_mark(self, event: Mark, hart: _Hart) -> None:
        self._instant(event, event.name)

    # --- real harts -------------------------------------------------------------------------------

    def _on_functionentered(self, event: FunctionEntered, hart: _Hart) -> None:
        self._end_function(event.hart, hart, event.cycle)
        hart.function = (event.name, event.context, event.cycle)

    def _end_function(self, index: int, hart: _Hart, cycle: int) -> None:
        if hart.function is not None:
            name, context, begin = hart.function
            self._slice(FUNCTIONS, index, begin, cycle, name, "function", context=context)

    def _on_cachemiss(self, event: CacheMiss, hart: _Hart) -> None:
        self._instant(event, event.what)
        self.records[-1]["pid"] = MEMORY


_COROUTINE_PATHS: Iterable[str] = frozenset(
    {"user.resume", "user.fill_and_send", "user.wake", "user.invoke"}
)


def _caller(event: AsyncSubmitted | AsyncHandled | AsyncReplied) -> tuple[str, int]:
    """Whose call it is; logs of one thread do not say so."""
    return getattr(event, "thread", ""), event.cid

"""The campaign runner: many tasks in worker processes, each kept as soon as it is finished.

Under every command that runs more than one thing. It shows progress from the first second, stops
all workers at a time limit, an interrupt or the first failure, and leaves what is finished in a
store, from which the same campaign goes on.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from rel4.machine.device import DeviceError
from uintr.program import Stopped, UnfinishedError, listen

__all__ = [
    "Batch",
    "Conduct",
    "Store",
    "identity",
    "keeping",
    "run_campaign",
    "source_digest",
    "start_worker",
    "uninterrupted",
]

T = TypeVar("T")
Batch = Callable[[], None]
"""What a worker does in one go: some tasks, each of whose results it adds to the store."""

_LOOK = 0.25
"""Seconds between two looks at the store."""
_END_SECONDS = 1.0
"""Longest time that a worker has to end when it is asked to."""


@dataclass(frozen=True)
class Conduct:
    """How a campaign is run.

    Parameters
    ----------
    jobs : processes at a time, 1 to 256
    resume : take over what is finished
    minutes : after which the workers are stopped
    """

    jobs: int = 2
    resume: bool = False
    minutes: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.jobs <= 256:
            raise ValueError(f"jobs must be 1 to 256, not {self.jobs}")


@cache
def source_digest(*packages: str) -> str:
    """Of all source that can change a result: uintr, rel4, whatever has devices or policies, and
    ``packages``."""
    groups = ("rel4.devices", "rel4.policies")
    others = {
        point.module.partition(".")[0] for group in groups for point in entry_points(group=group)
    }
    digest = hashlib.sha256()
    for package in sorted({"uintr", "rel4", *others, *packages}):
        spec = find_spec(package)
        if spec is None:
            continue
        for folder in sorted(spec.submodule_search_locations or ()):
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in (".py", ".toml", ".v", ".sv", ".cpp", ".c", ".h", ".S"):
                    digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
        if spec.submodule_search_locations is None and spec.origin is not None:
            digest.update(package.encode() + Path(spec.origin).read_bytes())
    return digest.hexdigest()[:16]


def identity(*packages: str, **about: Any) -> str:
    """The name of a task: everything that its result depends on, the source among it, also that of
    further ``packages``. Two tasks of one name have one result."""
    text = json.dumps({"source": source_digest(*packages), **about}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """Results by key in a file, a JSON line each, appended whole by the processes that ran them.

    Parameters
    ----------
    path : of the file; a device's job may run in another working folder
    """

    def __init__(self, path: Path) -> None:
        self.path, self.shown = path.absolute(), path

    def clear(self) -> None:
        """Forget everything; the file stays the same one, which may be claimed.

        Raises
        ------
        ValueError : it is no store, and stays as it is.
        """
        if self.read() or self.path.exists():
            os.truncate(self.path, 0)

    def add(self, key: str, value: Any) -> None:
        """Keep a result.

        Raises
        ------
        OSError : it cannot be written; nothing of it is left.
        """
        line = (json.dumps({"key": key, "value": value}) + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                written = os.write(handle, line)
                if written < len(
                    line
                ):  # the disk is full: what comes next must not be joined to it
                    os.ftruncate(handle, os.fstat(handle).st_size - written)
                    os.write(handle, line)  # says why
            finally:
                os.close(handle)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.shown)) from error

    def read(self) -> dict[str, Any]:
        """All results, by key. A last line that was cut off is none.

        Raises
        ------
        ValueError : the file is damaged; the sentence names it and the line.
        """
        return dict(self._entries(0)[0])

    def mend(self) -> None:
        """Cut off a last line that is not whole."""
        self.read()  # is it a store?
        if self.path.exists():
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(self.path, whole)

    def _entries(self, begin: int) -> tuple[list[tuple[str, Any]], int]:
        """The entries from byte ``begin`` on, and the byte behind them."""
        if not self.path.exists():
            return [], 0
        with self.path.open("rb") as file:
            file.seek(begin)
            content = file.read()
        content = content[: content.rfind(b"\n") + 1]
        entries = []
        for number, line in enumerate(content.splitlines(), 1):
            try:
                entry = json.loads(line)
                entries.append((str(entry["key"]), entry["value"]))
            except (ValueError, TypeError, KeyError):
                # What was read before had whole lines and was right.
                text = line[:40].decode(errors="replace")
                raise ValueError(
                    f"{self.shown} line {number} must be a finished task, not {text!r}"
                ) from None
        return entries, begin + len(content)


class _News:
    """Reads what a store gets while others write it."""

    def __init__(self, store: Store) -> None:
        self._store, self._place = store, 0

    def read(self) -> list[tuple[str, Any]]:
        """What is new."""
        entries, self._place = self._store._entries(self._place)
        return entries


def run_campaign(
    tasks: Mapping[str, T],
    batches: Callable[[Mapping[str, T]], Iterable[Batch]],
    *,
    store: Store,
    conduct: Conduct,
    until: float | None = None,
    name: str,
    unit: str,
    weight: Callable[[T], int] = lambda _: 1,
    task: str | None = None,
) -> dict[str, Any]:
    """Run the tasks that ``store`` does not hold, and return the results of all, by key.

    Parameters
    ----------
    tasks : what is to be run, by key
    batches : shares tasks among batches, which can be pickled
    store : where results are kept; others' are left alone
    until : on the monotonic clock; default: ``conduct.minutes`` from now
    name, unit : for the progress bar: of the campaign, of a task's weight
    weight : how much of the bar a task is
    task : what a task is called, if what is kept is counted by tasks and not by weight

    Raises
    ------
    UnfinishedError : time was up. No worker is left.
    Stopped : interrupted. No worker is left.
    Exception : whatever a task raised first.
    """
    from tqdm import tqdm

    if until is None and conduct.minutes is not None:
        until = time.monotonic() + 60 * conduct.minutes
    store.mend()
    news = _News(store)
    known = {key: value for key, value in news.read() if key in tasks}
    todo = {key: task for key, task in tasks.items() if key not in known}
    if not todo:
        return known
    tty = sys.stderr.isatty()
    counts = {key: weight(each) if task is None else 1 for key, each in tasks.items()}

    with (
        keeping(store, counts, task or unit),
        tqdm(
            total=sum(map(weight, tasks.values())),
            initial=sum(weight(tasks[key]) for key in known),
            unit=unit,
            unit_scale=True,
            desc=name,
            mininterval=0.3 if tty else 10,  # in a log file every redraw is a line of its own
        ) as bar,
    ):

        def look() -> None:
            for key, value in news.read():
                if key in todo and key not in known:
                    known[key] = value
                    bar.update(weight(tasks[key]))

        said: set[str] = set()

        def tell(text: str) -> None:
            if text not in said:
                said.add(text)
                bar.write(f"{name}: {text}", file=sys.stderr)

        with _Workers(list(batches(todo)), conduct.jobs, tell) as running:
            while running.left:
                if until is not None and time.monotonic() >= until:
                    raise UnfinishedError(f"time is up, {_kept(known, counts, task or unit)}")
                running.wait(_LOOK)
                look()
                if tty:
                    bar.refresh()  # the clock goes on while a long task runs
        look()
    missing = len(tasks) - len(known)
    if missing:
        raise DeviceError(f"{missing} of {len(tasks)} tasks ended without a result")
    return {key: known[key] for key in tasks}


def _kept(known: Collection[str], counts: Mapping[str, int], what: str) -> str:
    kept = sum(count for key, count in counts.items() if key in known)
    return f"{kept} of {sum(counts.values())} {what}s are kept"


@contextmanager
def keeping(store: Store, counts: Mapping[str, int] | None, what: str) -> Iterator[None]:
    """An interrupt in here, at any moment, says how much the store keeps; a task is so many of
    ``what``, where it is known which there are to be. Raises Stopped then."""
    try:
        yield
    except Stopped:
        raise
    except KeyboardInterrupt:
        with uninterrupted():
            known = store.read()
            raise Stopped(
                _kept(known, counts, what) if counts else f"{len(known)} {what}s are kept"
            ) from None


class _Workers:
    """Processes that work on batches. Leaving ends them, whatever they do."""

    def __init__(self, batches: Sequence[Batch], jobs: int, tell: Callable[[str], None]) -> None:
        # spawn: a forked child would inherit the locks of the progress bar's threads.
        context = multiprocessing.get_context("spawn")
        self._before = set(multiprocessing.active_children())
        self._words = context.SimpleQueue()
        self._tell = tell
        self._pool = ProcessPoolExecutor(
            min(jobs, len(batches)), context, start_worker, (self._words.put,)
        )
        self.left: set[Future[None]] = set()
        self._batches = batches

    def __enter__(self) -> "_Workers":
        try:
            with uninterrupted():  # workers inherit it, and leave Ctrl-C to this process
                self.left = {self._pool.submit(batch) for batch in self._batches}
        except KeyboardInterrupt:
            self.__exit__()  # it came meanwhile
            raise
        return self

    def wait(self, timeout: float) -> None:
        """Wait for something to happen, at most so many seconds; raises what a batch raised."""
        done, self.left = wait(self.left, timeout, FIRST_COMPLETED)
        while not self._words.empty():
            self._tell(self._words.get())
        for future in done:
            try:
                future.result()
            except BrokenProcessPool:
                raise DeviceError(
                    "a worker process must end by itself, but was killed; is there enough memory?"
                ) from None

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            if self.left:
                mine = set(multiprocessing.active_children()) - self._before
                for end in ("terminate", "kill"):
                    for worker in mine:
                        getattr(worker, end)()
                    until = time.monotonic() + _END_SECONDS
                    for worker in mine:
                        worker.join(max(until - time.monotonic(), 0))
            self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back, here and in the processes that are started meanwhile, which inherit the
    mask. The mask alone is not enough: another thread takes the signal, and Python tells this one.
    """
    came: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    told = threading.current_thread() is threading.main_thread()
    if told:
        handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if told:
            signal.signal(signal.SIGINT, handler)
    if came:
        signal.raise_signal(signal.SIGINT)


def start_worker(tell: Callable[[str], None]) -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent, ends with it, and ``tell``s it
    what takes time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listen(tell)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # closes the standard input of a simulator, which then ends too

    threading.Thread(target=end_with_parent, daemon=True).start()

"""An actor's program as an automaton that is discovered while it is walked.

An actor is one stream of operations: a thread, the user-interrupt handler on top of it, the kernel
on a hart. Given the results of its operations so far, what it does next is fixed. So a node of the
automaton stands for a sequence of results, and has one operation; its edges are the results that
this operation can have.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rel4.abi.coroutine import Poll, Task
from rel4.machine import events as ev
from rel4.machine.ops import (
    Compute,
    CsrClear,
    CsrRead,
    CsrSet,
    CsrWrite,
    Log,
    Op,
    PathBegin,
    PathEnd,
    PathWork,
    ReadTime,
)

from .fingerprint import fingerprint

__all__ = ["Automaton", "End", "ExploreError", "Failure", "Node", "Site"]

Ledger = tuple[tuple[str, int, int], ...]
"""What the program logged so far: event, coroutine, how often."""

FREE = (Compute, CsrClear, CsrRead, CsrSet, CsrWrite, PathBegin, PathEnd, PathWork, ReadTime)
"""Operations that touch nothing shared; they are performed at once and answer 0."""
MOST_FREE = 10_000
LIVE = 256
"""Coroutines that are kept for the nodes reached last; the others are made again when needed."""


class ExploreError(Exception):
    """The program cannot be explored as it is."""


class End(Op[None]):
    """Stands where a program has ended; `Node.outcome` is what it returned."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Failure(Op[None]):
    """Stands where a program broke: it raised an exception, or logged a `Fault`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the source: file, line and column of the ``await``, and the function's name."""

    file: str
    line: int
    column: int
    function: str


class Node:
    """One local state of an actor: the operation it is about to perform, and what led here.

    ``task`` names the coroutine that performs it, ``site`` is where it does.
    """

    __slots__ = (
        "edges",
        "ledger",
        "live",
        "number",
        "op",
        "outcome",
        "parent",
        "plan",
        "result",
        "site",
        "task",
    )

    def __init__(self, number: int, op: Op[Any], parent: "Node | None", result: Any) -> None:
        self.number = number
        self.op = op
        self.parent = parent
        self.result = result
        self.edges: dict[Any, Node] = {}
        self.live: Task | None = None
        self.ledger: Ledger = ()
        self.outcome: Any = None
        self.task = ""
        self.site: Site | None = None
        self.plan: Any = None  # whatever the walker wants to remember of this node


class _Notes:
    """What a program logs between two operations."""

    __slots__ = ("counts", "fault", "task")

    def __init__(self, parent: Node | None) -> None:
        self.counts = {(kind, cid): n for kind, cid, n in parent.ledger} if parent else {}
        self.task = ("", -1)
        self.fault: str | None = None

    def take(self, event: ev.Event) -> None:
        match event:
            case ev.AsyncSubmitted() | ev.AsyncHandled() | ev.AsyncReplied():
                key = (event.kind, event.cid)
                self.counts[key] = self.counts.get(key, 0) + 1
            case ev.TaskRun():
                self.task = (event.where, event.cid)
            case ev.Fault():
                self.fault = event.reason

    def ledger(self) -> Ledger:
        return tuple(sorted((kind, cid, n) for (kind, cid), n in self.counts.items()))


class Automaton:
    """The automaton of one actor.

    Nodes that are alike are one node: same operation, same ledger, same local state down to the
    last object (`fingerprint`). Without ``merge`` every sequence of results has its own.

    Parameters
    ----------
    make : makes the actor's coroutine; every call must make the same one
    worth : says of an operation whether a node that has it is looked up among its likes
    name : of the coroutine that a `TaskRun` event names by executor and cid; of ("", -1), the
        name of what runs when none of them does
    """

    def __init__(
        self,
        make: Callable[[], Task],
        *,
        worth: Callable[[Op[Any]], bool],
        name: Callable[[str, int], str],
        merge: bool = True,
    ) -> None:
        self._make = make
        self._worth = worth
        self._name = name
        self._merge = merge
        self._like: dict[Any, Node] = {}
        self._lively: deque[Node] = deque()
        self.nodes: list[Node] = []
        self.root = self._arrive(make(), None, None)

    def follow(self, node: Node, result: Any) -> Node:
        """The node after ``node``'s operation gave ``result``."""
        after = node.edges.get(result)
        if after is None:
            coroutine, node.live = node.live or self._repeat(node), None
            after = node.edges[result] = self._arrive(coroutine, node, result)
        return after

    def _repeat(self, node: Node) -> Task:
        """Bring a new coroutine to ``node`` by the results that led there."""
        results = [None]
        at = node
        while at.parent is not None:
            results.append(at.result)
            at = at.parent
        results.append(None)
        coroutine = self._make()
        for result in results[:0:-1]:
            _advance(coroutine, result, _Notes(None))
        return coroutine

    def _arrive(self, coroutine: Task, parent: Node | None, result: Any) -> Node:
        notes = _Notes(parent)
        outcome = None
        try:
            op, outcome = _advance(coroutine, result, notes)
        except ExploreError:
            raise
        except Exception as error:  # whatever a broken protocol makes of the program
            op = Failure(f"{type(error).__name__}: {error}")
        if notes.fault is not None:
            op = Failure(notes.fault)
        over = isinstance(op, End | Failure)
        ledger = notes.ledger()
        key: Any = None
        if self._merge and not over and self._worth(op):
            key = (op, ledger, fingerprint(coroutine))
            known = self._like.get(key)
            if known is not None:
                self._keep(known, coroutine)
                return known
        node = Node(len(self.nodes), op, parent, result)
        self.nodes.append(node)
        node.ledger = ledger
        node.outcome = outcome
        if not over:
            self._keep(node, coroutine)
            node.site, inside = _place(coroutine)
            ran = self._name(*notes.task) if notes.task[0] or parent is None else parent.task
            node.task = ran if inside else self._name("", -1)
        if key is not None:
            self._like[key] = node
        return node

    def _keep(self, node: Node, coroutine: Task) -> None:
        if node.live is None:
            node.live = coroutine
            self._lively.append(node)
            if len(self._lively) > LIVE:
                self._lively.popleft().live = None


def _advance(coroutine: Task, result: Any, notes: _Notes) -> tuple[Op[Any], Any]:
    """To the next operation that may touch something shared, and what the program returned."""
    value = result
    for _ in range(MOST_FREE):
        try:
            op = coroutine.send(value)
        except StopIteration as stop:
            return End(), stop.value
        if isinstance(op, Log):
            notes.take(op.event)
            value = None
        elif isinstance(op, FREE):
            value = 0
        else:
            return op, None
    raise ExploreError(f"programs must touch shared state at least every {MOST_FREE} operations")


def _place(coroutine: Task) -> tuple[Site | None, bool]:
    """Where the operation stands that the coroutine waits for; True if a task performs it."""
    at: Any = coroutine
    frame: Any = None
    inside = False
    while at is not None:
        if hasattr(at, "cr_frame"):
            frame, at = at.cr_frame, at.cr_await
            continue
        poll = at.gi_frame.f_locals.get("self")
        if not isinstance(poll, Poll):
            break
        inside = True
        at = poll.task
    if frame is None:
        return None, inside
    code = frame.f_code
    line, _, column, _ = list(code.co_positions())[frame.f_lasti // 2]
    return Site(code.co_filename, line or 0, column or 0, code.co_qualname), inside

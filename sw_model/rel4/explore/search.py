"""Breadth-first search through all states of a program."""

import marshal
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from rel4.machine.ops import Uret

from .plan import Accesses, Learned
from .program import Program
from .state import Actor, Choice, State
from .system import System
from .trace import Line
from .verdict import Verdict, judge_end, judge_state

__all__ = ["MEMORIES", "Exploration", "explore"]

MEMORIES = ("sc", "rvwmo")
PROGRESS_SECONDS = 5.0
LOOK_EVERY = 4096
WALKS = 50


@dataclass
class Exploration:
    """What an exploration found.

    ``verdict`` is None if every run ends well; else ``lines`` is a shortest run that does not.
    ``finished``: all states were seen. ``fused`` of the ``operations`` performed were local ones.
    """

    program: Program
    memory: str
    states: int = 0
    transitions: int = 0
    operations: int = 0
    ends: int = 0
    local_states: int = 0
    seconds: float = 0.0
    finished: bool = False
    verdict: Verdict | None = None
    lines: list[Line] = field(default_factory=list)
    sites: set[tuple[str, int, int]] = field(default_factory=set)
    pairs: set[tuple[str, int, int]] = field(default_factory=set)
    outcomes: set[object] = field(default_factory=set)


def explore(
    program: Program,
    *,
    memory: str = "rvwmo",
    max_states: int = 5_000_000,
    reduce: bool = True,
    merge: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Exploration:
    """Visit every state of ``program``, or every state until something is wrong.

    Parameters
    ----------
    memory : "sc" or "rvwmo"
    max_states : give up after so many
    reduce, merge : without them the search visits far more states and finds the same
    progress : called with a sentence every few seconds
    """
    if memory not in MEMORIES:
        raise ValueError(f"memory must be one of {', '.join(MEMORIES)}, not {memory!r}")
    if max_states < 1:
        raise ValueError(f"max-states must be at least 1, not {max_states}")
    weak = memory == "rvwmo"
    accesses = Accesses()
    started = time.process_time()
    _learn(System(program, weak=False, accesses=accesses, learning=True))
    while True:
        system = System(program, weak=weak, accesses=accesses, reduce=reduce, merge=merge)
        result = Exploration(program, memory)
        try:
            _search(system, result, max_states, started, progress)
        except Learned:
            continue
        result.seconds = time.process_time() - started
        return result


def _learn(system: System) -> None:
    """Some runs at random, always the same, to learn most of who accesses what."""
    choose = random.Random("who accesses what").choice
    for _ in range(WALKS):
        state = system.initial()
        while (choices := system.choices(state)) and not any(system.bad):
            state = system.step(state, choose(choices))


def _search(
    system: System,
    result: Exploration,
    max_states: int,
    started: float,
    progress: Callable[[str], None] | None,
) -> None:
    first = system.initial()
    known = {_digest(first)}
    pairs = _Pairs(system, result.pairs)
    pairs.add(first)
    parents: list[tuple[int, Choice | None]] = [(-1, None)]
    choices_made: dict[Choice, Choice] = {}  # each one once
    queue: list[State] = [first]
    spoken = started
    verdict: Verdict | None = None
    at = 0
    while at < len(queue) and verdict is None:
        state = queue[at]
        choices = system.choices(state)
        if not choices:
            result.ends += 1
            verdict = judge_end(system, state)
            result.outcomes.add(_outcome(system, state))
        for choice in choices:
            after = system.step(state, choice)
            result.transitions += 1
            digest = _digest(after)
            if digest in known:
                continue
            known.add(digest)
            pairs.add(after)
            parents.append((at, choices_made.setdefault(choice, choice)))
            queue.append(after)
            if any(system.bad):
                verdict = judge_state(system, after)
                if verdict is not None:
                    at = len(parents) - 1
                    break
        if verdict is not None:
            break
        queue[at] = first  # let go of it; ``known`` has its digest
        at += 1
        if len(parents) > max_states:
            break
        if progress is not None and at % LOOK_EVERY == 0:
            now = time.process_time()
            if now - spoken > PROGRESS_SECONDS:
                spoken = now
                progress(f"{len(parents)} states, {len(parents) - at} of them to go on from")
    result.states = len(parents)
    result.operations = system.operations
    result.local_states = sum(len(automaton.nodes) for automaton in system.automata)
    result.finished = verdict is None and at == len(queue)
    result.verdict = verdict
    _cover(system, result)
    if verdict is not None:
        result.lines = _replay(system, parents, at)
        verdict.explain(result.lines)


def _outcome(system: System, state: State) -> object:
    """How a run ended: answers, memory, what was logged."""
    thread, kernel = system.node(state, Actor.USER), system.node(state, Actor.KERNEL)
    assert thread is not None
    assert kernel is not None
    return thread.outcome, system.settled(state), thread.ledger, kernel.ledger


def _replay(system: System, parents: list[tuple[int, Choice | None]], at: int) -> list[Line]:
    choices: list[Choice] = []
    while parents[at][1] is not None:
        at, choice = parents[at]
        assert choice is not None
        choices.append(choice)
    lines: list[Line] = []
    state = system.initial(lines)
    for choice in reversed(choices):
        state = system.step(state, choice, lines)
    return lines


def _cover(system: System, result: Exploration) -> None:
    """Which operations of the source were performed."""
    for automaton in system.automata:
        for node in automaton.nodes:
            done = node.edges or isinstance(node.op, Uret)  # which never comes back
            if done and node.site is not None:
                result.sites.add((node.site.file, node.site.line, node.site.column))


class _Pairs:
    """Which flag met how many items in its ring: in memory, and once all stores have reached it."""

    def __init__(self, system: System, found: set[tuple[str, int, int]]) -> None:
        self._settled = system.settled
        self._found = found
        self._slots = [
            (flag, [system.slot(name) for name in (flag, f"{ring}.head", f"{ring}.tail")])
            for flag, ring in (("handler_online", "requests"), ("receiver_online", "replies"))
        ]

    def add(self, state: State) -> None:
        """Look at a state."""
        settled = self._settled(state)
        for memory in (state.memory, settled) if settled != state.memory else (settled,):
            for flag, slots in self._slots:
                online, head, tail = [memory[slot] if slot >= 0 else 0 for slot in slots]
                self._found.add((flag, online, tail - head))


def _digest(state: State) -> bytes:
    """In place of a state that was seen: 16 bytes for a kilobyte. That two of ten million states
    have one is less likely than 1 in 10 ** 24."""
    return blake2b(marshal.dumps(tuple(state), 2), digest_size=16).digest()

"""A state of harts, memory and devices, and one that is being changed."""

from enum import IntEnum
from typing import NamedTuple

from .actors import Node
from .memory import Buffer, Early
from .trace import Line

__all__ = ["Actor", "Choice", "State", "Work"]


class Actor(IntEnum):
    """Streams of operations: the thread, the user-interrupt handler on top of it, the kernel."""

    USER = 0
    INTERRUPT = 1
    KERNEL = 2


class State(NamedTuple):
    """One state. Of each actor there is the number of its automaton's node; -1: it does not run.

    ``pending`` holds user-interrupt vectors, ``wake`` what the kernel is asked to do.
    """

    memory: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    early: tuple[Early, ...]
    pending: int
    wake: int
    at: tuple[int, ...]


class Choice(NamedTuple):
    """A step: of ``actor`` (its ``option``-th result), or, if ``actor`` is None, the store at
    position ``option`` of hart ``hart``'s buffer reaches memory."""

    actor: Actor | None
    option: int
    hart: int = 0


class Work:
    """A state being changed; `freeze` makes it one again. What happens is noted in ``lines``."""

    __slots__ = ("at", "buffers", "early", "lines", "memory", "operations", "pending", "wake")

    def __init__(self, state: State, nodes: list[Node | None], lines: list[Line] | None) -> None:
        self.memory = list(state.memory)
        self.buffers = [list(buffer) for buffer in state.buffers]
        self.early = [dict(early) for early in state.early]
        self.pending = state.pending
        self.wake = state.wake
        self.at = nodes
        self.lines = lines
        self.operations = 0

    def freeze(self) -> State:
        """The state as it is now."""
        return State(
            tuple(self.memory),
            tuple([tuple(buffer) for buffer in self.buffers]),
            tuple([tuple(sorted(early.items())) if early else () for early in self.early]),
            self.pending,
            self.wake,
            tuple([-1 if node is None else node.number for node in self.at]),
        )

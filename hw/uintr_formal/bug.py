"""Designs made wrong on purpose, which the proofs have to notice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Bug", "also", "elaborated", "replaced"]


@dataclass(frozen=True)
class Bug:
    """A design made wrong on purpose.

    Parameters
    ----------
    name : what is wrong
    proof : the proof that has to notice
    broken : a context in which designs are made wrong
    """

    name: str
    proof: str
    broken: Callable[[], Any]


def also(change: Callable[[Any, Any], None]) -> Callable[[Any], Any]:
    """What makes the wrong ``elaborate`` of the right one: ``change(self, m)`` comes after it."""

    def make(right: Any) -> Any:
        def wrong(self: Any, platform: Any) -> Any:
            m = right(self, platform)
            change(self, m)
            return m

        return wrong

    return make


def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], Any]:
    """A context in which ``owner`` has ``make`` of its attribute ``name`` in that one's place."""

    @contextmanager
    def broken() -> Iterator[None]:
        right = getattr(owner, name)
        setattr(owner, name, make(right))
        try:
            yield
        finally:
            setattr(owner, name, right)

    return broken


def elaborated(name: str, proof: str, owner: Any, make: Callable[[Any], Any]) -> Bug:
    """A bug of what ``owner`` elaborates."""
    return Bug(name, proof, replaced(owner, "elaborate", make))

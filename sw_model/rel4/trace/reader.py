"""The lines of an event log back as typed events."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from rel4.machine.events import Event

__all__ = ["parse_events"]


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events of an event log's lines, in order.

    Raises
    ------
    ValueError : a line is no event of this version; the sentence names its number.
    """
    known = _known()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            cycle, hart, kind = record.pop("cycle"), record.pop("hart"), record.pop("event")
            event = known[kind](**record)
            if type(cycle) is not int or type(hart) is not int:
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            short = line if len(line) <= 80 else f"{line[:80]}..."
            raise ValueError(f"event {number} must be one of this version, not {short!r}") from None
        event.cycle, event.hart = cycle, hart
        yield event


def _known() -> dict[str, Any]:
    """Every event class by its name, those that other modules add included."""
    found: dict[str, Any] = {}
    waiting: list[type[Event]] = [Event]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if not cls.__name__.startswith("_") and len(fields(cls)) > 2:
            # Giving a class slots makes it anew, and the one before may not have been collected
            # yet: of two of a name the later one, which comes first here, is used.
            found.setdefault(cls.kind, cls)
    return found

"""A written event log back as typed events."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from rel4.machine.events import Event, read_log

__all__ = ["parse_events", "read_events"]


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
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"event {number} must be one of this version, not {line!r}") from None
        event.cycle, event.hart = cycle, hart
        yield event


def read_events(path: Path) -> list[Event]:
    """All events of the log at ``path``.

    Raises
    ------
    ValueError : it is no event log of this version; the sentence names the file.
    """
    try:
        return list(parse_events(read_log(path)))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} must be a readable event log: {error}") from error


def _known() -> dict[str, Any]:
    """Every event class by its name, those that other modules add included."""
    found: dict[str, Any] = {}
    waiting: list[type[Event]] = [Event]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if not cls.__name__.startswith("_") and len(fields(cls)) > 2:
            found[cls.kind] = cls
    return found

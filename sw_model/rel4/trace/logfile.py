"""Event logs in files: gzip-compressed JSON lines, of which the first says what was run."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rel4.machine.events import Event
from uintr.files import atomic_file

from .reader import parse_events

__all__ = ["read_about", "read_events", "read_lines", "write_log"]

_ABOUT = "about"


def write_log(lines: Iterable[str], path: Path, about: Mapping[str, Any]) -> None:
    """Write an event log; equal runs give equal bytes.

    Parameters
    ----------
    lines : of `rel4.machine.events.EventLog`
    path : where it appears when it is whole
    about : what was run, with ``run``, the name of the run, which its record holds too
    """
    with (
        atomic_file(path) as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file,
    ):
        file.write(json.dumps({_ABOUT: about}, separators=(",", ":")).encode() + b"\n")
        for line in lines:
            file.write(line.encode() + b"\n")


def _lines(path: Path) -> Iterator[str]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield line.rstrip("\n")
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be a readable event log: {error}") from None
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def _about(line: str) -> dict[str, Any] | None:
    """What the line says about the run; None if it is an event."""
    if not line.startswith(f'{{"{_ABOUT}":'):
        return None
    try:
        found = json.loads(line)[_ABOUT]
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def read_about(path: Path) -> dict[str, Any]:
    """What was run, as `write_log` was told; empty in a log that does not say.

    Raises
    ------
    ValueError, OSError : it is no readable log; names it.
    """
    lines = _lines(path)
    first = next(lines, "")
    lines.close()  # type: ignore[attr-defined]  # a generator
    return _about(first) or {}


def read_lines(path: Path) -> Iterator[str]:
    """The events' lines.

    Raises
    ------
    ValueError, OSError : it is no readable log; names it.
    """
    for number, line in enumerate(_lines(path)):
        if number or _about(line) is None:
            yield line


def read_events(path: Path) -> list[Event]:
    """All events.

    Raises
    ------
    ValueError : it is no event log of this version; the sentence names file and event.
    OSError : it cannot be read.
    """
    try:
        events = list(parse_events(read_lines(path)))
    except ValueError as error:
        text = str(error)
        raise ValueError(
            text if text.startswith(str(path)) else f"{path} must be a readable event log: {text}"
        ) from None
    if not events:
        raise ValueError(f"{path} must hold at least one event, not none")
    return events

"""What was measured, opened in one call: as NumPy arrays, as a pandas table, as Parquet.

A sweep is its folder or its ``results.jsonl``; a study its ``results.csv``; an event log the file
that a sweep or ``rel4 trace`` wrote.
"""

import json
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from rel4.trace.logfile import read_events
from uintr.files import atomic_file

from .results import PointRecord, read_results

__all__ = ["event_arrays", "frame", "record_array", "to_parquet"]

RESULTS = "results.jsonl"


def record_array(path: str | Path) -> Any:
    """The points of a sweep as a structured array: a field a field of `PointRecord`. A number that
    is missing, such as the published one, is NaN.

    Raises
    ------
    ValueError, OSError : it holds no results; names file and line.
    """
    records = read_results(_results(Path(path)))
    columns = {}
    for field in fields(PointRecord):
        values = [getattr(record, field.name) for record in records]
        if any(isinstance(value, str) for value in values):
            columns[field.name] = np.array(["" if v is None else v for v in values])
        elif any(value is None for value in values):
            columns[field.name] = np.array([np.nan if v is None else v for v in values], float)
        else:
            columns[field.name] = np.array(values)
    return _structured(columns)


def event_arrays(path: str | Path) -> dict[str, Any]:
    """The events of a log, a structured array for each kind, with the fields that kind has;
    ``cycle`` and ``hart`` come first.

    >>> traps = event_arrays("build/first/tick-h1-n8-s1.jsonl.gz")["Trap"]  # doctest: +SKIP
    >>> np.diff(traps["cycle"][traps["cause"] == "timer"])                  # doctest: +SKIP

    Raises
    ------
    ValueError, OSError : it is no readable event log; names it.
    """
    kinds: dict[str, list[Any]] = defaultdict(list)
    for event in read_events(Path(path)):
        kinds[event.kind].append(event)
    return {
        kind: _structured(
            {
                field.name: np.array([getattr(event, field.name) for event in events])
                for field in fields(events[0])
            }
        )
        for kind, events in kinds.items()
    }


def _structured(columns: dict[str, Any]) -> Any:
    made = np.empty(
        len(next(iter(columns.values()))), [(name, each.dtype) for name, each in columns.items()]
    )
    for name, each in columns.items():
        made[name] = each
    return made


def frame(path: str | Path) -> Any:
    """A sweep, a study or an event log as a pandas table. Of an event log a row is an event, and a
    field that its kind does not have is missing.

    Raises
    ------
    ValueError, OSError : it is none of them; or pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise ValueError(
            "pandas must be installed for tables (pip install 'pandas>=2'), but is not"
        ) from None
    path = Path(path)
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.is_dir() or path.name == RESULTS:
        read_results(_results(path))  # is it right?
        lines = _results(path).read_text(encoding="utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])
    rows = [
        {"cycle": event.cycle, "hart": event.hart, "event": event.kind}
        | {
            field.name: getattr(event, field.name)
            for field in fields(event)
            if field.name not in ("cycle", "hart")
        }
        for event in read_events(path)
    ]
    return pd.DataFrame(rows).convert_dtypes()


def to_parquet(path: str | Path, out: str | Path) -> None:
    """`frame` as a Parquet file.

    Raises
    ------
    As `frame`; ValueError : pyarrow is not installed.
    """
    table = frame(path)
    with atomic_file(Path(out)) as file:
        try:
            table.to_parquet(file)
        except ImportError:
            raise ValueError(
                "pyarrow must be installed for Parquet (pip install 'pyarrow>=15'), but is not"
            ) from None


def _results(path: Path) -> Path:
    return path / RESULTS if path.is_dir() else path

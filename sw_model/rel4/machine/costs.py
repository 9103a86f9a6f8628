"""The costs of software work: loaded from costs.toml, each with unit (cycles) and provenance."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = [
    "SETS",
    "Cost",
    "Costs",
    "chosen_costs",
    "load_costs",
    "measured_costs",
    "measured_with",
]

SETS = ("published", "measured")
"""Sets of costs that have a name; others are files."""
PROVENANCES = ("published", "derived", "assumed", "measured")


@dataclass(frozen=True)
class Cost:
    """One cost: ``value`` in cycles, where it comes from, and what kind of knowledge that is."""

    value: int
    provenance: str
    source: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, int) or self.value < 0:
            raise ValueError(f"cost value must be a whole number of cycles, not {self.value!r}")
        if self.provenance not in PROVENANCES:
            raise ValueError(
                f"cost provenance must be one of {', '.join(PROVENANCES)}, not {self.provenance!r}"
            )
        if not self.source:
            raise ValueError("cost source must be given")


class Costs(Mapping[str, int]):
    """Costs by dotted name, such as ``costs["user.fetch"]``, in cycles."""

    def __init__(self, table: Mapping[str, Cost]) -> None:
        self.table = dict(table)
        self._values = {name: cost.value for name, cost in self.table.items()}

    def scaled(self, name: str, factor: float) -> "Costs":
        """The same costs with one of them multiplied by ``factor`` and rounded.

        Raises
        ------
        KeyError : there is no such cost.
        """
        return self.changed({name: round(self[name] * factor)})

    def changed(self, values: Mapping[str, int]) -> "Costs":
        """The same costs with some of them, by name, at other values.

        Raises
        ------
        KeyError : there is no such cost.
        """
        for name in values:
            self[name]
        changes = {name: replace(self.table[name], value=value) for name, value in values.items()}
        return Costs({**self.table, **changes})

    @property
    def differences(self) -> tuple[tuple[str, int], ...]:
        """Names and values that are not those of costs.toml: what a run with these costs may differ
        by."""
        published = load_costs()
        return tuple((name, self[name]) for name in sorted(self) if self[name] != published[name])

    def __getitem__(self, name: str) -> int:
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(
                f"cost must be one of {', '.join(sorted(self._values))}, not {name!r}"
            ) from None

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@cache
def load_costs(text: str | None = None) -> Costs:
    """Costs from TOML ``text``, or from the costs.toml of this package, which is read once.

    Raises
    ------
    ValueError : an entry lacks value, provenance or source, or has a bad one.
    """
    if text is None:
        text = files(__package__).joinpath("costs.toml").read_text(encoding="utf-8")
    table: dict[str, Cost] = {}
    for group, entries in tomllib.loads(text).items():
        if not isinstance(entries, dict):
            raise ValueError(f"costs group {group} must be a table, not {entries!r}")
        for name, entry in entries.items():
            try:
                table[f"{group}.{name}"] = Cost(**entry)
            except (TypeError, ValueError) as error:
                raise ValueError(f"costs entry {group}.{name} is not right: {error}") from error
    return Costs(table)


def _measured(text: str | None) -> list[dict[str, Any]]:
    if text is None:
        text = files(__package__).joinpath("costs.measured.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text).get("at", [])
    for name in ("memory_latency", "cache_kib", "root_switch", "costs"):
        if not all(isinstance(row, dict) and name in row for row in rows):
            raise ValueError(f"each [[at]] must have {name}")
    return rows


def measured_with() -> set[tuple[str, str]]:
    """Compilers and flags of the compiled systems that costs.measured.toml is of."""
    return {(row["compiler"], row["flags"]) for row in _measured(None)}


@cache
def measured_costs(
    *,
    memory_latency: int,
    cache_kib: int,
    root_switch: int = 0,
    harts: int = 1,
    text: str | None = None,
) -> Costs:
    """Costs of the compiled system from TOML ``text``, or from costs.measured.toml of this package;
    what it does not measure stays as `load_costs` has it. Between two memory latencies that were
    measured a cost lies on a straight line. With several harts, costs that are others then (and
    were measured with two) take the place of those of one.

    Raises
    ------
    ValueError : there is nothing measured with this cache and root switch, or not on both sides of
        this latency.
    """
    table = dict(load_costs().table)
    for count in (1, 2)[:harts]:
        rows = {
            row["memory_latency"]: row["costs"]
            for row in _measured(text)
            if (row["cache_kib"], row["root_switch"]) == (cache_kib, root_switch)
            and row.get("harts", 1) == count
        }
        below = max((each for each in rows if each <= memory_latency), default=None)
        above = min((each for each in rows if each >= memory_latency), default=None)
        if below is None or above is None:
            if count > 1:
                break
            known = ", ".join(map(str, sorted(rows))) or "none"
            raise ValueError(
                f"memory latency must be within those measured with {cache_kib} KiB of cache and "
                f"root switch {root_switch} ({known}), not {memory_latency}"
            )
        part = (memory_latency - below) / (above - below) if above > below else 0.0
        for name, low in rows[below].items():
            value = low["value"] + part * (rows[above][name]["value"] - low["value"])
            source = f"run of {low['program']}, memory latency {memory_latency}, {cache_kib} KiB"
            table[name] = Cost(round(value), "measured", source)
    return Costs(table)


def chosen_costs(
    choice: str,
    *,
    memory_latency: int = 1,
    cache_kib: int = 4,
    root_switch: int = 0,
    harts: int = 1,
) -> Costs:
    """The costs of a set of `SETS`, or of a TOML file: like costs.toml, whose costs stay where the
    file has none, or like costs.measured.toml. The rest chooses in what was measured.

    Raises
    ------
    ValueError : there is no such file, or it is not right; or nothing was measured there.
    """
    where = {
        "memory_latency": memory_latency,
        "cache_kib": cache_kib,
        "root_switch": root_switch,
        "harts": harts,
    }
    if choice == "published":
        return load_costs()
    if choice == "measured":
        return measured_costs(**where)
    try:
        text = Path(choice).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(
            f"costs must be {', '.join(SETS)} or a file that can be read, not {choice!r}: {reason}"
        ) from None
    try:
        if "at" in tomllib.loads(text):
            return measured_costs(**where, text=text)
        table = load_costs(text).table
        published = load_costs()
        for name in table:
            published[name]
    except (KeyError, TypeError, ValueError) as error:
        # The text of a KeyError is its first argument in quotes.
        said = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(f"costs file {choice} is not right: {said}") from None
    return Costs({**published.table, **table})

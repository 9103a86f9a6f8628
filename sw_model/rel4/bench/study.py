"""Studies: designs over any parameters, read from a TOML file.

::

    design = "grid"                  # every combination; or "random"
    samples = 100                    # random: how many
    seed = 1                         # random: of the choice
    device = "reference"

    [parameters]
    policy = ["tick", "inline"]
    concurrency = [2, 8, 64]
    "cost.user.fetch" = [104, 208]   # any cost of costs.toml
    timer_period = {min = 2000, max = 40000, log = true}   # random only

Parameters are those of `rel4.bench.point.Point`, ``receivers``, and costs. A list is a choice, a
table a range of whole numbers.
"""

import hashlib
import itertools
import json
import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from rel4.machine.costs import Costs, load_costs
from rel4.machine.device import Device, DeviceConfig, find_device
from rel4.machine.events import EventLog, Trap, UserTrap
from rel4.machine.faults import MachineError

from .analysis import IDLE, breakdown, calls, quantiles, window
from .conservation import ConservationError
from .point import Point, simulate
from .policies import find_policy
from .published import CALLS_PER_ROUND

__all__ = ["METRICS", "Study", "Trial", "read_study", "run_trial"]

_COST = "cost."
_POINT = tuple(field.name for field in fields(Point))
METRICS = (
    "cycles",
    "cycles_per_round",
    "traps_per_syscall",
    "timer_traps",
    "user_interrupts",
    "latency_mean",
    "latency_p50",
    "latency_p90",
    "latency_p99",
    "latency_max",
    "kernel_cycles",
    "lock_wait_cycles",
    "idle_cycles",
)
"""Columns that a trial gives; cycles of kernel, lock and idle are those of all harts together."""

Value = str | int | bool


@dataclass(frozen=True)
class Trial:
    """One run of a study: a device and the parameters of the run."""

    device: str
    parameters: tuple[tuple[str, Value], ...]

    @property
    def key(self) -> str:
        """A name that is the same for the same trial, in any study."""
        text = json.dumps([self.device, self.parameters], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A design.

    Parameters
    ----------
    device : name of a device
    names : of the parameters, in the order of the file
    trials : in the order of the design
    """

    device: str
    names: tuple[str, ...]
    trials: tuple[Trial, ...]


def read_study(path: Path) -> Study:
    """The study in ``path``.

    Raises
    ------
    ValueError : the file cannot be read, or its design is not right; the sentence names the entry.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} must be a readable TOML file: {error}") from error
    unknown = document.keys() - {"design", "samples", "seed", "device", "parameters"}
    if unknown:
        raise ValueError(f"{path} must not have {', '.join(sorted(unknown))}")
    device = document.get("device", "reference")
    find_device(device)
    parameters: dict[str, Any] = document.get("parameters", {})
    _check_names(parameters)
    match document.get("design", "grid"):
        case "grid":
            chosen = _grid(parameters)
        case "random":
            samples, seed = document.get("samples", 100), document.get("seed", 1)
            if not isinstance(samples, int) or samples < 1:
                raise ValueError(f"samples must be a whole number from 1 on, not {samples!r}")
            chosen = _random(parameters, samples, seed)
        case other:
            raise ValueError(f"design must be grid or random, not {other!r}")
    trials = tuple(Trial(device, tuple(values.items())) for values in chosen)
    return Study(device=device, names=tuple(parameters), trials=tuple(dict.fromkeys(trials)))


def _check_names(parameters: Mapping[str, Any]) -> None:
    known = [*_POINT, "receivers", *(f"{_COST}{name}" for name in load_costs())]
    for name in parameters:
        if name not in known:
            raise ValueError(f"parameters must be of {', '.join(known)}, not {name!r}")
    for name in ("policy", "concurrency"):
        if name not in parameters:
            raise ValueError(f"parameters must have {name}, and have none")


def _grid(parameters: Mapping[str, Any]) -> Iterator[dict[str, Value]]:
    for name, values in parameters.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{name} of a grid must be a list of values, not {values!r}")
    for values in itertools.product(*parameters.values()):
        yield dict(zip(parameters, values, strict=True))


def _random(parameters: Mapping[str, Any], samples: int, seed: int) -> Iterator[dict[str, Value]]:
    source = random.Random(f"study/{seed}")
    for _ in range(samples):
        yield {name: _pick(source, name, values) for name, values in parameters.items()}


def _pick(source: random.Random, name: str, values: Any) -> Value:
    if isinstance(values, list) and values:
        chosen: Value = source.choice(values)
        return chosen
    match values:
        case {"min": int(low), "max": int(high), **rest} if low <= high and rest.keys() <= {"log"}:
            if rest.get("log") and low > 0:
                return round(math.exp(source.uniform(math.log(low), math.log(high))))
            return source.randint(low, high)
        case _:
            raise ValueError(
                f"{name} must be a list of values, or min and max with min at most max, "
                f"not {values!r}"
            )


def run_trial(trial: Trial) -> dict[str, Any]:
    """Run one trial, wherever this is called, and answer its row: parameters, `METRICS` and
    ``error``, which is empty unless the parameters cannot be run together."""
    row: dict[str, Any] = dict(trial.parameters) | dict.fromkeys(METRICS)
    try:
        point, config, costs = _setting(dict(trial.parameters))
        job = partial(_measure, point, costs)
        row |= find_device(trial.device)(config, job)
    except (ValueError, MachineError, ConservationError) as error:
        return row | {"error": str(error)}
    return row | {"error": ""}


def _setting(values: dict[str, Any]) -> tuple[Point, DeviceConfig, Costs]:
    table = dict(load_costs().table)
    for name in [name for name in values if name.startswith(_COST)]:
        cost = name.removeprefix(_COST)
        table[cost] = replace(table[cost], value=values.pop(name))
    receivers = values.pop("receivers", None)
    values.setdefault("harts", find_policy(values["policy"]).harts)
    point = Point(**values)
    config = point.config if receivers is None else replace(point.config, receivers=receivers)
    return point, config, Costs(table)


async def _measure(point: Point, costs: Costs, device: Device) -> dict[str, Any]:
    return _metrics(point, await simulate(point, device, costs=costs))


def _metrics(point: Point, log: EventLog) -> dict[str, Any]:
    events: Sequence[Any] = log.events
    begin, end = window(events)
    inside = [event for event in events if begin <= event.cycle <= end]
    causes = [event.cause for event in inside if isinstance(event, Trap)]
    latency = quantiles(call.cycles for call in calls(events))
    assert latency is not None  # the run made calls, and conservation holds
    harts = breakdown(events, point.harts)

    def total(*prefixes: str) -> int:
        return sum(
            cycles for hart in harts for name, cycles in hart.items() if name.startswith(prefixes)
        )

    return {
        "cycles": end - begin,
        "cycles_per_round": round((end - begin) * CALLS_PER_ROUND / point.calls, 3),
        "traps_per_syscall": round(causes.count("ecall") / point.calls, 6),
        "timer_traps": causes.count("timer"),
        "user_interrupts": sum(isinstance(event, UserTrap) for event in inside),
        "latency_mean": round(latency.mean, 3),
        "latency_p50": latency.p50,
        "latency_p90": latency.p90,
        "latency_p99": latency.p99,
        "latency_max": latency.most,
        "kernel_cycles": total("kernel.", "trap."),
        "lock_wait_cycles": total("kernel.lock_wait"),
        "idle_cycles": total(IDLE),
    }

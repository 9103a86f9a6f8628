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

import itertools
import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from rel4.machine.costs import Costs, load_costs
from rel4.machine.device import MODEL_HARTS, Device, DeviceConfig, device_names, find_device
from rel4.machine.events import EventLog
from rel4.machine.faults import MachineError
from uintr.program import choose

from .analysis import IDLE, breakdown, calls, quantiles, window
from .campaign import identity
from .conservation import ConservationError
from .point import Point, simulate
from .policies import find_policy, policy_names
from .published import CALLS_PER_ROUND

__all__ = ["BROKEN", "METRICS", "Study", "Trial", "columns", "read_study", "run_trial"]

_COST = "cost."
MAX_COST = 1_000_000_000
MAX_TRIALS = 1_000_000
BROKEN = "the run is not valid: "
_POINT = tuple(field.name for field in fields(Point))
METRICS = (
    "cycles",
    "cycles_per_round",
    "traps_per_syscall",
    "timer_traps",
    "user_interrupts",
    "wakeups_of_kernel",
    "latency_mean",
    "latency_p50",
    "latency_p90",
    "latency_p99",
    "latency_max",
    "kernel_cycles",
    "lock_wait_cycles",
    "idle_cycles",
)
"""Columns that a trial gives; cycles of kernel, lock and idle are those of all harts together, and
`wakeups_of_kernel` are the interrupts by which posts and other harts tell the kernel of work."""

Value = str | int | bool


@dataclass(frozen=True)
class Trial:
    """One run of a study: a device, the parameters of the run, and the costs that are not as in
    costs.toml, unless a parameter says otherwise."""

    device: str
    parameters: tuple[tuple[str, Value], ...]
    costs: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> str:
        """A name that is the same for the same trial of the same source, in any study."""
        return identity(device=self.device, parameters=self.parameters, costs=self.costs)


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


def columns(study: Study) -> list[str]:
    """Of its table."""
    return [*study.names, *METRICS, "error", "device", "version", "commit"]


def read_study(path: Path) -> Study:
    """The study in ``path``.

    Raises
    ------
    OSError : the file cannot be read.
    ValueError : its design is not right; the sentence names the file and the entry.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        raise ValueError(f"{path} must be a readable TOML file: {error}") from error
    try:
        return _study(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _study(document: dict[str, Any]) -> Study:
    for name in document:
        choose("an entry", name, ("design", "samples", "seed", "device", "parameters"))
    device = document.get("device", "reference")
    find_device(choose("device", device, device_names()))
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ValueError(f"parameters must be a table, not {parameters!r}")
    design = choose("design", document.get("design", "grid"), ("grid", "random"))
    _check_parameters(parameters)
    if design == "grid":
        for name in ("samples", "seed"):
            if name in document:
                raise ValueError(f"{name} must be left out of a grid, which has every combination")
        count = math.prod(map(len, parameters.values())) if _lists(parameters) else 0
        if count > MAX_TRIALS:
            raise ValueError(f"a grid must have at most {MAX_TRIALS} combinations, not {count}")
        chosen = _grid(parameters)
    else:
        samples, seed = document.get("samples", 100), document.get("seed", 1)
        if not _is_whole(samples) or not 1 <= samples <= MAX_TRIALS:
            raise ValueError(f"samples must be 1 to {MAX_TRIALS}, not {samples!r}")
        if not _is_whole(seed):
            raise ValueError(f"seed must be a whole number, not {seed!r}")
        chosen = _random(parameters, samples, seed)
    trials = tuple(Trial(device, tuple(values.items())) for values in chosen)
    return Study(device=device, names=tuple(parameters), trials=tuple(dict.fromkeys(trials)))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _lists(parameters: Mapping[str, Any]) -> bool:
    """Whether all are lists, as a grid wants them.

    Raises
    ------
    ValueError : one is not.
    """
    for name, values in parameters.items():
        if not isinstance(values, list):
            raise ValueError(f"{name} of a grid must be a list of values, not {values!r}")
    return True


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    """Every value must be right by itself; whether values go together, a trial shows."""
    known = [*_POINT, "receivers", *(f"{_COST}{name}" for name in load_costs())]
    for name, values in parameters.items():
        choose("a parameter", name, known)
        for value in _values(name, values):
            _check_value(name, value)
    for name in ("policy", "concurrency"):
        if name not in parameters:
            raise ValueError(f"parameters must have {name}, and have none")


def _values(name: str, values: Any) -> list[Any]:
    """Those of a list, or the ends of a range."""
    match values:
        case list() if values:
            for value in values:
                if sum(value == other and type(value) is type(other) for other in values) > 1:
                    raise ValueError(f"{name} must name each value once, not {value!r} twice")
            return values
        case {"min": low, "max": high, **rest} if (
            _is_whole(low)
            and _is_whole(high)
            and low <= high
            and rest.keys() <= {"log"}
            and isinstance(rest.get("log", False), bool)
        ):
            if rest.get("log") and low < 1:
                raise ValueError(f"min of {name} must be at least 1 with log, not {low}")
            return [low, high]
        case _:
            raise ValueError(
                f"{name} must be a list of values, or min and max with min at most max, "
                f"not {values!r}"
            )


def _check_value(name: str, value: Any) -> None:
    if name.startswith(_COST):
        if not _is_whole(value) or not 0 <= value <= MAX_COST:
            raise ValueError(f"{name} must be 0 to {MAX_COST}, not {value!r}")
    elif name == "receivers":
        if not _is_whole(value):
            raise ValueError(f"receivers must be a whole number, not {value!r}")
        DeviceConfig(receivers=value)
    elif name == "policy":
        if not isinstance(value, str):
            raise ValueError(f"policy must be a name, not {value!r}")
        choose("policy", value, policy_names())
    else:
        shape: dict[str, Any] = {"policy": "sync", "harts": MODEL_HARTS, "concurrency": 1}
        Point(**{**shape, name: value})


def _grid(parameters: Mapping[str, Any]) -> Iterator[dict[str, Value]]:
    for values in itertools.product(*parameters.values()):
        yield dict(zip(parameters, values, strict=True))


def _random(parameters: Mapping[str, Any], samples: int, seed: int) -> Iterator[dict[str, Value]]:
    source = random.Random(f"study/{seed}")
    for _ in range(samples):
        yield {name: _pick(source, values) for name, values in parameters.items()}


def _pick(source: random.Random, values: Any) -> Value:
    if isinstance(values, list):
        chosen: Value = source.choice(values)
        return chosen
    low, high = values["min"], values["max"]
    if values.get("log"):
        return round(math.exp(source.uniform(math.log(low), math.log(high))))
    return source.randint(low, high)


def run_trial(trial: Trial) -> dict[str, Any]:
    """Run one trial, wherever this is called, and return its row: parameters, `METRICS` and
    ``error``, which is empty unless the parameters cannot be run together or the run broke a rule
    (then it begins with `BROKEN`)."""
    row: dict[str, Any] = dict(trial.parameters) | dict.fromkeys(METRICS)
    try:
        point, config, costs = _setting(dict(trial.parameters), dict(trial.costs))
        job = partial(_measure, point, costs)
        row |= find_device(trial.device)(config, job)
    except ValueError as error:
        return row | {"error": str(error)}
    except (MachineError, ConservationError) as error:
        return row | {"error": BROKEN + str(error)}
    return row | {"error": ""}


def _setting(values: dict[str, Any], changes: dict[str, int]) -> tuple[Point, DeviceConfig, Costs]:
    table = dict(load_costs().changed(changes).table)
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
    measured = window(events)
    latency = quantiles(call.cycles for call in calls(events))
    assert latency is not None  # the run made calls, and conservation holds
    harts = breakdown(events, point.harts)

    def total(*prefixes: str) -> int:
        return sum(
            cycles for hart in harts for name, cycles in hart.items() if name.startswith(prefixes)
        )

    return {
        "cycles": measured.cycles,
        "cycles_per_round": round(measured.cycles * CALLS_PER_ROUND / point.calls, 3),
        "traps_per_syscall": round(measured.traps("ecall") / point.calls, 6),
        "timer_traps": measured.traps("timer"),
        "user_interrupts": measured.user_interrupts,
        "wakeups_of_kernel": measured.traps("uipi", "ipi"),
        "latency_mean": round(latency.mean, 3),
        "latency_p50": latency.p50,
        "latency_p90": latency.p90,
        "latency_p99": latency.p99,
        "latency_max": latency.most,
        "kernel_cycles": total("kernel.", "trap."),
        "lock_wait_cycles": total("kernel.lock_wait"),
        "idle_cycles": total(IDLE),
    }

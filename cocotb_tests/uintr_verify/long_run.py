"""The long random run: record on the reference, replay on RTL, gather the functional coverage."""

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, Store, identity, run_campaign
from rel4.bench.results import source_commit
from rel4.machine.device import DeviceConfig
from tb_replay import replay as replay_job
from uintr.files import write_atomically
from uintr_cosim.device import run
from uintr_cosim.functional import DISTANCES, model
from uintr_verify.native import build_replay, replay
from uintr_verify.random_traffic import record_random
from uintr_verify.waivers import load_waivers, waive

__all__ = ["coverage_record", "random_run", "run_seed"]


def run_seed(
    shape: str, config: DeviceConfig, seed: str, operations: int, icarus_cycles: int
) -> tuple[dict[str, Any], Counter[str]]:
    """One seed of one shape. Returns its record and its functional coverage.

    The first ``icarus_cycles`` cycles run on Icarus as well, and the logs must be the same.

    Raises
    ------
    AssertionError : an output differs from the reference, or the logs differ.
    """
    program = build_replay(config)
    with tempfile.TemporaryDirectory(prefix="random-") as folder:
        path, log, other = (Path(folder) / name for name in ("stimulus", "log", "icarus"))
        begin = time.monotonic()
        coverage, done, cycles = record_random(
            config=config, seed=seed, operations=operations, path=path
        )
        recorded = time.monotonic()
        (outcome,) = replay(program, [path], log=log)
        replayed = time.monotonic()
        if not outcome["good"]:
            raise AssertionError(
                f"shape {shape!r}, seed {seed!r}, cycle {outcome['cycles']}: {outcome['what']}"
            )
        if icarus_cycles:
            os.environ["UINTR_SIM"] = "icarus"
            run(config, partial(replay_job, path=path, log=other, cycles=icarus_cycles))
            ours = other.read_text().splitlines()
            theirs = log.read_text().splitlines()[: len(ours)]
            if ours != theirs:
                raise AssertionError(f"shape {shape!r}, seed {seed!r}: the simulators' logs differ")
        digest = hashlib.sha256(log.read_bytes()).hexdigest()
    record = {
        "shape": shape,
        "seed": seed,
        "operations": done,
        "cycles": cycles,
        "log": digest[:16],
        "icarus_cycles": min(icarus_cycles, cycles),
        "record_seconds": round(recorded - begin, 1),
        "replay_seconds": round(replayed - recorded, 1),
        "commit": source_commit(),
    }
    return record, coverage.bins


@dataclass(frozen=True)
class _Seed:
    """A batch: one seed of one shape."""

    shape: str
    config: DeviceConfig
    seed: str
    operations: int
    icarus_cycles: int

    def run(self, key: str, store: Store) -> None:
        record, bins = run_seed(
            self.shape, self.config, self.seed, self.operations, self.icarus_cycles
        )
        store.add(key, {"record": record, "bins": bins})


def random_run(
    shapes: Mapping[str, DeviceConfig],
    *,
    seeds: Iterable[int],
    operations: int,
    icarus_cycles: int,
    store: Store,
    conduct: Conduct,
) -> list[tuple[dict[str, Any], Counter[str]]]:
    """All seeds of all shapes, ``operations`` each; Icarus with the first seed.

    Raises
    ------
    As `run_seed` and `run_campaign`.
    """
    seeds = list(seeds)
    for config in shapes.values():
        build_replay(config)
    tasks = [
        _Seed(shape, config, f"{shape} {seed}", operations, icarus_cycles * (seed == seeds[0]))
        for seed in seeds
        for shape, config in shapes.items()
    ]
    found = run_campaign(
        {identity("uintr_verify", what="random", task=asdict(each)): each for each in tasks},
        lambda todo: [partial(task.run, key, store) for key, task in todo.items()],
        store=store,
        conduct=conduct,
        name="random",
        unit="seed",
    )
    return [(found[key]["record"], Counter(found[key]["bins"])) for key in found]


def coverage_record(bins: Counter[str], configs: Iterable[DeviceConfig]) -> dict[str, Any]:
    """What was met of the model, group by group, with holes and waivers.

    Only waivers for the latencies of the shapes count.
    """
    configs = list(configs)
    names = list(dict.fromkeys(name for config in configs for name in model(config)))
    holes = [name for name in names if not bins[name]]
    hit = [name for name in names if bins[name]]
    others = tuple({"L2", "L3", "L4"} - {f"L{config.latency}" for config in configs})
    waivers = [each for each in load_waivers("functional") if not each.pattern.startswith(others)]
    waived, remaining, stale = waive(holes, hit, waivers)
    groups: dict[str, list[int]] = {}
    for name in names:
        latency, _, rest = name.partition(" ")
        crossed = latency in ("L2", "L3", "L4") and " @" in rest
        group = f"{latency} @{name.rpartition('@')[2]}" if crossed else "requests and features"
        counts = groups.setdefault(group, [0, 0, 0])
        counts[0] += 1
        counts[1] += bins[name] > 0
        counts[2] += name in waived
    reasons = Counter(waiver.reason for waiver in waived.values())
    return {
        "commit": source_commit(),
        "distances": list(DISTANCES),
        "groups": {
            name: dict(zip(("bins", "met", "waived"), c, strict=True)) for name, c in groups.items()
        },
        "waivers": [{"reason": reason, "bins": count} for reason, count in reasons.items()],
        "holes": remaining,
        "stale": stale,
        "met": {name: bins[name] for name in names if bins[name] and " @" not in name},
    }


def write_json(path: Path, content: Any) -> None:
    """A file that reads well in a diff."""
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())

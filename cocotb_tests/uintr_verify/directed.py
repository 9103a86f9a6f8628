"""Recorded stimulus for coverage and mutation: directed testbenches, and random traffic."""

from pathlib import Path
from typing import Any

import tb_crowd
import tb_extensions
import tb_latency
import tb_registers
import tb_walking
from contract import benches_of
from rel4.machine.device import DeviceConfig, run_sync
from uintr_verify.random_traffic import record_random
from uintr_verify.stimulus import Recorder

__all__ = ["BENCHES", "CROWD", "directed_stimulus", "random_stimulus"]

CROWD = benches_of(tb_crowd)
"""For many receivers."""
BENCHES = (*benches_of(tb_registers, tb_extensions, tb_walking), *CROWD, tb_latency.sweep)
"""The register suite, the extensions' tests, one bit at a time, all receivers at once, and
operations while the sweep runs: for few receivers."""


def directed_stimulus(
    config: DeviceConfig, folder: Path, benches: tuple[Any, ...] = BENCHES
) -> list[Path]:
    """Testbenches, a file each."""
    files = []
    for bench in benches:
        path = folder / bench.__name__
        recorder = Recorder(config=config, path=path, about={"bench": bench.__name__})
        run_sync(bench(recorder))
        recorder.close()
        files.append(path)
    return files


def random_stimulus(
    config: DeviceConfig, folder: Path, *, seeds: int, operations: int
) -> list[Path]:
    """Random traffic, a file a seed."""
    files = []
    for seed in range(1, seeds + 1):
        path = folder / f"random_{seed}"
        record_random(config=config, seed=f"mutation {seed}", operations=operations, path=path)
        files.append(path)
    return files

"""What coverage and mutation take in: three tops, the blocks in them, and what is run on each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tb_behaviour
import tb_crowd
import tb_extensions
import tb_intel_walking
import tb_latency
import tb_lines
import tb_registers
import tb_walking
from contract import INTEL, SHAPES, benches_of
from intel_scene import IntelScene
from rel4.machine.device import DeviceConfig, run_sync
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, PAGE_BYTES, Flavour
from uintr_cosim.shared_reference import BusTransfer
from uintr_verify.linked import linked
from uintr_verify.random_traffic import record_intel, record_linked, record_random
from uintr_verify.stimulus import Recorder

__all__ = ["COVERED", "MUTATED", "Target"]

_CROWD = benches_of(tb_crowd)
"""For many receivers."""
_FEW = benches_of(tb_registers, tb_extensions, tb_walking, tb_behaviour)
"""The register suite, the extensions' tests, one bit at a time, and behaviour: for few receivers,
with all receivers at once and operations while the sweep runs."""
_LINES = benches_of(tb_lines)
"""For the usual latency."""
_ALIKE = (
    *benches_of(tb_walking),
    *(tb_registers.csr_bits, tb_registers.csr_numbers, tb_extensions.posts_in_flight),
)
"""Of these hart 0 does most, and any other may do it in its place."""
_OF_A_HART = ("set_privilege", "submit", "response", "interrupt", "supervisor_interrupt")


async def _bus_from_outside(device: Any) -> None:
    """It reads what a hart has written, at every distance of one or two bits."""
    scene = IntelScene(device)
    bits = range(3, (device.config.table_pages * PAGE_BYTES - 1).bit_length())
    places = sorted({scene.base ^ 1 << one ^ 1 << other for one in bits for other in bits})
    for place in places:
        await scene.store(place, place)
    for place in places:
        device.present(BusTransfer(False, place, 0))
        while device.reference.outstanding[device.config.harts]:
            device.step()


class _Turned:
    """A device whose harts are counted from another one on."""

    def __init__(self, device: Any, first: int) -> None:
        self._device, self._first = device, first

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._device, name)
        if name not in _OF_A_HART:
            return value
        harts = self._device.config.harts
        return lambda hart, *rest: value((hart + self._first) % harts, *rest)


@dataclass(frozen=True)
class Target:
    """A top and what is run on it.

    Parameters
    ----------
    config : shape of the system
    blocks : those that are mutated: the module of each, below the top, and how many mutants
    linked : the system's bus is behind halves of words and AXI4-Lite
    """

    config: DeviceConfig
    blocks: tuple[tuple[str, str, int], ...] = ()
    linked: bool = False

    def top(self) -> Any:
        """The top, as `uintr_cosim.top.make_top` makes it."""
        from uintr_cosim.top import make_top

        return make_top(self.config, linked if self.linked else None)

    def directed(self, folder: Path) -> list[Path]:
        """Testbenches, a file each; those that are alike for every hart, a file a hart."""
        files = []
        for bench in self._benches():
            for hart in range(self.config.harts if bench in _ALIKE else 1):
                name = f"{bench.__name__} of hart {hart}" if hart else bench.__name__
                path = folder / name
                recorder = Recorder(config=self.config, path=path, about={"bench": name})
                run_sync(bench(_Turned(recorder, hart) if hart else recorder))
                recorder.close()
                files.append(path)
        return files

    def _benches(self) -> tuple[Callable[..., Any], ...]:
        if self.linked:
            return ()
        if self.config.flavour is Flavour.INTEL:
            more = (*tb_intel_walking.LONG, _bus_from_outside)
            return (*INTEL, *more) if self.config.harts == 2 else INTEL
        if self.config.features != ALL_FEATURES:
            return ()
        if self.config.receivers >= 16:
            return _CROWD
        lines = _LINES if self.config.latency == DEFAULT_LATENCY else ()
        return (*_FEW, *lines, *_CROWD, tb_latency.sweep)

    def random(self, folder: Path, *, seeds: int, operations: int) -> list[Path]:
        """Random traffic, a file a seed."""
        record: Callable[..., Any] = record_random
        if self.linked:
            record = record_linked
        elif self.config.flavour is Flavour.INTEL:
            record = record_intel
        files = []
        for seed in range(1, seeds + 1):
            path = folder / f"random_{seed}"
            name = f"mutation {seed}"
            record(config=self.config, seed=name, operations=operations, path=path)
            files.append(path)
        return files


_SMALL = DeviceConfig(harts=2, receivers=5, table_pages=3)

MUTATED = {
    "riscv": Target(
        _SMALL,
        (
            ("controller", "system.controller", 800),
            ("hart unit", "system.hart_unit_0", 600),
            ("hart unit 1", "system.hart_unit_1", 300),
        ),
    ),
    "intel": Target(
        SHAPES["intel 2"],
        (
            ("intel hart unit", "system.hart_unit_0", 600),
            ("intel hart unit 1", "system.hart_unit_1", 300),
            ("intel fabric", "system.fabric", 100),
            ("intel arbiter", "system.arbiter", 200),
        ),
    ),
}
"""By name. Names of blocks are different in all of them."""

COVERED = {
    **{name: Target(SHAPES[name]) for name in ("2x5", "2x512", "4x64", "2x6 fast", "3x9 slow")},
    **{name: Target(SHAPES[name]) for name in ("intel 2", "intel 4")},
    "2x5 linked": Target(SHAPES["2x5"], linked=True),
}
"""The shapes that coverage is counted in."""

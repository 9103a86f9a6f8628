"""Constrained-random traffic of all harts and the supervisor's bus at once, recorded."""

import random
from pathlib import Path

from intel_traffic import IntelBusTraffic, IntelTraffic
from rel4.machine.device import DeviceConfig, run_sync
from traffic import BusTraffic, Traffic
from uintr_cosim.functional import Functional
from uintr_cosim.shared_reference import BusTransfer
from uintr_verify.linked import HIGH, LOW, LinkedReference
from uintr_verify.stimulus import Recorder

__all__ = ["record_intel", "record_linked", "record_random"]

_RESET = 0.0002
_PRIVILEGE = 0.05
_DUEL = 0.3
_HALVES = 0.6


def record_random(
    *, config: DeviceConfig, seed: str, operations: int, path: Path
) -> tuple[Functional, int, int]:
    """Record traffic until ``operations`` requests and transfers are answered.

    Traffic comes in spells: crowds and quiet, all receivers or one, everything or a storm of
    operations on receivers, or a duel of the bus with posts. Returns the functional coverage, the
    operations and the cycles.
    """
    recorder = Recorder(config=config, path=path, about={"seed": seed})
    coverage = Functional(reference=recorder.reference)
    draw = random.Random(f"{seed} schedule")
    traffic = [Traffic(config=config, hart=hart, seed=seed) for hart in range(config.harts)]
    outside = BusTraffic(config=config, seed=seed)
    everyone = [*traffic, outside]
    outstanding = recorder.reference.outstanding
    spell, density, pause, duel = 0, 1.0, 0, False
    while recorder.operations < operations:
        if spell == 0:
            spell = draw.randrange(1, 150)
            density = draw.choice((1.0, 1.0, 1.0, 0.5, 0.1, 0.0))
            storm = draw.random() < 0.5
            focus = draw.randrange(min(4, config.receivers)) if draw.random() < 0.5 else None
            duel = draw.random() < _DUEL
            if duel:
                density = draw.choice((0.5, 0.1, 0.0, 0.0))
                focus = draw.randrange(min(4, config.receivers))
            for each in everyone:
                each.storm, each.focus, each.duel = storm, focus, duel
        spell -= 1
        if draw.random() < _RESET:
            run_sync(recorder.reset())
            outstanding = recorder.reference.outstanding
            for each in traffic:
                each.begin()
            coverage.reset()
        for hart, each in enumerate(traffic):
            if draw.random() < _PRIVILEGE and not each.beginning:
                recorder.set_privilege(hart, each.privilege())
            if not outstanding[hart] and draw.random() < density:
                request = each.request(recorder.interrupt(hart))
                coverage.submit(hart, request)
                recorder.submit(hart, request)
        if outstanding[config.harts]:
            pass
        elif pause:
            pause -= 1
        elif duel or draw.random() < density:
            pause = draw.randrange(5) if duel else 0
            transfer = BusTransfer(*outside.transfer())
            coverage.present(transfer)
            recorder.present(transfer)
        if recorder.quiescent and not pause:
            run_sync(recorder.run(draw.randrange(1, 30)))
        else:
            recorder.step()
        coverage.step()
    recorder.close()
    return coverage, recorder.operations, recorder.cycle


def record_intel(*, config: DeviceConfig, seed: str, operations: int, path: Path) -> None:
    """The same of Intel's flavour: spells of different density, with the bus from outside."""
    recorder = Recorder(config=config, path=path, about={"seed": seed})
    _record(recorder, IntelTraffic, IntelBusTraffic(config=config, seed=seed), seed, operations)


def record_linked(*, config: DeviceConfig, seed: str, operations: int, path: Path) -> None:
    """The same of a system behind AXI4-Lite: more transfers than requests, many of halves."""
    reference = LinkedReference(config)
    recorder = Recorder(config=config, path=path, about={"seed": seed}, reference=reference)
    _record(recorder, Traffic, _Halves(config=config, seed=seed), seed, operations)


class _Halves(BusTraffic):
    """Transfers of words, or of their halves, which mostly belong together."""

    def __init__(self, *, config: DeviceConfig, seed: str) -> None:
        super().__init__(config=config, seed=seed)
        self._low: tuple[bool, int] | None = None

    def transfer(self) -> tuple[bool, int, int, int]:
        write, address, data, select = super().transfer()
        draw = self._draw
        low, self._low = self._low, None
        if low is not None and draw.random() < 0.8:
            write, address = low
            if draw.random() < 0.1:
                write ^= True
            if draw.random() < 0.1:
                address ^= 1 << draw.randrange(3, 64)
            return write, address, data, HIGH
        if draw.random() < _HALVES:
            select = draw.choice((LOW, LOW, LOW, HIGH))
            if draw.random() < 0.1:
                address ^= 1 << draw.randrange(3, 64)
            self._low = (write, address) if select == LOW else None
        return write, address, data, select


def _record(
    recorder: Recorder,
    traffic_of: type[IntelTraffic] | type[Traffic],
    outside: IntelBusTraffic | BusTraffic,
    seed: str,
    operations: int,
) -> None:
    """Record until ``operations`` requests and transfers are answered."""
    config = recorder.config
    draw = random.Random(f"{seed} schedule")
    traffic = [traffic_of(config=config, hart=hart, seed=seed) for hart in range(config.harts)]
    spell, density, bus_density = 0, 1.0, 1.0
    while recorder.operations < operations:
        if spell == 0:
            spell = draw.randrange(1, 150)
            density = draw.choice((1.0, 1.0, 0.5, 0.1, 0.0))
            bus_density = draw.choice((1.0, 0.5, 0.0))
        spell -= 1
        if draw.random() < _RESET:
            run_sync(recorder.reset())
            for each in traffic:
                each.begin()
        outstanding = recorder.reference.outstanding
        for hart, each in enumerate(traffic):
            if draw.random() < _PRIVILEGE and not each.beginning:
                recorder.set_privilege(hart, each.privilege())
            if not outstanding[hart] and draw.random() < density:
                recorder.submit(hart, each.request(recorder.interrupt(hart)))
        if not outstanding[config.harts] and draw.random() < bus_density:
            recorder.present(BusTransfer(*outside.transfer()))
        if recorder.quiescent:
            run_sync(recorder.run(draw.randrange(1, 30)))
        else:
            recorder.step()
    recorder.close()

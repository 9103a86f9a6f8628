"""RTL and reference of the Intel flavour side by side, under random traffic and in scenes."""

from collections.abc import Callable
from functools import partial
from itertools import product

import tb_lockstep
from intel_scene import IntelScene
from intel_traffic import IntelTraffic
from rel4.machine.device import Device, Request
from uintr.intel.registers import (
    MSRS,
    Fault,
    Instruction,
    Internal,
    Msr,
)
from uintr.registers import CsrFunction, Privilege, RequestKind

__all__ = ["IntelPair", "lockstep", "races"]

_PROCESSED = 14
"""Cycles from SENDUIPI to the processing of its notification, which goes before a request."""
_PHASES = ("STATUS", "PIR", "WRITE_PIR", "WRITE_STATUS")


class IntelPair(tb_lockstep.Pair):
    """A `Pair` that knows what the Intel reference's inside tells about a cycle."""

    def _cover(self) -> None:
        reference, coverage = self.reference, self.coverage
        bus, fabric = reference.bus.waiting, reference.fabric.waiting
        coverage["quiescent"] += reference.quiescent
        coverage["bus contended"] += bus & (bus - 1) != 0
        coverage["fabric contended"] += fabric & (fabric - 1) != 0
        for hart, unit in enumerate(reference.units):
            phase = unit.phase.name
            coverage[phase] += 1
            processing = phase in _PHASES and not unit.posting
            coverage["processing"] += processing
            coverage["request waits for processing"] += processing and hart in self._requests
            coverage["processing in S"] += processing and unit.privilege is not Privilege.U
            coverage["processing while interrupted"] += processing and unit.interrupt
            coverage["timer due"] += unit.due
            if unit.due:
                coverage[f"timer vector {unit.msrs[Msr.UINTR_TIMER] & 63}"] += 1
            coverage["timer waits"] += (
                unit.due is False and unit.countdown == 0 < unit.msrs[Msr.UINTR_TIMER] >> 6
            )
            coverage["counting"] += unit.countdown > 0
            coverage["lost"] += bool(unit.fault >> 20)
            coverage[f"fault {Fault(unit.fault >> 16 & 15).name}"] += 1


lockstep = partial(tb_lockstep.lockstep, pair_of=IntelPair, traffic_of=IntelTraffic)


class _Scene(IntelScene):
    """On both devices, which are compared in every cycle."""

    stride = 1
    entries = 4


async def races(rtl: Device, *, spread: int) -> dict[str, int]:
    """Two things at every distance from -``spread`` to ``spread`` cycles, so that each race is met
    from both sides: RTL and reference agree, and no vector is lost or invented. Returns how many
    runs ended with which state, as a check that the scenes are not all the same.
    """
    pair = IntelPair(rtl=rtl, seed="races")
    outcomes: dict[str, int] = {}

    def submit(hart: int, kind: RequestKind, *fields: int) -> None:
        if pair.free(hart):
            pair.submit(hart, Request(kind, *fields))

    def send(hart: int, index: int) -> Callable[[], None]:
        return lambda: submit(hart, RequestKind.UIPI, Instruction.SENDUIPI, 0, index)

    def level(privilege: Privilege) -> Callable[[], None]:
        return lambda: pair.set_privilege(1, privilege)

    def read(number: int) -> Callable[[], None]:
        return lambda: submit(1, RequestKind.CSR, CsrFunction.READ, number)

    def trap() -> None:
        submit(1, RequestKind.TRAP)

    def icr() -> None:
        word = MSRS[Msr.X2APIC_ICR].pack(vector=0xEE, destination=1)
        submit(0, RequestKind.CSR, CsrFunction.WRITE, Msr.X2APIC_ICR, word)

    scenes: dict[str, tuple[Callable[[], None], Callable[[], None], Privilege]] = {
        "posts to one descriptor": (send(0, 1), send(1, 3), Privilege.S),
        "post and the receiver's way into user mode": (send(0, 1), level(Privilege.U), Privilege.S),
        "post and the receiver's way out": (send(0, 1), level(Privilege.S), Privilege.U),
        "post and the receiver's own post": (send(0, 1), send(1, 3), Privilege.U),
        "post and delivery": (send(0, 1), trap, Privilege.U),
        "interrupt and acknowledgement": (icr, read(Internal.ACKNOWLEDGE), Privilege.S),
    }
    for (name, (first, second, start)), distance in product(
        scenes.items(), range(-spread, spread + 1)
    ):
        await pair.reset()
        scene = await _Scene.prepared(pair)
        await scene.settle()
        if name == "post and delivery":
            await scene.write(Msr.UINTR_RR, 1 << 1, 1)  # the vector that is posted once more
        pair.set_privilege(1, start)
        await scene.settle()
        for cycle in range(3 * spread):
            if cycle == spread:
                first()
            if cycle == spread + distance:
                second()
            await pair.run(1)
        for hart in range(2):
            while not pair.free(hart):
                await pair.run(1)
        pair.set_privilege(1, Privilege.S)
        await scene.settle()
        status, pir = await scene.words(1)
        uirr, irr = [await scene.read(msr, 1) for msr in (Msr.UINTR_RR, Msr.X2APIC_IRR7)]
        on = status & 1
        state = uirr, pir, on, irr
        if "post" in name:
            sent = 0b1010 if "posts" in name or "own" in name else 0b0010
            if name == "post and delivery" and distance >= _PROCESSED:
                sent = 0  # the same vector twice, merged, then delivered once
            assert uirr | pir == sent, f"{name}, {distance}: {state}"
            assert not uirr & pir, f"{name}, {distance}: {state}"
            assert on == (pir != 0) == (irr >> 0xC & 1), f"{name}, {distance}: {state}"
        outcome = f"{name}: {state}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes

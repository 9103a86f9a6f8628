"""RTL and reference of the Intel flavour side by side, under random traffic and in scenes."""

from collections.abc import Callable
from functools import partial
from itertools import product

import tb_lockstep
from intel_traffic import IntelTraffic
from rel4.machine.device import Device, Request
from uintr.intel.registers import (
    MSRS,
    UITTE,
    UPID,
    UPID_BYTES,
    Fault,
    Instruction,
    Internal,
    Msr,
)
from uintr.registers import CsrFunction, Privilege, RequestKind, Status

__all__ = ["IntelPair", "lockstep", "races"]

_PROCESSED = 14
"""Cycles from SENDUIPI to the processing of its notification, which goes before a request."""
_PHASES = ("STATUS", "PIR", "WRITE_PIR", "WRITE_STATUS")


class IntelPair(tb_lockstep.Pair):
    """A `Pair` that knows what the Intel reference's inside tells about a cycle."""

    def _cover(self) -> None:
        reference, coverage = self.reference, self.coverage
        bus, fabric = reference._bus._waiting, reference._fabric._waiting
        coverage["quiescent"] += reference.quiescent
        coverage["bus contended"] += bus & (bus - 1) != 0
        coverage["fabric contended"] += fabric & (fabric - 1) != 0
        for hart, unit in enumerate(reference.units):
            phase = unit.phase.name
            coverage[phase] += 1
            processing = phase in _PHASES and not unit._posting
            coverage["processing"] += processing
            coverage["request waits for processing"] += processing and hart in self._requests
            coverage["processing in S"] += processing and unit.privilege is not Privilege.U
            coverage["processing while interrupted"] += processing and unit.interrupt
            coverage["timer due"] += unit._due
            if unit._due:
                coverage[f"timer vector {unit.msrs[Msr.UINTR_TIMER] & 63}"] += 1
            coverage["timer waits"] += (
                unit._due is False and unit.countdown == 0 < unit.msrs[Msr.UINTR_TIMER] >> 6
            )
            coverage["counting"] += unit.countdown > 0
            coverage["lost"] += bool(unit.fault >> 20)
            coverage[f"fault {Fault(unit.fault >> 16 & 15).name}"] += 1


lockstep = partial(tb_lockstep.lockstep, pair_of=IntelPair, traffic_of=IntelTraffic)


class _Scene:
    """Requests one after the other, on both devices."""

    def __init__(self, pair: IntelPair) -> None:
        self.pair = pair
        self.base = pair.rtl.config.table_base
        self.descriptor = self.base + 0x800

    async def ask(
        self, kind: RequestKind, function: int = 0, address: int = 0, data: int = 0, hart: int = 0
    ) -> int:
        self.pair.submit(hart, Request(kind, function, address, data))
        while not self.pair.free(hart):
            await self.pair.run(1)
        response = self.pair.reference.response(hart)
        assert response is not None
        assert response.status is Status.OK
        return int(response.data)

    async def write(self, number: int, data: int, hart: int = 0) -> None:
        await self.ask(RequestKind.CSR, CsrFunction.WRITE, number, data, hart)

    async def read(self, number: int, hart: int = 0) -> int:
        return await self.ask(RequestKind.CSR, CsrFunction.READ, number, 0, hart)

    async def store(self, address: int, data: int) -> None:
        await self.ask(RequestKind.STORE, 0, address, data)

    async def settle(self) -> None:
        while not self.pair.rtl.quiescent:
            await self.pair.run(1)

    async def prepare(self) -> None:
        """Hart h has descriptor h; entry i posts vector i to hart i % harts."""
        harts = self.pair.rtl.config.harts
        await self.pair.reset()
        for index in range(4):
            await self.store(self.base + 16 * index, UITTE.pack(v=1, uv=index))
            address = self.descriptor + UPID_BYTES * (index % harts)
            await self.store(self.base + 16 * index + 8, address)
        for hart in range(harts):
            await self.store(self.descriptor + UPID_BYTES * hart, UPID.pack(nv=0xEC, ndst=hart))
            await self.store(self.descriptor + UPID_BYTES * hart + 8, 0)
            await self.write(Internal.CR4, 1 << 25, hart)
            await self.write(Msr.UINTR_TT, self.base | 1, hart)
            await self.write(Msr.UINTR_MISC, MSRS[Msr.UINTR_MISC].pack(uittsz=3, uinv=0xEC), hart)
            await self.write(Msr.UINTR_PD, self.descriptor + UPID_BYTES * hart, hart)
            await self.ask(RequestKind.UIPI, Instruction.STUI, hart=hart)
        await self.settle()

    def submit(self, hart: int, kind: RequestKind, *fields: int) -> None:
        if self.pair.free(hart):
            self.pair.submit(hart, Request(kind, *fields))


async def races(rtl: Device, *, spread: int) -> dict[str, int]:
    """Two things at every distance from -``spread`` to ``spread`` cycles, so that each race is met
    from both sides: RTL and reference agree, and no vector is lost or invented. Returns how many
    runs ended with which state, as a check that the scenes are not all the same.
    """
    pair = IntelPair(rtl=rtl, seed="races")
    scene = _Scene(pair)
    outcomes: dict[str, int] = {}

    def send(hart: int, index: int) -> Callable[[], None]:
        return lambda: scene.submit(hart, RequestKind.UIPI, Instruction.SENDUIPI, 0, index)

    def level(privilege: Privilege) -> Callable[[], None]:
        return lambda: pair.set_privilege(1, privilege)

    def read(number: int) -> Callable[[], None]:
        return lambda: scene.submit(1, RequestKind.CSR, CsrFunction.READ, number)

    def trap() -> None:
        scene.submit(1, RequestKind.TRAP)

    def icr() -> None:
        word = MSRS[Msr.X2APIC_ICR].pack(vector=0xEE, destination=1)
        scene.submit(0, RequestKind.CSR, CsrFunction.WRITE, Msr.X2APIC_ICR, word)

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
        await scene.prepare()
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
        state = (
            await scene.read(Msr.UINTR_RR, 1),
            await scene.ask(RequestKind.LOAD, 0, scene.descriptor + UPID_BYTES + 8),
            await scene.ask(RequestKind.LOAD, 0, scene.descriptor + UPID_BYTES) & 1,
            await scene.read(Msr.X2APIC_IRR7, 1),
        )
        uirr, pir, on, irr = state
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

"""Verbs on a device of the Intel flavour, and where things lie in its memory."""

from collections.abc import Callable

from rel4.machine.device import Device, Request, Response
from uintr.intel.registers import (
    FAULT,
    MSRS,
    UITTE,
    UITTE_BYTES,
    UPID,
    UPID_BYTES,
    Fault,
    Instruction,
    Internal,
    Msr,
)
from uintr.registers import CsrFunction, RequestKind, Status
from verbs import Verbs

__all__ = ["ENTRIES", "HANDLER", "NOWHERE", "NV", "IntelScene"]

NV = 0xEC
"""The vector of notifications."""
HANDLER = 0x4000
"""Of hart 0; the others' follow."""
ENTRIES = 64
NOWHERE = 0x10_0000
"""An address of nobody."""
_OK = Response(0, Status.OK)


class IntelScene(Verbs):
    """Verbs of its own; `ask` returns (response, cycles until it came)."""

    entries = ENTRIES
    """That `prepared` fills."""

    def __init__(self, device: Device) -> None:
        super().__init__(device=device)
        self.base = device.config.table_base
        self.harts = range(device.config.harts)

    async def ask(
        self, kind: int, function: int = 0, address: int = 0, data: int = 0, hart: int = 0
    ) -> tuple[Response, int]:
        return await self.request(hart, Request(RequestKind(kind), function, address, data))

    async def until(self, condition: Callable[[], bool]) -> int:
        cycles = 0
        while not condition():
            cycles += await self.device.run(1)
            assert cycles < 1000
        return cycles

    async def wrmsr(self, number: int, data: int, hart: int = 0) -> Response:
        return await self.csr(CsrFunction.WRITE, number, data, hart)

    async def read(self, number: int, hart: int = 0) -> int:
        response, cycles = await self.ask(RequestKind.CSR, CsrFunction.READ, number, 0, hart)
        assert (response.status, cycles) == (Status.OK, 1)
        return response.data

    async def execute(self, function: int, hart: int = 0) -> Response:
        return (await self.ask(RequestKind.UIPI, function, hart=hart))[0]

    async def senduipi(self, index: int, hart: int = 0) -> tuple[Response, int]:
        return await self.ask(RequestKind.UIPI, Instruction.SENDUIPI, 0, index, hart)

    async def load(self, address: int, hart: int = 0) -> int:
        response, cycles = await self.ask(RequestKind.LOAD, 0, address, 0, hart)
        assert (response.status, cycles) == (Status.OK, 3)
        return response.data

    async def store(self, address: int, data: int, hart: int = 0) -> None:
        assert await self.ask(RequestKind.STORE, 0, address, data, hart) == (_OK, 3)

    def descriptor(self, hart: int) -> int:
        return self.base + 0x800 + UPID_BYTES * hart

    async def words(self, hart: int) -> tuple[int, int]:
        """The hart's descriptor as it lies in memory."""
        address = self.descriptor(hart)
        return await self.load(address), await self.load(address + 8)

    async def uitte(self, index: int, word: int, address: int) -> None:
        await self.store(self.base + UITTE_BYTES * index, word)
        await self.store(self.base + UITTE_BYTES * index + 8, address)

    @classmethod
    async def prepared(cls, device: Device) -> "IntelScene":
        """Every hart may send to every hart: entry i is for hart i % harts, with vector i."""
        scene = cls(device)
        await scene.settle()
        for index in range(scene.entries):
            target = scene.descriptor(index % len(scene.harts))
            await scene.uitte(index, UITTE.pack(v=1, uv=index), target)
        for hart in scene.harts:
            await scene.store(scene.descriptor(hart), UPID.pack(nv=NV, ndst=hart))
            await scene.store(scene.descriptor(hart) + 8, 0)
            await scene.write(Internal.CR4, 1 << 25, hart)
            await scene.write(Msr.UINTR_TT, scene.base | 1, hart)
            misc = MSRS[Msr.UINTR_MISC].pack(uittsz=scene.entries - 1, uinv=NV)
            await scene.write(Msr.UINTR_MISC, misc, hart)
            await scene.write(Msr.UINTR_PD, scene.descriptor(hart), hart)
            await scene.write(Msr.UINTR_HANDLER, HANDLER + hart, hart)
            await scene.execute(Instruction.STUI, hart)
        return scene

    async def fault(self, hart: int = 0) -> tuple[int, Fault, int]:
        """The fault register, cleared."""
        word = await self.read(Internal.FAULT, hart)
        await self.write(Internal.FAULT, 0, hart)
        count, cause, lost = (FAULT.field(name).get(word) for name in ("count", "cause", "lost"))
        return count, Fault(cause), lost

    async def interrupt(self, vector: int, destination: int) -> None:
        """An interrupt by the interrupt command register."""
        word = MSRS[Msr.X2APIC_ICR].pack(vector=vector, destination=destination)
        request = (RequestKind.CSR, CsrFunction.WRITE, Msr.X2APIC_ICR, word)
        assert await self.ask(*request) == (_OK, 2)

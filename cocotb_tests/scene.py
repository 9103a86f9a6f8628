"""Verbs on a device, and where things lie in it."""

from rel4.machine.device import Device, Request, Response
from traffic import entry_address, slot_address
from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    HIGH,
    LOW,
    PAGE_BYTES,
    SENDER_ENTRY,
    Csr,
    Privilege,
    Register,
    RequestKind,
)
from verbs import Verbs

__all__ = ["Scene"]


class Scene(Verbs):
    """Verbs, and where things lie."""

    @classmethod
    async def of(cls, device: Device) -> "Scene":
        """Of a device that has come to rest."""
        scene = cls(device=device)
        await scene.settle()
        return scene

    def slot(self, receiver: int, register: Register) -> int:
        return slot_address(self.config, receiver, register)

    def control(self, register: Register, hart: int = 0) -> int:
        return self.config.base + CONTROL_OFFSET + register.address + 8 * hart

    async def entry(self, index: int, *, hart: int = 0, **fields: int) -> None:
        word = SENDER_ENTRY.pack(**({"valid": 1} | fields))
        await self.store(entry_address(self.config, index), word, hart)

    async def table(self, **fields: int) -> None:
        """Hart 0 has this table."""
        first = self.config.table_base // PAGE_BYTES
        await self.write(Csr.SUIST, CSRS[Csr.SUIST].pack(**({"ppn": first, "en": 1} | fields)))

    async def timed(self, function: int, operand: int = 0, hart: int = 0) -> tuple[Response, int]:
        """A UIPI, and the cycles it took."""
        return await self.request(hart, Request(RequestKind.UIPI, function, 0, operand))

    async def user(self, hart: int, receiver: int) -> None:
        """The hart is in user mode, and this receiver interrupts it."""
        await self.store(self.slot(receiver, LOW), LOW.pack(active=1, hartid=hart))
        await self.enable_receiver(receiver, hart)
        await self.enable_interrupt(hart)
        self.device.set_privilege(hart, Privilege.U)
        await self.settle()

    async def pend(self, receiver: int = 2) -> None:
        """The receiver, which is hart 0's, has a bit pending."""
        await self.store(self.slot(receiver, LOW), LOW.pack(active=1))
        await self.store(self.slot(receiver, HIGH), 4)

    def lines(self) -> list[bool]:
        return [self.device.supervisor_interrupt(hart) for hart in range(self.config.harts)]

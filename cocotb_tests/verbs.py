"""Helper verbs on a device, and where things lie in it."""

from rel4.machine.device import Device, Request, Response
from traffic import entry_address, slot_address
from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    ENABLE,
    ENTRY_CACHE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SENDER_ENTRY,
    Csr,
    CsrFunction,
    Privilege,
    Register,
    RequestKind,
    Status,
    UipiFunction,
)

__all__ = ["Verbs"]

_SOFTWARE = CSRS[Csr.UIP].field("software").mask


class Verbs:
    """Requests that are waited for.

    Parameters
    ----------
    device : what is asked
    """

    stride = 1000
    """Cycles that the device may run in one go."""

    def __init__(self, *, device: Device) -> None:
        self.device = device
        self.config = device.config

    async def request(self, hart: int, request: Request) -> tuple[Response, int]:
        """The response and the number of cycles until it came."""
        self.device.submit(hart, request)
        return await self.response(hart)

    async def response(self, hart: int) -> tuple[Response, int]:
        """The response to the hart's outstanding request, and the cycles until it comes."""
        cycles = 0
        while cycles < 100_000:
            cycles += await self.device.run(self.stride)
            response = self.device.response(hart)
            if response is not None:
                return response, cycles
        raise AssertionError(f"hart {hart} has no response after {cycles} cycles")

    async def settle(self) -> int:
        """Wait until the device is quiescent; returns the cycles that took."""
        cycles = 0
        while not self.device.quiescent:
            cycles += await self.device.run(self.stride)
            assert cycles < 1_000_000, "the device does not come to rest"
        return cycles

    async def csr(self, function: int, number: int, data: int = 0, hart: int = 0) -> Response:
        """One CSR request."""
        return (await self.request(hart, Request(RequestKind.CSR, function, number, data)))[0]

    async def write(self, number: int, data: int, hart: int = 0) -> None:
        """Write a CSR, which must succeed."""
        response = await self.csr(CsrFunction.WRITE, number, data, hart)
        assert response.status is Status.OK, response

    async def read(self, number: int, hart: int = 0) -> int:
        """Read a CSR, which must succeed."""
        response = await self.csr(CsrFunction.READ, number, 0, hart)
        assert response.status is Status.OK, response
        return response.data

    async def load(self, address: int, hart: int = 0) -> int:
        """Load eight bytes, which must succeed."""
        response, _ = await self.request(hart, Request(RequestKind.LOAD, 0, address))
        assert response.status is Status.OK, response
        return response.data

    async def store(self, address: int, data: int, hart: int = 0) -> None:
        """Store eight bytes, which must succeed."""
        response, _ = await self.request(hart, Request(RequestKind.STORE, 0, address, data))
        assert response == Response(0, Status.OK), response

    async def uipi(self, function: UipiFunction, data: int = 0, hart: int = 0) -> Response:
        """One UIPI instruction."""
        return (await self.request(hart, Request(RequestKind.UIPI, function, 0, data)))[0]

    async def extend(self, known: int = 1) -> None:
        """Say whether software knows LOW's further bits, where there are any."""
        if ENABLE.feature & self.config.features:
            word = ENABLE.pack(supervisor=known, notify=known)
            await self.store(self.control(ENABLE), word)

    async def enable_sender(self, hart: int = 0) -> None:
        """Give the hart the one-page table at the beginning of the table memory."""
        ppn = self.config.table_base // PAGE_BYTES
        await self.write(Csr.SUIST, CSRS[Csr.SUIST].pack(ppn=ppn, size=1, en=1), hart)

    async def keep_entries(self) -> None:
        """Let every hart keep the entries that it reads."""
        for hart in range(self.config.harts):
            await self.store(self.control(ENTRY_CACHE, hart), 1)

    async def enable_receiver(self, index: int, hart: int = 0) -> None:
        """Give the hart a receiver."""
        await self.write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(index=index, en=1), hart)

    async def enable_interrupt(self, hart: int = 0) -> None:
        """Delegate and enable the user software interrupt."""
        await self.write(Csr.SIDELEG, _SOFTWARE, hart)
        await self.write(Csr.UIE, _SOFTWARE, hart)
        await self.write(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1), hart)

    @classmethod
    async def of(cls, device: Device) -> "Verbs":
        """Of a device that has come to rest."""
        verbs = cls(device=device)
        await verbs.settle()
        return verbs

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

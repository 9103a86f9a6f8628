"""A burst: every hart posts in the same cycle, the worst that can be asked of the controller."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rel4.machine.device import Device, DeviceConfig, Request
from uintr.registers import (
    CSRS,
    DEFAULT_RECEIVERS,
    LOW,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    UipiFunction,
)

__all__ = ["Burst", "burst", "shape"]


@dataclass(frozen=True)
class Burst:
    """Every hart posts to the next one in the same cycle. Cycles from there to the first and last
    answer, and to the first and last interrupt."""

    harts: int
    answers: tuple[int, int]
    lines: tuple[int, int]


async def burst(device: Device) -> Burst:
    """Run one burst on a device that was just reset and has a receiver for each hart."""
    config, harts = device.config, device.config.harts

    async def settle() -> None:
        while not device.quiescent:
            await device.run(1)

    async def request(asked: Callable[[int], Request]) -> None:
        for hart in range(harts):
            device.submit(hart, asked(hart))
        await settle()

    def entry(hart: int) -> Request:
        address = config.table_base + hart * SENDER_ENTRY_BYTES
        data = SENDER_ENTRY.pack(valid=1, vector=0, receiver=hart)
        return Request(RequestKind.STORE, address=address, data=data)

    def receiver(hart: int) -> Request:
        address = config.base + hart * SLOT_BYTES + LOW.address
        data = LOW.pack(active=1, mode=1, hartid=(hart + 1) % harts)
        return Request(RequestKind.STORE, address=address, data=data)

    await settle()
    table = CSRS[Csr.SUIST].pack(en=1, size=config.table_pages, ppn=config.table_base >> 12)
    software = CSRS[Csr.UIE].pack(software=1)
    await request(entry)
    await request(receiver)
    for csr, value in (
        (Csr.SUIST, table),
        (Csr.SIDELEG, software),
        (Csr.UIE, software),
        (Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1)),
    ):
        await request(partial(_write, csr, value))
    for hart in range(harts):
        device.set_privilege(hart, Privilege.U)
    await settle()
    for hart in range(harts):
        device.submit(hart, Request(RequestKind.UIPI, UipiFunction.SEND, data=hart))
    answered: dict[int, int] = {}
    raised: dict[int, int] = {}
    cycle = 0
    while len(answered) < harts or len(raised) < harts:
        await device.run(1)
        cycle += 1
        for hart in range(harts):
            if hart not in answered and device.response(hart) is not None:
                answered[hart] = cycle
            if hart not in raised and device.interrupt(hart):
                raised[hart] = cycle
    return Burst(
        harts,
        (min(answered.values()), max(answered.values())),
        (min(raised.values()), max(raised.values())),
    )


def _write(csr: Csr, value: int, hart: int) -> Request:
    return Request(RequestKind.CSR, CsrFunction.WRITE, csr, value)


def shape(harts: int) -> DeviceConfig:
    """Hardware for a burst of so many harts."""
    return DeviceConfig(harts=harts, receivers=max(harts, DEFAULT_RECEIVERS))

"""What the examples of the page on integration must do."""

import os
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    ENABLE,
    ENTRY_CACHE,
    HIGH,
    ID,
    LOW,
    MAGIC,
    REJECTED,
    SEND,
    SENDER_ENTRY,
    SLOT_BYTES,
    THROTTLE,
    Csr,
    Privilege,
    Status,
    UipiFunction,
)
from uintr_cosim.hart_port import HartDriver
from uintr_cosim.initiators import AxiLiteInitiator, BusError, WishboneInitiator
from uintr_cosim.scoreboard import reset

__all__ = ["peripheral", "tile"]

_EXAMPLE = os.environ.get("UINTR_EXAMPLE", "")


@cocotb.test(timeout_time=1, timeout_unit="ms", skip=_EXAMPLE != "joined")
async def tile(dut: Any) -> None:
    """A core posts to itself, with all that joins its hart unit to the controller in use."""
    Clock(dut.clk, 10, unit="ns").start()
    hart, bus = HartDriver(dut, None), WishboneInitiator(dut)
    await reset(dut)
    control = CONTROL_OFFSET
    assert await bus.read(control + ID.address) >> 32 == MAGIC
    await bus.write(SLOT_BYTES * 3 + LOW.address, LOW.pack(active=1))
    await hart.store(8 * 6, 0)
    await hart.store(8 * 5, SENDER_ENTRY.pack(valid=1, vector=40, receiver=3))
    assert await hart.load(8 * 5) == SENDER_ENTRY.pack(valid=1, vector=40, receiver=3)
    await hart.csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=1))
    await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=3))
    for csr in (Csr.SIDELEG, Csr.UIE, Csr.USTATUS):
        await hart.csr_write(csr, 1)
    hart.privilege = Privilege.U
    for _ in range(2):
        assert (await hart.uipi(UipiFunction.SEND, 5)).status is Status.OK
        await ClockCycles(dut.clk, 4)
        assert hart.interrupt
        assert (await hart.uipi(UipiFunction.READ)).data == 1 << 40
        assert not hart.interrupt
    # A refusal is counted with its cause, a budget is kept, an entry is kept and forgotten.
    assert (await hart.uipi(UipiFunction.SEND, 6)).status is Status.INVALID
    word = REJECTED.pack(count=1, cause=Status.INVALID)
    assert await bus.read(control + REJECTED.address) == word
    await bus.write(control + THROTTLE.address, THROTTLE.pack(period=1000, burst=1))
    assert (await hart.uipi(UipiFunction.SEND, 5)).status is Status.OK
    assert (await hart.uipi(UipiFunction.SEND, 5)).status is Status.THROTTLED
    await bus.write(control + THROTTLE.address, 0)
    await bus.write(control + ENTRY_CACHE.address, 1)
    assert (await hart.uipi(UipiFunction.SEND, 5)).status is Status.OK
    hart.privilege = Privilege.S
    await hart.store(8 * 5, 0)
    assert (await hart.uipi(UipiFunction.SEND, 5)).status is Status.OK  # kept
    await bus.write(control + ENTRY_CACHE.address, 1)
    assert (await hart.uipi(UipiFunction.SEND, 5)).status is Status.INVALID
    # The other line.
    await bus.write(control + ENABLE.address, ENABLE.pack(supervisor=1))
    await bus.write(SLOT_BYTES * 3 + LOW.address, LOW.pack(active=1, supervisor=1))
    assert hart.supervisor_interrupt


@cocotb.test(timeout_time=1, timeout_unit="ms", skip=_EXAMPLE == "joined")
async def peripheral(dut: Any) -> None:
    """Registers, lines and errors."""
    Clock(dut.clk, 10, unit="ns").start()
    bus: WishboneInitiator | AxiLiteInitiator
    base = 0
    if _EXAMPLE == "axi":
        bus = AxiLiteInitiator(dut, prefix="s_axi")
    else:
        bus, base = WishboneInitiator(dut, prefix="m_"), 0x300_0000
    await reset(dut)
    await ClockCycles(dut.clk, 20)
    assert await bus.read(base + CONTROL_OFFSET + ID.address) >> 32 == MAGIC
    for receiver in (0, 15):
        slot = base + SLOT_BYTES * receiver
        hart = receiver % 2
        await bus.write(slot + LOW.address, LOW.pack(active=1, hartid=hart))
        await bus.write(slot + SEND.address, 63)
        assert int(dut.user_interrupt.value) == 1 << hart
        assert await bus.read(slot + HIGH.address) == 1 << 63
        assert int(dut.user_interrupt.value) == 0
    for beyond in (base + SLOT_BYTES * 16, 0x40):
        if beyond == 0x40 and _EXAMPLE == "axi":
            continue
        try:
            await bus.read(beyond)
        except BusError:
            continue
        raise AssertionError(f"{beyond:#x} must be an error")

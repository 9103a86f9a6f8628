"""Controller or system behind AXI4-Lite, driven by cocotbext-axi's manager."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp

from tb_axi_lite_shape import RECEIVER_COUNT
from uintr.registers import (
    ACTIVE,
    CONTROL_OFFSET,
    HIGH,
    ID,
    LOW,
    MAGIC,
    RECEIVERS,
    SEND,
    SLOT_BYTES,
)
from uintr_cosim.initiators import AxiLiteInitiator

__all__ = ["registers_and_lines"]


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def registers_and_lines(dut: Any) -> None:
    """Slots, control page, lines and errors, with and without pauses on every channel."""
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 0
    bus = AxiLiteInitiator(dut)
    master = bus.manager
    await ClockCycles(dut.clk, 20)

    read, write = bus.read, bus.write

    # The lines of the controller are ports; those of a system end in its hart units.
    line = getattr(dut, "line", None)

    def check_line(value: int) -> None:
        if line is not None:
            assert line.value.to_unsigned() == value

    draw = random.Random("axi lite")
    for paused in (False, True):
        if paused:
            write_if, read_if = master.write_if, master.read_if
            for channel in (
                *(write_if.aw_channel, write_if.w_channel, write_if.b_channel),
                *(read_if.ar_channel, read_if.r_channel),
            ):
                channel.set_pause_generator(iter(lambda: draw.random() < 0.5, None))
        assert await read(CONTROL_OFFSET + ID.address) >> 32 == MAGIC
        assert await read(CONTROL_OFFSET + RECEIVERS.address) == RECEIVER_COUNT
        for receiver in range(RECEIVER_COUNT):
            slot = SLOT_BYTES * receiver
            hart = receiver % 2
            await write(slot + LOW.address, LOW.pack(hartid=hart, active=1))
            assert await read(slot + LOW.address) == LOW.pack(hartid=hart, active=1)
            await write(slot + SEND.address, 63)
            check_line(1 << hart)
            assert await read(slot + HIGH.address) == 1 << 63
            check_line(0)
            await write(slot + ACTIVE.address, 0)
        for address in (SLOT_BYTES * RECEIVER_COUNT, 1 << 40):
            assert (await master.read(address, 8)).resp == AxiResp.SLVERR
            assert (await master.write(address, bytes(8))).resp == AxiResp.SLVERR
        # Part of a word is no access to a slot.
        assert (await master.write(LOW.address, b"\1")).resp == AxiResp.SLVERR
        # Many at once, reads and writes of the same registers in turn.
        writes = [
            cocotb.start_soon(write(SLOT_BYTES * at + HIGH.address, 1 << at))
            for at in range(RECEIVER_COUNT)
        ]
        for task in writes:
            await task
        found = [await read(SLOT_BYTES * at + HIGH.address) for at in range(RECEIVER_COUNT)]
        assert found == [1 << at for at in range(RECEIVER_COUNT)]

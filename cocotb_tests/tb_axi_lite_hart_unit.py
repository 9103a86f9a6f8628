"""A hart unit with AXI4-Lite in front of cocotbext-axi's memory."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteRam

from tb_axi_lite_shape import RECEIVER_COUNT
from uintr.registers import (
    CSRS,
    PAGE_BYTES,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    XLEN,
    Csr,
    Status,
    UipiFunction,
)
from uintr_cosim.hart_port import HartDriver

__all__ = ["loads_stores_and_posts"]

_PAGES = 4
_OPERATION_RECEIVER_LSB = 4


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def loads_stores_and_posts(dut: Any) -> None:
    """Words go to memory and back, and a SEND reads its entry, with and without pauses."""
    Clock(dut.clk, 10, unit="ns").start()
    for name in ("line", "supervisor_line", "response__valid", "response__payload"):
        getattr(dut, name).value = 0
    dut.open.value = 1
    dut.caches.value = 0  # entries change in memory here, behind the unit's back
    dut.invalidate.value = 0
    dut.operation__ready.value = 1
    hart = HartDriver(dut, None)
    dut.rst.value = 1
    memory = AxiLiteRam(
        AxiLiteBus.from_prefix(dut, "axi_"), dut.clk, dut.rst, size=_PAGES * PAGE_BYTES
    )
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    posts: list[int] = []

    async def see_posts() -> None:
        while True:
            await RisingEdge(dut.clk)
            if dut.operation__valid.value == 1:
                posts.append(dut.operation__payload.value.to_unsigned())

    cocotb.start_soon(see_posts())

    draw = random.Random("axi lite hart unit")
    table = CSRS[Csr.SUIST].pack(ppn=_PAGES - 1, size=1, en=1)
    for paused in (False, True):
        if paused:
            for channel in (
                *(memory.write_if.aw_channel, memory.write_if.w_channel, memory.write_if.b_channel),
                *(memory.read_if.ar_channel, memory.read_if.r_channel),
            ):
                channel.set_pause_generator(iter(lambda: draw.random() < 0.5, None))
        words = {8 * at: draw.getrandbits(XLEN) for at in draw.sample(range(1000), 20)}
        for address, word in words.items():
            await hart.store(address, word)
            assert memory.read_qword(address) == word
        for address, word in words.items():
            assert await hart.load(address) == word
        await hart.csr_write(Csr.SUIST, table)
        for receiver in range(RECEIVER_COUNT):
            index = draw.randrange(PAGE_BYTES // SENDER_ENTRY_BYTES)
            entry = SENDER_ENTRY.pack(valid=1, vector=40 + receiver, receiver=receiver)
            memory.write_qword((_PAGES - 1) * PAGE_BYTES + SENDER_ENTRY_BYTES * index, entry)
            posts.clear()
            assert (await hart.uipi(UipiFunction.SEND, index)).status is Status.OK
            (post,) = posts
            assert post >> _OPERATION_RECEIVER_LSB & 0xFFFF == receiver
            assert post >> _OPERATION_RECEIVER_LSB + 16 == 40 + receiver

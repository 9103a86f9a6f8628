"""The whole system: its bus from outside, its shapes, one interrupt from end to end. What a hart
sees is the contract of every device: `cocotb_tests/contract.py`."""

from typing import Any

import pytest
from hwbench import (
    ONES,
    Hart,
    drive,
    present,
    refused,
    run_by,
    simulate,
    simulated,
    transfer,
    withdraw,
)

from uintr.registers import (
    ACTIVE,
    CONTROL_OFFSET,
    CSRS,
    DEFAULT_BASE,
    DEFAULT_TABLE_BASE,
    ENABLE,
    HIGH,
    LOW,
    SEND,
    SENDER_ENTRY,
    Csr,
    Privilege,
    Register,
    RequestKind,
    Status,
    UipiFunction,
)
from uintr.system import System

BASE, TABLE = DEFAULT_BASE, DEFAULT_TABLE_BASE


def slot(receiver: int, register: Register) -> int:
    return BASE + 32 * receiver + register.address


async def sending(hart: Hart, receiver: int, vector: int = 9, index: int = 0) -> None:
    """Let ``hart`` send to ``receiver`` by ``index``."""
    await hart.csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=1, ppn=TABLE >> 12))
    entry = SENDER_ENTRY.pack(valid=1, vector=vector, receiver=receiver)
    assert (await hart.store(TABLE + 8 * index, entry)).status == Status.OK


async def receiving(hart: Hart, number: int, receiver: int) -> None:
    """Let ``hart``, whose number is ``number``, be interrupted by ``receiver``."""
    word = LOW.pack(active=1, mode=1, hartid=number)
    assert (await hart.store(slot(receiver, LOW), word)).status == Status.OK
    await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=receiver))
    for csr in (Csr.SIDELEG, Csr.USTATUS, Csr.UIE):
        await hart.csr_write(csr, 1)
    hart.privilege(Privilege.U)


def with_system(job: Any, **shape: Any) -> None:
    """Run ``job`` from the cycle on in which the sweep is over."""
    shape = {"harts": 2, "receivers": 5, "table_pages": 1} | shape
    dut = System(**shape)

    async def testbench(ctx: Any) -> None:
        harts = [Hart(ctx, port) for port in dut.hart]
        await ctx.tick().repeat(shape["receivers"])
        await job(ctx=ctx, dut=dut, hart=harts)

    simulate(dut, testbench)


# --- Latency --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("harts", "receivers"), [(1, 1), (2, 5), (4, 16), (9, 3)])
@run_by(with_system, "harts", "receivers")
async def test_send_reaches_the_line_in_six_cycles(
    ctx: Any, dut: System, hart: list[Hart], harts: int, receivers: int
) -> None:
    sender, target = hart[0], hart[-1]
    await sending(sender, receivers - 1)
    await receiving(target, harts - 1, receivers - 1)
    await target.tick(6)
    request = dut.hart[0].request
    ctx.set(request.valid, 1)
    drive(ctx, request.payload, kind=RequestKind.UIPI, function=UipiFunction.SEND, data=0)
    seen = []
    for _ in range(8):
        seen.append((target.interrupt, ctx.get(dut.hart[0].response.valid)))
        await ctx.tick()
        ctx.set(request.valid, 0)
    # accepted in cycle 0, answered in 4, on the line in 6
    assert seen == [(0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (0, 0), (1, 0), (1, 0)]


@simulated(System, harts=2, receivers=5, table_pages=1)
async def test_an_operation_in_the_midst_of_the_shortest_sweep_is_answered(
    ctx: Any, dut: System
) -> None:
    """An instruction can reach the controller before five records are erased, and has to wait."""
    hart = Hart(ctx, dut.hart[0])
    await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=4))  # to cycle 1
    # presented to the controller in cycle 2, accepted in cycle 5, three later
    assert await hart.uipi(UipiFunction.READ) == (0, Status.OK, 8)


@pytest.mark.parametrize(
    "address",
    [0, BASE - 8, slot(5, SEND), slot(7, ACTIVE), slot(8, SEND), TABLE - 8, TABLE + 4096,
     TABLE + 2**32, 2**63, 2**64 - 8],
)  # fmt: skip
@run_by(with_system)
async def test_an_address_of_nobody_is_a_bus_error(
    ctx: Any, dut: System, hart: list[Hart], address: int
) -> None:
    assert await hart[1].load(address) == (0, Status.BUS, 3)
    assert await hart[1].store(address, 1) == (0, Status.BUS, 3)
    assert (await transfer(ctx, dut.bus, address))[0]
    assert await hart[1].store(TABLE, 7) == (0, Status.OK, 3)
    assert await hart[1].load(TABLE) == (7, Status.OK, 3)


@run_by(with_system)
async def test_an_interrupt_from_send_to_return(hart: list[Hart]) -> None:
    await sending(hart[0], 2, vector=33)
    await hart[1].csr_write(Csr.UTVEC, 0x4000)
    await receiving(hart[1], 1, 2)
    hart[0].privilege(Privilege.U)
    assert await hart[0].send(0) == (0, Status.OK, 4)
    await hart[1].tick(2)
    assert (hart[0].interrupt, hart[1].interrupt) == (0, 1)
    assert (await hart[1].trap(0x1000))[:2] == (0x4000, Status.OK)
    assert await hart[1].csr_read(Csr.UIP) == 1  # the line is still up
    assert await hart[1].uipi(UipiFunction.READ) == (1 << 33, Status.OK, 5)
    assert await hart[1].csr_read(Csr.UIP) == 0  # and is down with the answer
    assert (await hart[1].uret())[:2] == (0x1000, Status.OK)
    assert hart[1].interrupt == 0


# --- The bus --------------------------------------------------------------------------------------


@run_by(with_system)
async def test_the_bus_from_outside_reaches_all_a_hart_reaches(
    ctx: Any, dut: System, hart: list[Hart]
) -> None:
    bus = dut.bus
    assert await transfer(ctx, bus, TABLE + 8, 0x1122_3344_5566_7788) == (False, 0, 1)
    await transfer(ctx, bus, TABLE + 8, ONES, sel=0b0001_0010)
    assert await transfer(ctx, bus, TABLE + 8) == (False, 0x1122_33FF_5566_FF88, 1)
    assert (await hart[0].load(TABLE + 8)).data == 0x1122_33FF_5566_FF88
    assert await transfer(ctx, bus, slot(4, LOW), ONES) == (False, 0, 3)
    low = LOW.pack(active=1, mode=1, hartid=2)
    assert await transfer(ctx, bus, slot(4, LOW)) == (False, low, 3)
    enable = DEFAULT_BASE + CONTROL_OFFSET + ENABLE.address
    for names in ([], ["supervisor"], ["notify"], ["supervisor", "notify"]):
        known = dict.fromkeys(names, 1)
        await transfer(ctx, bus, enable, ENABLE.pack(**known) | ONES & ~0b101)
        assert await transfer(ctx, bus, enable) == (False, ENABLE.pack(**known), 1)
        await transfer(ctx, bus, slot(4, LOW), ONES)
        assert await transfer(ctx, bus, slot(4, LOW)) == (False, low | LOW.pack(**known), 3)
    await transfer(ctx, bus, slot(4, SEND), 7)
    await transfer(ctx, bus, slot(4, SEND), 64)
    assert await transfer(ctx, bus, slot(4, HIGH)) == (False, 1 << 7, 3)
    assert await transfer(ctx, bus, slot(4, HIGH)) == (False, 0, 3)
    for sel in (0, 0x0F, 0xFE):
        assert (await transfer(ctx, bus, slot(4, ACTIVE), 0, sel))[::2] == (True, 1)
    assert await transfer(ctx, bus, slot(4, ACTIVE)) == (False, 1, 3)


@pytest.mark.parametrize(
    ("address", "cycles"), [(TABLE, 2), (TABLE - 8, 2), (slot(1, LOW), 4), (slot(5, LOW), 2)]
)
@run_by(with_system)
async def test_a_transfer_from_outside_is_not_quiet(
    ctx: Any, dut: System, address: int, cycles: int
) -> None:
    assert ctx.get(dut.quiescent) == 1
    present(ctx, dut.bus, address // 8)
    for _ in range(cycles):
        assert ctx.get(dut.quiescent) == 0
        ended = ctx.get(dut.bus.ack) | ctx.get(dut.bus.err)
        await ctx.tick()
    assert ended
    withdraw(ctx, dut.bus)
    assert ctx.get(dut.quiescent) == 1


def test_initiators_take_turns() -> None:
    """All three want the bus in one cycle; each transfer to memory takes two."""
    dut = System(harts=2, receivers=1, table_pages=1)
    ends: list[list[int]] = [[], [], []]

    def loader(number: int) -> Any:
        async def testbench(ctx: Any) -> None:
            hart = Hart(ctx, dut.hart[number])
            await hart.tick(4)
            cycle = 4
            for _ in range(3):
                cycle += (await hart.load(TABLE)).cycles
                ends[number].append(cycle)

        return testbench

    async def outside(ctx: Any) -> None:
        # A hart that is accepted in cycle 4 is on the bus in cycle 5.
        await ctx.tick().repeat(5)
        cycle = 5
        for _ in range(3):
            _, _, cycles = await transfer(ctx, dut.bus, TABLE)
            cycle += cycles + 1
            ends[2].append(cycle)

    simulate(dut, loader(0), loader(1), outside)
    assert ends == [[7, 13, 19], [9, 15, 21], [11, 17, 23]]


# --- Parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"harts": 0}, "harts must be 1 to 64, not 0"),
        ({"harts": 65}, "harts must be 1 to 64, not 65"),
        ({"receivers": 0}, "receivers must be 1 to 65536, not 0"),
        ({"receivers": 65_537}, "receivers must be 1 to 65536, not 65537"),
        ({"table_pages": 0}, "table_pages must be 1 to 4095, not 0"),
        ({"table_pages": 4096}, "table_pages must be 1 to 4095, not 4096"),
        ({"base": 0x2000}, "base must be a 64-bit multiple of 0x4000, not 0x2000"),
        ({"base": 2**64}, "base must be a 64-bit multiple of 0x4000, not 0x10000000000000000"),
        (
            {"receivers": 513, "base": 0x4000},
            "base must be a 64-bit multiple of 0x8000, not 0x4000",
        ),
        ({"table_base": 8}, "table_base must be a 64-bit multiple of 0x1000, not 0x8"),
        (
            {"table_base": 2**64 - 4096, "table_pages": 2},
            "table_base must be at most 0xffffffffffffe000 for 2 pages, not 0xfffffffffffff000",
        ),
        (
            {"table_base": BASE + 0x3000},
            "table_base must be outside the controller's windows, 0x3000000 to 0x3003fff "
            "among them, not 0x3003000",
        ),
        (
            {"table_base": BASE - 0xF000},
            "table_base must be outside the controller's windows, 0x3000000 to 0x3003fff "
            "among them, not 0x2ff1000",
        ),
    ],
)
def test_parameters_are_checked(parameters: dict[str, int], sentence: str) -> None:
    assert refused(System, **parameters) == sentence


@pytest.mark.parametrize(
    ("table_base", "ppn", "status"),
    [
        (TABLE, (TABLE >> 12) - 1, Status.OK),
        (2**56, 2**44 - 1, Status.OK),
        (0, 2**44 - 1, Status.BUS),
    ],
)
@run_by(with_system, "table_base")
async def test_a_table_may_begin_below_memory_and_end_above_the_last_page(
    hart: list[Hart], table_base: int, ppn: int, status: Status
) -> None:
    """An address carries past the bits of a page number, and does not wrap round to 0."""
    entry = SENDER_ENTRY.pack(valid=1, vector=9, receiver=3)
    assert (await hart[0].store(table_base, entry)).status == Status.OK
    await hart[0].csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=2, ppn=ppn))
    assert (await hart[0].send(511)).status == Status.BUS
    assert (await hart[0].send(512)).status == status
    assert (await hart[0].load(slot(3, HIGH))).data == (status == Status.OK) << 9


@pytest.mark.parametrize(
    ("base", "table_base"),
    [
        (BASE, BASE + 0x4000),
        (BASE, BASE - 0x1000),
        (0, 2**64 - 0x1000),
        (2**64 - 0x40_0000, 0),
        (0x4000, 0x3000),
    ],
)
@run_by(with_system, "base", "table_base", receivers=512)
async def test_windows_may_be_anywhere_and_touch(
    hart: list[Hart], base: int, table_base: int
) -> None:
    for address in (table_base, table_base + 4088, base + LOW.address):
        assert (await hart[0].store(address, 3)).status == Status.OK
        assert (await hart[0].load(address)).data == 3

"""The system of the Intel flavour: one interrupt from end to end, its bus from outside, its shapes.
What a hart sees is the contract of every device: `cocotb_tests/contract.py`."""

from typing import Any

import pytest
from hwbench import Hart, Result, present, refused, run_by, simulate, withdraw

from uintr.intel.registers import (
    INTERNAL_REGISTERS,
    MSRS,
    UITTE,
    UITTE_ADDRESS,
    UPID,
    Instruction,
    Internal,
    Msr,
    StoreFunction,
)
from uintr.intel.system import IntelSystem
from uintr.registers import DEFAULT_TABLE_BASE, CsrFunction, Privilege, RequestKind, Status

TABLE = DEFAULT_TABLE_BASE
UPID_PLACE = TABLE + 0x400
NOTIFICATION = 0xEC


async def senduipi(hart: Hart, index: int = 0) -> Result:
    return await hart.ask(RequestKind.UIPI, Instruction.SENDUIPI, 0, index)


async def write(hart: Hart, number: int, word: int) -> Status:
    return (await hart.ask(RequestKind.CSR, CsrFunction.WRITE, number, word)).status


async def read(hart: Hart, number: int) -> int:
    result = await hart.ask(RequestKind.CSR, CsrFunction.READ, number)
    assert result.status == Status.OK
    return result.data


async def words(hart: Hart) -> tuple[int, int]:
    """The UPID as it lies in memory."""
    return (await hart.load(UPID_PLACE)).data, (await hart.load(UPID_PLACE + 8)).data


async def prepare(sender: Hart, target: Hart, number: int, vector: int = 9, **upid: int) -> None:
    """Entry 0 of the table posts ``vector`` to the UPID of ``target``, the hart ``number``."""
    word = UPID.pack(nv=NOTIFICATION, ndst=number, **upid)
    for address, data in (
        (TABLE, UITTE.pack(v=1, uv=vector)),
        (TABLE + 8, UPID_PLACE),
        (UPID_PLACE, word),
        (UPID_PLACE + 8, 0),
    ):
        assert (await sender.store(address, data)).status == Status.OK
    misc = MSRS[Msr.UINTR_MISC].pack(uittsz=0, uinv=NOTIFICATION)
    for hart in (sender, target):
        assert await write(hart, Internal.CR4, INTERNAL_REGISTERS[Internal.CR4].pack(uintr=1)) == 0
        assert await write(hart, Msr.UINTR_TT, TABLE | 1) == 0
        assert await write(hart, Msr.UINTR_MISC, misc) == 0
    assert await write(target, Msr.UINTR_PD, UPID_PLACE) == 0
    assert await write(target, Msr.UINTR_HANDLER, 0x4000) == 0
    await target.ask(RequestKind.UIPI, Instruction.STUI)


def with_system(job: Any, **shape: Any) -> None:
    dut = IntelSystem(**({"harts": 2, "table_pages": 1} | shape))

    async def testbench(ctx: Any) -> None:
        await job(ctx=ctx, dut=dut, hart=[Hart(ctx, port) for port in dut.hart])

    simulate(dut, testbench)


@pytest.mark.parametrize("harts", [2, 3, 9])
@run_by(with_system, "harts")
async def test_a_post_is_answered_in_14_cycles_and_interrupts_in_23(
    ctx: Any, dut: IntelSystem, hart: list[Hart], harts: int
) -> None:
    sender, target = hart[0], hart[-1]
    await prepare(sender, target, harts - 1)
    target.privilege(Privilege.U)
    await sender.tick()
    assert ctx.get(dut.quiescent) == 1
    assert await senduipi(sender) == (0, Status.OK, 14)
    for cycle in range(14, 23):
        assert target.interrupt == 0
        assert ctx.get(dut.quiescent) == 0, cycle
        await sender.tick()
    assert target.interrupt == 1
    assert ctx.get(dut.quiescent) == 1
    assert (await target.trap(0x1000))[:2] == (0x4000, Status.OK)
    assert await read(target, Internal.UIRRV) == 9
    assert target.interrupt == 0
    assert (await target.ask(RequestKind.UIPI, Instruction.TESTUI)).data == 0
    assert await target.ask(RequestKind.URET, data=0x1000) == (0x1000, Status.OK, 1)
    assert (await target.ask(RequestKind.UIPI, Instruction.TESTUI)).data == 1
    assert await words(sender) == (UPID.pack(nv=NOTIFICATION, ndst=harts - 1), 0)


def test_locked_stores_of_all_harts_and_of_the_bus_from_outside_count_right() -> None:
    """Each sets its own bits of one word, over and over; none undoes another's."""
    harts, rounds = 3, 8
    dut = IntelSystem(harts=harts, table_pages=1)
    done: list[int] = []

    def hart_job(number: int) -> Any:
        async def testbench(ctx: Any) -> None:
            hart = Hart(ctx, dut.hart[number])
            for bit in range(rounds):
                mask = 1 << 8 * number + bit
                await hart.ask(RequestKind.STORE, StoreFunction.OR, TABLE, mask)
            done.append(number)

        return testbench

    async def outside(ctx: Any) -> None:
        bus, word = dut.bus, 0
        for bit in range(rounds):
            for data in (None, 1 << 8 * harts + bit):
                ctx.set(dut.bus_lock, data is None)
                present(ctx, bus, TABLE // 8, None if data is None else word | data)
                while not ctx.get(bus.ack):
                    await ctx.tick()
                word = ctx.get(bus.dat_r)
                await ctx.tick()
                withdraw(ctx, bus)
                await ctx.tick()  # the lock alone holds the bus
        while len(done) < harts:
            await ctx.tick()
        hart = Hart(ctx, dut.hart[0])
        assert (await hart.load(TABLE)).data == (1 << 8 * (harts + 1)) - 1

    simulate(dut, *map(hart_job, range(harts)), outside)


def test_entries_have_a_second_word_of_an_aligned_address() -> None:
    assert UITTE_ADDRESS.mask("reserved") == 63


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"harts": 0}, "harts must be 1 to 64, not 0"),
        ({"table_pages": 5000}, "table_pages must be 1 to 4095, not 5000"),
        ({"table_base": 8}, "table_base must be a 64-bit multiple of 0x1000, not 0x8"),
        (
            {"table_base": 2**64 - 4096, "table_pages": 2},
            "table_base must be at most 0xffffffffffffe000 for 2 pages, not 0xfffffffffffff000",
        ),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: dict[str, int], sentence: str) -> None:
    assert refused(IntelSystem, **shape) == sentence

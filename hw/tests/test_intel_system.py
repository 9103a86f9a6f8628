"""The system of the Intel flavour: what software sees, from end to end, and in which cycle."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hwbench import ONES, Hart, Result, refused, simulate

from uintr.intel.registers import (
    BROADCAST,
    FAULT,
    INTERNAL_REGISTERS,
    MSRS,
    UITTE,
    UITTE_ADDRESS,
    UPID,
    Fault,
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


def with_system(
    job: Callable[[Any, IntelSystem, list[Hart]], Awaitable[None]], **shape: Any
) -> None:
    dut = IntelSystem(**({"harts": 2, "table_pages": 1} | shape))

    async def testbench(ctx: Any) -> None:
        await job(ctx, dut, [Hart(ctx, port) for port in dut.hart])

    simulate(dut, testbench)


@pytest.mark.parametrize("harts", [2, 3, 9])
def test_a_post_is_answered_in_14_cycles_and_interrupts_in_23(harts: int) -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
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

    with_system(job, harts=harts)


@pytest.mark.parametrize("bit", ["on", "sn"])
def test_on_and_sn_keep_the_notification_back_but_not_the_request(bit: str) -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1, vector=63, **{bit: 1})
        hart[1].privilege(Privilege.U)
        assert await senduipi(hart[0]) == (0, Status.OK, 11)
        await hart[0].tick(20)
        assert hart[1].interrupt == 0
        assert await words(hart[0]) == (
            UPID.pack(nv=NOTIFICATION, ndst=1, **{bit: 1}),
            1 << 63,
        )

    with_system(job)


def test_the_highest_vector_comes_first_and_each_once() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        hart[1].privilege(Privilege.S)
        assert await write(hart[1], Msr.UINTR_RR, 1 << 63 | 1 << 31 | 1) == 0
        hart[1].privilege(Privilege.U)
        for vector in (63, 31, 0):
            assert (await hart[1].trap(8)).status == Status.OK
            assert await read(hart[1], Internal.UIRRV) == vector
            assert hart[1].interrupt == 0
            await hart[1].ask(RequestKind.URET)
        assert hart[1].interrupt == 0
        assert (await hart[1].trap(8)).status == Status.NOT_PENDING

    with_system(job)


GOOD = UITTE.pack(v=1, uv=9)


@pytest.mark.parametrize(
    ("entry", "address", "upid", "cause", "cycles"),
    [
        (GOOD & ~1, UPID_PLACE, 0, Fault.INVALID, 5),
        (GOOD | 1 << 1, UPID_PLACE, 0, Fault.ENTRY, 5),
        (GOOD | 1 << 14, UPID_PLACE, 0, Fault.ENTRY, 5),
        (GOOD | 1 << 63, UPID_PLACE, 0, Fault.ENTRY, 5),
        (GOOD, UPID_PLACE | 8, 0, Fault.ENTRY, 5),
        (GOOD, UPID_PLACE | 1 << 47, 0, Fault.ADDRESS, 5),
        (GOOD, UPID_PLACE, 1 << 2, Fault.DESCRIPTOR, 7),
        (GOOD, UPID_PLACE, 1 << 31, Fault.DESCRIPTOR, 7),
        (GOOD, 0, 0, Fault.BUS, 7),
    ],
)
def test_what_is_refused_has_a_name_and_no_effect(
    entry: int, address: int, upid: int, cause: Fault, cycles: int
) -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        await hart[0].store(TABLE, entry)
        await hart[0].store(TABLE + 8, address)
        await hart[0].store(UPID_PLACE, upid)
        status = Status.BUS if cause is Fault.BUS else Status.GP
        assert await senduipi(hart[0]) == (0, status, cycles)
        assert await words(hart[0]) == (upid, 0)
        fault = await read(hart[0], Internal.FAULT)
        assert fault == FAULT.pack(count=1, cause=cause)
        assert await write(hart[0], Internal.FAULT, ONES) == 0
        assert await read(hart[0], Internal.FAULT) == 0

    with_system(job)


def test_checks_before_the_memory() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        assert await senduipi(hart[0]) == (0, Status.UD, 1)
        assert (await hart[0].ask(RequestKind.URET)).status == Status.UD
        await prepare(hart[0], hart[1], 1)
        for index in (1, 1 << 32, 1 << 63):
            assert await senduipi(hart[0], index) == (0, Status.GP, 1)
        assert FAULT.field("cause").get(await read(hart[0], Internal.FAULT)) == Fault.INDEX
        await write(hart[0], Msr.UINTR_TT, TABLE)
        assert await senduipi(hart[0]) == (0, Status.UD, 1)
        # The last canonical address below, and an index that leaves it.
        await write(hart[0], Msr.UINTR_TT, (1 << 47) - 16 | 1)
        await write(hart[0], Msr.UINTR_MISC, MSRS[Msr.UINTR_MISC].pack(uittsz=1))
        assert await senduipi(hart[0], 1) == (0, Status.GP, 1)
        assert FAULT.field("cause").get(await read(hart[0], Internal.FAULT)) == Fault.TABLE
        assert (await senduipi(hart[0], 0)).status == Status.BUS

    with_system(job)


@pytest.mark.parametrize("msr", list(Msr))
def test_msrs_are_the_supervisors_and_their_writes_are_checked(msr: Msr) -> None:
    readable = msr is not Msr.X2APIC_ICR
    writable = not msr.name.startswith("X2APIC_IRR")
    canonical = {Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_PD, Msr.UINTR_TT}

    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        unit = hart[0]
        good = 0x40 if writable else 0
        assert await write(unit, msr, good) == (Status.OK if writable else Status.GP)
        assert (await unit.ask(RequestKind.CSR, CsrFunction.READ, msr)).status == (
            Status.OK if readable else Status.GP
        )
        bad = [1 << bit for bit in range(64) if MSRS[msr].mask("reserved") >> bit & 1]
        bad += [1 << 47, 1 << 63, ONES << 48] if msr in canonical else []
        for word in bad:
            assert await write(unit, msr, word % (1 << 64)) == Status.GP
        if readable and writable:
            assert await read(unit, msr) == good
        unit.privilege(Privilege.U)
        assert await write(unit, msr, 0) == Status.GP
        assert (await unit.ask(RequestKind.CSR, CsrFunction.READ, msr)).status == Status.GP
        for function in (CsrFunction.SET, CsrFunction.CLEAR):
            assert (await unit.ask(RequestKind.CSR, function, msr)).status == Status.ILLEGAL

    with_system(job)


def test_a_vector_that_is_not_uinv_is_the_supervisors() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        for vector in (0xE3, 0xF0, 0xDF):
            word = MSRS[Msr.X2APIC_ICR].pack(vector=vector, destination=1)
            assert await write(hart[0], Msr.X2APIC_ICR, word) == 0
        line = dut.hart[1].supervisor_interrupt
        assert ctx.get(line) == 1
        assert await read(hart[1], Msr.X2APIC_IRR7) == 1 << 0x10 | 1 << 3
        assert [await read(hart[1], Internal.ACKNOWLEDGE) for _ in range(3)] == [0xF0, 0xE3, 0]
        assert ctx.get(line) == 0
        for destination in (2, 1 << 16 | 1, 1 << 31):
            word = MSRS[Msr.X2APIC_ICR].pack(vector=0xF0, destination=destination)
            await write(hart[0], Msr.X2APIC_ICR, word)
        assert ctx.get(line) == 0

    with_system(job)


def test_a_notification_waits_for_user_mode_and_a_lost_one_is_told() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        await senduipi(hart[0])
        await hart[0].tick(20)
        assert await words(hart[0]) == (UPID.pack(on=1, nv=NOTIFICATION, ndst=1), 1 << 9)
        await hart[0].tick()
        assert ctx.get(dut.quiescent) == 1
        await write(hart[1], Msr.UINTR_PD, 0x40)  # there is no memory
        hart[1].privilege(Privilege.U)
        await hart[0].tick(10)
        hart[1].privilege(Privilege.S)
        assert await read(hart[1], Internal.FAULT) == FAULT.pack(lost=1)
        assert await words(hart[0]) == (UPID.pack(on=1, nv=NOTIFICATION, ndst=1), 1 << 9)

    with_system(job)


def test_locked_stores() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        unit = hart[0]
        await unit.store(TABLE, 0b1100)
        for function, operand, before in (
            (StoreFunction.OR, 0b0011, 0b1100),
            (StoreFunction.AND, 0b0101, 0b1111),
            (StoreFunction.SWAP, 77, 0b0101),
        ):
            result = await unit.ask(RequestKind.STORE, function, TABLE, operand)
            assert result == (before, Status.OK, 5)
        assert await unit.load(TABLE) == (77, Status.OK, 3)
        assert (await unit.ask(RequestKind.STORE, 4, TABLE)).status == Status.ILLEGAL
        unit.privilege(Privilege.U)
        assert (await unit.load(TABLE)).status == Status.ILLEGAL

    with_system(job)


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
        bus = dut.bus
        ctx.set(bus.adr, TABLE // 8)
        ctx.set(bus.sel, 0xFF)
        for bit in range(rounds):
            for write_it in (0, 1):
                ctx.set(dut.bus_lock, not write_it)
                ctx.set(bus.we, write_it)
                ctx.set(bus.cyc, 1)
                ctx.set(bus.stb, 1)
                while not ctx.get(bus.ack):
                    await ctx.tick()
                word = ctx.get(bus.dat_r)
                await ctx.tick()
                ctx.set(bus.cyc, 0)
                ctx.set(bus.stb, 0)
                await ctx.tick()  # the lock alone holds the bus
                ctx.set(bus.dat_w, word | 1 << 8 * harts + bit)
        while len(done) < harts:
            await ctx.tick()
        hart = Hart(ctx, dut.hart[0])
        assert (await hart.load(TABLE)).data == (1 << 8 * (harts + 1)) - 1

    simulate(dut, *map(hart_job, range(harts)), outside)


def test_the_user_timer_comes_once_and_rests_before_and_after() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        await write(hart[1], Internal.TSC, 60)
        assert await write(hart[1], Msr.UINTR_TIMER, 64 | 5) == 0
        hart[1].privilege(Privilege.U)
        seen = []
        for _ in range(8):
            seen.append((hart[1].interrupt, ctx.get(dut.quiescent)))
            await hart[1].tick()
        assert seen[0] == (0, 0)
        assert seen[-1] == (1, 1)
        assert sorted(seen) == seen
        hart[1].privilege(Privilege.S)
        assert await read(hart[1], Msr.UINTR_TIMER) == 0
        assert await read(hart[1], Msr.UINTR_RR) == 1 << 5

    with_system(job)


def test_the_user_timer_waits_for_uif_and_what_overwrites_it_cancels_it() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        await hart[1].ask(RequestKind.UIPI, Instruction.CLUI)
        await write(hart[1], Msr.UINTR_TIMER, 64 | 5)
        await write(hart[1], Internal.TSC, 100)
        hart[1].privilege(Privilege.U)
        for _ in range(5):
            await hart[1].tick()
            assert ctx.get(dut.quiescent)
        hart[1].privilege(Privilege.S)
        assert await read(hart[1], Msr.UINTR_RR) == 0
        assert await read(hart[1], Msr.UINTR_TIMER) == 64 | 5

        await write(hart[1], Msr.UINTR_TIMER, 64 | 6)
        hart[1].privilege(Privilege.U)
        await hart[1].ask(RequestKind.UIPI, Instruction.STUI)
        await hart[1].tick()
        assert hart[1].interrupt
        hart[1].privilege(Privilege.S)
        assert await read(hart[1], Msr.UINTR_RR) == 1 << 6
        assert await read(hart[1], Msr.UINTR_TIMER) == 0

    with_system(job)


def test_an_interrupt_for_everybody_reaches_its_sender_too() -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        word = MSRS[Msr.X2APIC_ICR].pack(vector=0xF1, destination=BROADCAST)
        assert await write(hart[0], Msr.X2APIC_ICR, word) == 0
        for each in hart:
            assert await read(each, Internal.ACKNOWLEDGE) == 0xF1

    with_system(job)


@pytest.mark.parametrize("pc", [1 << 47, 1 << 63, 0xFFFF_7FFF_FFFF_FFFF])
def test_uiret_to_an_address_that_is_not_canonical_changes_nothing(pc: int) -> None:
    async def job(ctx: Any, dut: IntelSystem, hart: list[Hart]) -> None:
        await prepare(hart[0], hart[1], 1)
        hart[1].privilege(Privilege.U)
        await hart[1].ask(RequestKind.UIPI, Instruction.CLUI)
        assert (await hart[1].ask(RequestKind.URET, data=pc)).status == Status.GP
        assert (await hart[1].ask(RequestKind.UIPI, Instruction.TESTUI)).data == 0
        good = (1 << 47) - 1
        assert await hart[1].ask(RequestKind.URET, data=good) == (good, Status.OK, 1)
        assert (await hart[1].ask(RequestKind.UIPI, Instruction.TESTUI)).data == 1

    with_system(job)


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

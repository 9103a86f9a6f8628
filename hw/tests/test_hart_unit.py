"""One hart's unit at its port: what every request costs, and how it ends."""

import random
from typing import Any

import pytest
from hwbench import ONES, Hart, Result, Surroundings, drive, refused, run_by, simulate

from uintr.hart_unit import HartUnit
from uintr.registers import (
    CSRS,
    SENDER_ENTRY,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)

TABLE = 0x8400_0000


def with_unit(job: Any) -> None:
    dut = HartUnit(receivers=5)

    async def testbench(ctx: Any) -> None:
        around = Surroundings(ctx, dut.bus, dut.port)
        hart = Hart(ctx, dut.hart, around.step)
        await job(ctx=ctx, dut=dut, hart=hart, around=around)

    simulate(dut, testbench)


async def enable(hart: Hart, around: Surroundings, index: int = 0, receiver: int = 4) -> None:
    """A sender table of one page whose entry ``index`` posts vector 9; receiver 3 is our own."""
    await hart.csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=1, ppn=TABLE >> 12))
    await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=3))
    around.memory[TABLE // 8 + index] = SENDER_ENTRY.pack(valid=1, vector=9, receiver=receiver)


@run_by(with_unit)
async def test_every_request_takes_the_cycles_of_the_contract(
    hart: Hart, around: Surroundings
) -> None:
    await enable(hart, around)
    around.answer = 0
    assert (await hart.csr(CsrFunction.READ, Csr.USTATUS)).cycles == 1
    assert (await hart.trap()).cycles == 1
    assert (await hart.uret()).cycles == 1
    assert (await hart.send(512)).cycles == 1
    for bus_delay in (1, 3):
        around.bus_delay = bus_delay
        assert (await hart.send(1)) == (0, Status.INVALID, 1 + bus_delay + 1)
        assert (await hart.load(0x100)).cycles == 1 + bus_delay + 1
        assert (await hart.store(0x100, 1)).cycles == 1 + bus_delay + 1
        for accept_delay in (0, 2):
            around.accept_delay = accept_delay
            assert (await hart.send(0)).cycles == 1 + bus_delay + 1 + accept_delay + 1
            for function in list(UipiFunction)[1:]:
                assert (await hart.uipi(function)).cycles == 1 + accept_delay + 4


@run_by(with_unit)
async def test_idle_is_no_request_and_no_response(
    ctx: Any, dut: HartUnit, hart: Hart, around: Surroundings
) -> None:
    assert ctx.get(dut.idle) == 1
    assert ctx.get(dut.hart.request.ready) == 1
    await hart.csr_read(Csr.USTATUS)
    assert ctx.get(dut.idle) == 0  # the response is shown
    await hart.tick()
    assert ctx.get(dut.idle) == 1
    assert ctx.get(dut.hart.response.valid) == 0

    request = dut.hart.request
    ctx.set(request.valid, 1)
    ctx.set(request.payload.kind, RequestKind.LOAD)
    around.bus_delay = 3
    shown = []
    for _ in range(7):
        around.step()
        shown.append((ctx.get(dut.idle), ctx.get(request.ready), ctx.get(dut.hart.response.valid)))
        await ctx.tick()
        ctx.set(request.valid, 0)
    assert shown == [(1, 1, 0), *[(0, 0, 0)] * 4, (0, 1, 1), (1, 1, 0)]


@run_by(with_unit)
async def test_a_request_every_cycle_when_nothing_is_waited_for(ctx: Any, dut: HartUnit) -> None:
    request, response = dut.hart.request, dut.hart.response
    ctx.set(request.payload.kind, RequestKind.CSR)
    drive(ctx, request.payload, function=CsrFunction.WRITE, address=Csr.USCRATCH)
    ctx.set(request.valid, 1)
    for value in range(10):
        assert ctx.get(request.ready) == 1
        assert ctx.get(response.valid) == (value > 0)
        if value > 0:
            assert ctx.get(response.payload.data) == max(0, value - 2)
        ctx.set(request.payload.data, value)
        await ctx.tick()


# --- Loads and stores -----------------------------------------------------------------------------


@pytest.mark.parametrize("privilege", [Privilege.S, Privilege.M])
@run_by(with_unit)
async def test_supervisors_load_and_store(
    hart: Hart, around: Surroundings, privilege: Privilege
) -> None:
    hart.privilege(privilege)
    for address in (0, 8, TABLE, 2**63 + 0x1000, 2**64 - 8):
        assert (await hart.store(address, ONES - address)) == (0, Status.OK, 3)
        assert around.transfers.pop() == (address // 8, ONES - address)
        assert (await hart.load(address)) == (ONES - address, Status.OK, 3)
        assert around.transfers.pop() == (address // 8, None)


@pytest.mark.parametrize("kind", [RequestKind.LOAD, RequestKind.STORE])
@pytest.mark.parametrize(
    ("privilege", "address"), [(0, 8), (2, 8), *[(1, 8 + low) for low in range(1, 8)], (3, 12)]
)
@run_by(with_unit)
async def test_other_loads_and_stores_are_illegal(
    hart: Hart, around: Surroundings, kind: int, privilege: int, address: int
) -> None:
    hart.privilege(privilege)
    assert await hart.ask(kind, 0, address, ONES) == (0, Status.ILLEGAL, 1)
    await hart.tick(6)
    assert not around.transfers


@run_by(with_unit)
async def test_a_bus_error_ends_load_store_and_send(hart: Hart, around: Surroundings) -> None:
    await enable(hart, around)
    for around.error in (True, False):
        status = Status.BUS if around.error else Status.OK
        assert await hart.load(0x40) == (0, status, 3)
        assert await hart.store(0x48, 5) == (0, status, 3)
        assert (await hart.send(0)).status == status
    assert len(around.posted) == 1


# --- Requests that do not exist -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [6, 7])
@run_by(with_unit)
async def test_a_kind_that_does_not_exist_is_illegal(
    hart: Hart, around: Surroundings, kind: int
) -> None:
    await enable(hart, around)
    for function in range(5):
        assert await hart.ask(kind, function, Csr.SUIST, 0) == (0, Status.ILLEGAL, 1)
    await hart.tick(6)
    assert not around.transfers
    assert not around.posted
    assert await hart.csr_read(Csr.SUIST) >> 63 == 1


@pytest.mark.parametrize("kind", [kind for kind in RequestKind if kind != RequestKind.CSR])
@run_by(with_unit)
async def test_no_other_kind_touches_a_csr(hart: Hart, kind: RequestKind) -> None:
    hart.privilege(Privilege.M)
    await hart.csr_write(Csr.USCRATCH, 0x1234)
    await hart.ask(kind, CsrFunction.WRITE, Csr.USCRATCH, ONES)
    assert await hart.csr_read(Csr.USCRATCH) == 0x1234


# --- Send, then something else --------------------------------------------------------------------


@run_by(with_unit)
async def test_a_send_after_a_change_of_suist_uses_the_new_table(
    hart: Hart, around: Surroundings
) -> None:
    await enable(hart, around)
    await hart.csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=1, ppn=5))
    assert (await hart.send(3)).status == Status.INVALID
    assert around.transfers == [(5 * 512 + 3, None)]


@run_by(with_unit)
async def test_the_supervisor_line_goes_through_whatever_the_privilege(
    ctx: Any, dut: HartUnit, hart: Hart
) -> None:
    for level in Privilege:
        hart.privilege(level)
        for line in (1, 0):
            ctx.set(dut.supervisor_line, line)
            assert ctx.get(dut.hart.supervisor_interrupt) == line
            assert hart.interrupt == 0


@run_by(with_unit)
async def test_the_line_is_the_interrupt_of_a_ready_hart(
    ctx: Any, dut: HartUnit, hart: Hart
) -> None:
    for csr in (Csr.SIDELEG, Csr.USTATUS, Csr.UIE):
        await hart.csr_write(csr, 1)
    await hart.csr_write(Csr.UTVEC, 0x400)
    hart.privilege(Privilege.U)
    assert hart.interrupt == 0
    assert (await hart.trap(0x80)) == Result(0, Status.NOT_PENDING, 1)
    ctx.set(dut.line, 1)
    assert hart.interrupt == 1
    hart.privilege(Privilege.S)
    assert hart.interrupt == 0
    hart.privilege(Privilege.U)
    assert (await hart.trap(0x80)) == Result(0x400, Status.OK, 1)
    assert hart.interrupt == 0
    assert (await hart.uret()) == Result(0x80, Status.OK, 1)
    assert hart.interrupt == 1
    ctx.set(dut.line, 0)
    assert hart.interrupt == 0


@run_by(with_unit)
async def test_every_request_is_answered_once_and_in_order(
    hart: Hart, around: Surroundings
) -> None:
    """Random requests, good and bad, with random delays all round; USCRATCH tells the order."""
    generator = random.Random(6)
    await enable(hart, around)
    marker = 0
    for number in range(400):
        around.bus_delay = generator.randrange(1, 4)
        around.accept_delay = generator.randrange(4)
        around.answer = generator.getrandbits(64)
        kind = generator.randrange(8)
        if kind == RequestKind.CSR:
            result = await hart.csr(CsrFunction.WRITE, Csr.USCRATCH, number)
            assert result.data == marker
            marker = number
        elif kind == RequestKind.UIPI:
            function = generator.randrange(6)
            result = await hart.uipi(function, generator.choice([0, 1, 600]))
            if function == UipiFunction.READ:
                assert result.data == around.answer
        else:
            await hart.ask(kind, 0, 8 * number, number)
        await hart.tick(generator.choice([0, 0, 1, 5]))
    assert await hart.csr_read(Csr.USCRATCH) == marker


def test_receivers_are_checked() -> None:
    assert refused(HartUnit, receivers=0) == "receivers must be 1 to 65536, not 0"

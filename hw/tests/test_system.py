"""The whole system: what software sees, from end to end."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.sim import Simulator
from hwbench import ONES, Hart, refused, simulate

from uintr.registers import (
    ACTIVE,
    CONTROL_OFFSET,
    CSRS,
    DEFAULT_BASE,
    DEFAULT_TABLE_BASE,
    ENABLE,
    ENTRY_CACHE_OFFSET,
    HIGH,
    LOW,
    SEND,
    SENDER_ENTRY,
    Csr,
    CsrFunction,
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


async def transfer(
    ctx: Any, bus: Any, address: int, data: int | None = None, sel: int = 0xFF
) -> tuple[bool, int, int]:
    """On the bus from outside: (error, data, cycles from `stb` to the end)."""
    ctx.set(bus.cyc, 1)
    ctx.set(bus.stb, 1)
    ctx.set(bus.we, data is not None)
    ctx.set(bus.adr, address // 8)
    ctx.set(bus.sel, sel)
    ctx.set(bus.dat_w, data or 0)
    for cycles in range(200):
        if ctx.get(bus.ack) or ctx.get(bus.err):
            end = bool(ctx.get(bus.err)), int(ctx.get(bus.dat_r)), cycles
            await ctx.tick()
            ctx.set(bus.cyc, 0)
            ctx.set(bus.stb, 0)
            return end
        await ctx.tick()
    raise AssertionError("the transfer does not end")


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


def with_system(job: Callable[[Any, System, list[Hart]], Awaitable[None]], **shape: Any) -> None:
    """Run ``job`` from the cycle on in which the sweep is over."""
    shape = {"harts": 2, "receivers": 5, "table_pages": 1} | shape
    dut = System(**shape)

    async def testbench(ctx: Any) -> None:
        harts = [Hart(ctx, port) for port in dut.hart]
        await ctx.tick().repeat(shape["receivers"])
        await job(ctx, dut, harts)

    simulate(dut, testbench)


# --- Latency --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("harts", "receivers"), [(1, 1), (2, 5), (4, 16), (9, 3)])
def test_send_reaches_the_line_in_six_cycles(harts: int, receivers: int) -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        sender, target = hart[0], hart[-1]
        await sending(sender, receivers - 1)
        await receiving(target, harts - 1, receivers - 1)
        await target.tick(6)
        request = dut.hart[0].request
        ctx.set(request.valid, 1)
        ctx.set(request.payload.kind, RequestKind.UIPI)
        ctx.set(request.payload.function, UipiFunction.SEND)
        ctx.set(request.payload.data, 0)
        seen = []
        for _ in range(8):
            seen.append((target.interrupt, ctx.get(dut.hart[0].response.valid)))
            await ctx.tick()
            ctx.set(request.valid, 0)
        # accepted in cycle 0, answered in 4, on the line in 6
        assert seen == [(0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (0, 0), (1, 0), (1, 0)]

    with_system(job, harts=harts, receivers=receivers)


def test_requests_take_the_cycles_of_the_contract() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        await sending(hart[0], 3)
        await receiving(hart[0], 0, 3)
        hart[0].privilege(Privilege.S)
        assert (await hart[0].send(0)).cycles == 4
        assert (await hart[0].send(1)).cycles == 3
        for function in list(UipiFunction)[1:]:
            assert (await hart[0].uipi(function)).cycles == 5
        assert (await hart[0].load(TABLE)).cycles == 3
        assert (await hart[0].store(TABLE, 0)).cycles == 3
        assert (await hart[0].load(slot(3, LOW))).cycles == 5
        assert (await hart[0].load(slot(3, SEND))) == (0, Status.OK, 5)
        assert (await hart[0].load(slot(5, LOW))) == (0, Status.BUS, 3)

    with_system(job)


def test_operations_wait_for_the_sweep_and_all_else_does_not() -> None:
    dut = System(harts=1, receivers=30, table_pages=1)

    async def testbench(ctx: Any) -> None:
        hart = Hart(ctx, dut.hart[0])
        assert ctx.get(dut.quiescent) == 0
        assert (await hart.store(TABLE, 5)) == (0, Status.OK, 3)  # answered in cycle 3
        assert (await hart.load(slot(30, LOW))) == (0, Status.BUS, 3)  # and 6
        # presented in cycle 7, accepted in cycle 30, acknowledged in 33, answered in 34
        assert (await hart.load(slot(29, HIGH))) == (0, Status.OK, 34 - 6)
        assert (await hart.load(TABLE)) == (5, Status.OK, 3)

    simulate(dut, testbench)


def test_an_operation_in_the_midst_of_the_shortest_sweep_is_answered() -> None:
    """An instruction can reach the controller before five records are erased, and has to wait."""
    dut = System(harts=2, receivers=5, table_pages=1)

    async def testbench(ctx: Any) -> None:
        hart = Hart(ctx, dut.hart[0])
        await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=4))  # to cycle 1
        # presented to the controller in cycle 2, accepted in cycle 5, three later
        assert await hart.uipi(UipiFunction.READ) == (0, Status.OK, 8)

    simulate(dut, testbench)


def test_the_sweep_ends_in_quiescence() -> None:
    dut = System(harts=1, receivers=13, table_pages=1)

    async def testbench(ctx: Any) -> None:
        for cycle in range(20):
            assert ctx.get(dut.quiescent) == (cycle >= 13)
            await ctx.tick()

    simulate(dut, testbench)


# --- Every status ---------------------------------------------------------------------------------


def test_every_status_of_send() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        sender = hart[0]
        assert (await sender.send(0)).status == Status.DISABLED
        await sending(sender, 4)
        entries = {
            1: (SENDER_ENTRY.pack(valid=0, vector=9, receiver=4), Status.INVALID),
            2: (SENDER_ENTRY.pack(valid=1, vector=64, receiver=4), Status.VECTOR),
            3: (SENDER_ENTRY.pack(valid=1, vector=9, receiver=5), Status.RECEIVER),
            511: (SENDER_ENTRY.pack(valid=1, vector=63, receiver=4), Status.OK),
        }
        for index, (entry, status) in entries.items():
            await sender.store(TABLE + 8 * index, entry)
            assert (await sender.send(index)).status == status
        for index in (512, 2**61, 2**63, ONES):
            assert (await sender.send(index)).status == Status.INDEX
        assert (await sender.load(slot(4, HIGH))).data == 1 << 63

        # A table of two pages where memory has one; then one where nothing is.
        for ppn, index in ((TABLE >> 12, 512), (0, 0), (2**44 - 1, 0)):
            await sender.csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=2, ppn=ppn))
            assert await sender.send(index) == (0, Status.BUS, 3)
        for receiver in range(5):
            assert (await sender.load(slot(receiver, HIGH))).data == 0

    with_system(job)


def test_every_status_of_the_others() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        for function in list(UipiFunction)[1:]:
            for suirs, status in (
                (CSRS[Csr.SUIRS].pack(en=0, index=1), Status.DISABLED),
                (CSRS[Csr.SUIRS].pack(en=1, index=5), Status.RECEIVER),
                (CSRS[Csr.SUIRS].pack(en=1, index=4), Status.OK),
            ):
                await hart[1].csr_write(Csr.SUIRS, suirs)
                assert (await hart[1].uipi(function, 1)).status == status
        assert (await hart[1].uipi(5)).status == Status.ILLEGAL
        assert (await hart[1].trap()).status == Status.NOT_PENDING
        assert (await hart[1].csr(CsrFunction.READ, 0x300)).status == Status.ILLEGAL

    with_system(job)


@pytest.mark.parametrize(
    "address",
    [0, BASE - 8, slot(5, SEND), slot(7, ACTIVE), slot(8, SEND), TABLE - 8, TABLE + 4096,
     TABLE + 2**32, 2**63, 2**64 - 8],
)  # fmt: skip
def test_an_address_of_nobody_is_a_bus_error(address: int) -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        assert await hart[1].load(address) == (0, Status.BUS, 3)
        assert await hart[1].store(address, 1) == (0, Status.BUS, 3)
        assert (await transfer(ctx, dut.bus, address))[0]
        assert await hart[1].store(TABLE, 7) == (0, Status.OK, 3)
        assert await hart[1].load(TABLE) == (7, Status.OK, 3)

    with_system(job)


# --- User interrupts ------------------------------------------------------------------------------


def test_an_interrupt_from_send_to_return() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
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

    with_system(job)


def test_an_inactive_receiver_keeps_its_bits() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        await sending(hart[0], 2)
        await receiving(hart[1], 1, 2)
        await hart[1].uipi(UipiFunction.DEACTIVATE)
        await hart[0].send(0)
        await hart[1].tick(4)
        assert hart[1].interrupt == 0
        await hart[1].uipi(UipiFunction.ACTIVATE)
        assert hart[1].interrupt == 1
        assert (await hart[1].uipi(UipiFunction.READ)).data == 1 << 9
        await hart[1].uipi(UipiFunction.WRITE, 6)
        assert hart[1].interrupt == 1
        assert (await hart[1].uipi(UipiFunction.READ)).data == 6
        assert hart[1].interrupt == 0

    with_system(job)


def test_after_a_move_is_answered_the_old_hart_is_never_interrupted() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        await sending(hart[2], 0)
        for number in (0, 1):
            await receiving(hart[number], number, 0)
        for number in (0, 1, 0, 1):
            await hart[2].send(0)
            await hart[2].store(slot(0, LOW), LOW.pack(active=1, mode=1, hartid=number))
            for _ in range(6):
                assert [hart[0].interrupt, hart[1].interrupt] == [number == 0, number == 1]
                await hart[2].tick()

    with_system(job, harts=3)


def test_a_line_is_never_latched_by_set_or_clear_of_uip() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        await sending(hart[0], 2)
        await receiving(hart[1], 1, 2)
        for function in (CsrFunction.SET, CsrFunction.CLEAR):
            await hart[0].send(0)
            await hart[1].tick(3)
            assert (await hart[1].csr(function, Csr.UIP, 0)).data == 1
            assert (await hart[1].uipi(UipiFunction.READ)).data == 1 << 9
            assert await hart[1].csr_read(Csr.UIP) == 0

    with_system(job)


# --- The bus --------------------------------------------------------------------------------------


def test_the_bus_from_outside_reaches_all_a_hart_reaches() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
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

    with_system(job)


@pytest.mark.parametrize(
    ("address", "cycles"), [(TABLE, 2), (TABLE - 8, 2), (slot(1, LOW), 4), (slot(5, LOW), 2)]
)
def test_a_transfer_from_outside_is_not_quiet(address: int, cycles: int) -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        assert ctx.get(dut.quiescent) == 1
        ctx.set(dut.bus.cyc, 1)
        ctx.set(dut.bus.stb, 1)
        ctx.set(dut.bus.sel, 0xFF)
        ctx.set(dut.bus.adr, address // 8)
        for _ in range(cycles):
            assert ctx.get(dut.quiescent) == 0
            ended = ctx.get(dut.bus.ack) | ctx.get(dut.bus.err)
            await ctx.tick()
        assert ended
        ctx.set(dut.bus.cyc, 0)
        ctx.set(dut.bus.stb, 0)
        assert ctx.get(dut.quiescent) == 1

    with_system(job)


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


def test_contending_posts_are_accepted_one_a_cycle_in_turn() -> None:
    dut = System(harts=3, receivers=3, table_pages=1)
    cycles: list[int] = [0] * 3
    ready: list[int] = []

    def writer(number: int) -> Any:
        async def testbench(ctx: Any) -> None:
            hart = Hart(ctx, dut.hart[number])
            await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=0))
            await hart.tick(6)
            cycles[number] = (await hart.uipi(UipiFunction.WRITE, 1 << number)).cycles
            ready.append(number)
            while len(ready) < 3:
                await hart.tick()
            if number == 0:
                assert (await hart.uipi(UipiFunction.READ)).data == 0b111

        return testbench

    simulate(dut, *(writer(number) for number in range(3)))
    assert cycles == [5, 6, 7]


@pytest.mark.parametrize(
    ("cached", "cycles"), [(False, [4, 6, 8, 10]), (True, [2, 3, 4, 5])], ids=["table", "cache"]
)
def test_a_burst_of_posts_takes_two_cycles_each_through_the_table_one_from_caches(
    cached: bool, cycles: list[int]
) -> None:
    """The bus makes one transfer at a time, and a read of the table takes two cycles."""
    harts = len(cycles)
    dut = System(harts=harts, receivers=harts, table_pages=1)
    clock, taken = [0], [0] * harts

    async def count(ctx: Any) -> None:
        for _ in range(200):
            await ctx.tick()
            clock[0] += 1

    def sender(number: int) -> Any:
        async def testbench(ctx: Any) -> None:
            hart = Hart(ctx, dut.hart[number])
            await hart.tick(harts)
            await sending(hart, number, index=number)
            if cached:
                enable = BASE + CONTROL_OFFSET + ENTRY_CACHE_OFFSET + 8 * number
                assert (await hart.store(enable, 1)).status == Status.OK
                await hart.uipi(UipiFunction.SEND, number)
            while clock[0] < 150:
                await hart.tick()
            taken[number] = (await hart.uipi(UipiFunction.SEND, number)).cycles

        return testbench

    simulate(dut, count, *(sender(number) for number in range(harts)))
    assert sorted(taken) == cycles


# --- All at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_no_post_is_lost_or_delivered_twice(seed: int) -> None:
    """Three harts post every vector of every receiver once while two readers clear."""
    harts, receivers = 4, 3
    dut = System(harts=harts, receivers=receivers, table_pages=1)
    posts = [(vector, receiver) for vector in range(64) for receiver in range(receivers)]
    got: list[list[int]] = [[] for _ in range(receivers)]
    running = {1, 2, 3}
    prepared: list[bool] = []

    def sender(number: int) -> Any:
        async def testbench(ctx: Any) -> None:
            generator = random.Random(seed * 10 + number)
            hart = Hart(ctx, dut.hart[number])
            await hart.csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=1, ppn=TABLE >> 12))
            while not prepared:
                await hart.tick()
            mine = list(range(number - 1, len(posts), 3))
            generator.shuffle(mine)
            for index in mine:
                assert (await hart.send(index)).status == Status.OK
                await hart.tick(generator.choice([0, 0, 0, 7]))
            running.discard(number)

        return testbench

    async def reader(ctx: Any) -> None:
        generator = random.Random(seed)
        hart = Hart(ctx, dut.hart[0])
        for index, (vector, receiver) in enumerate(posts):
            entry = SENDER_ENTRY.pack(valid=1, vector=vector, receiver=receiver)
            assert not (await transfer(ctx, dut.bus, TABLE + 8 * index, entry))[0]
        prepared.append(True)
        while running:
            receiver = generator.randrange(receivers)
            if generator.random() < 0.5:
                got[receiver].append((await hart.load(slot(receiver, HIGH))).data)
            else:
                await hart.csr_write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=receiver))
                got[receiver].append((await hart.uipi(UipiFunction.READ)).data)
        for receiver in range(receivers):
            got[receiver].append((await hart.load(slot(receiver, HIGH))).data)

    simulate(dut, reader, *(sender(number) for number in running))
    for words in got:
        assert sum(words) == ONES
        assert sum(word.bit_count() for word in words) == 64


def changes(path: Path) -> list[dict[str, str]]:
    """The signals that change at and after each rising edge of a VCD file, by full name."""
    names: dict[str, str] = {}
    scope: list[str] = []
    edges: list[dict[str, str]] = [{}]
    clock = ""
    for line in path.read_text().splitlines():
        words = line.split()
        match words[:1]:
            case ["$scope"]:
                scope.append(words[2])
            case ["$upscope"]:
                scope.pop()
            case ["$var"]:
                names[words[3]] = ".".join([*scope, words[4]])
                if words[4] == "clk":
                    clock = words[3]
            case [first] if first[0] in "01":
                if line[1:] == clock:
                    if first[0] == "1":
                        edges.append({})
                else:
                    edges[-1][names[line[1:]]] = first[0]
            case [first] if first[0] in "bs":
                edges[-1][names[words[1]]] = first
    return edges


def test_in_quiescence_nothing_changes(tmp_path: Path) -> None:
    """Not one signal of the whole system, inner ones included."""
    dut = System(harts=2, receivers=5, table_pages=1)
    generator = random.Random(8)
    quiet: list[tuple[int, int]] = []

    async def testbench(ctx: Any) -> None:
        cycle = 0
        suist = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=TABLE >> 12)
        suirs = CSRS[Csr.SUIRS].pack(en=1, index=3)
        entry = SENDER_ENTRY.pack(valid=1, vector=5, receiver=3)
        requests = [
            (RequestKind.CSR, CsrFunction.WRITE, Csr.SUIST, suist),
            (RequestKind.CSR, CsrFunction.WRITE, Csr.SUIRS, suirs),
            (RequestKind.STORE, 0, TABLE, entry),
            (RequestKind.STORE, 0, slot(3, LOW), LOW.pack(active=1, hartid=1)),
            *[(RequestKind.UIPI, function, 0, 0) for function in UipiFunction],
            (RequestKind.LOAD, 0, slot(3, HIGH), 0),
            (RequestKind.LOAD, 0, 0, 0),
            (RequestKind.URET, 0, 0, 0),
        ]
        for number in range(60):
            for port in dut.hart:
                kind, function, address, data = (
                    requests[number] if number < 4 else generator.choice(requests)
                )
                ctx.set(port.privilege, Privilege.S)
                ctx.set(port.request.valid, generator.random() < 0.9 or number < 4)
                ctx.set(port.request.payload.kind, kind)
                ctx.set(port.request.payload.function, function)
                ctx.set(port.request.payload.address, address)
                ctx.set(port.request.payload.data, data)
            await ctx.tick()
            cycle += 1
            for port in dut.hart:
                ctx.set(port.request.valid, 0)
            while not ctx.get(dut.quiescent):
                await ctx.tick()
                cycle += 1
            await ctx.tick().repeat(6)
            quiet.append((cycle, cycle + 6))
            cycle += 6

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    path = tmp_path / "quiescent.vcd"
    with simulator.write_vcd(str(path)):
        simulator.run()

    edges = changes(path)
    assert any("count_user_1" in name for edge in edges for name in edge)
    assert any("records" in name for edge in edges for name in edge)
    for begin, end in quiet:
        # The first edge is that of the first quiescent cycle; at the last the test goes on.
        for cycle in range(begin + 1, end):
            assert edges[cycle] == {}, f"cycle {cycle}"


def test_each_hart_has_its_supervisor_line() -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        enable = DEFAULT_BASE + CONTROL_OFFSET + ENABLE.address
        await hart[0].store(enable, ENABLE.pack(supervisor=1))
        for number in range(2):
            low = LOW.pack(active=1, supervisor=1, hartid=number)
            assert (await hart[0].store(slot(number, LOW), low)).status == Status.OK
            assert (await hart[0].store(slot(number, SEND), 5)).status == Status.OK
            lines = [ctx.get(port.supervisor_interrupt) for port in dut.hart]
            assert lines == [int(number == each) for each in range(2)]
            assert (await hart[0].load(slot(number, HIGH))).data == 1 << 5

    with_system(job)


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
def test_a_table_may_begin_below_memory_and_end_above_the_last_page(
    table_base: int, ppn: int, status: Status
) -> None:
    """An address carries past the bits of a page number, and does not wrap round to 0."""

    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        entry = SENDER_ENTRY.pack(valid=1, vector=9, receiver=3)
        assert (await hart[0].store(table_base, entry)).status == Status.OK
        await hart[0].csr_write(Csr.SUIST, CSRS[Csr.SUIST].pack(en=1, size=2, ppn=ppn))
        assert (await hart[0].send(511)).status == Status.BUS
        assert (await hart[0].send(512)).status == status
        assert (await hart[0].load(slot(3, HIGH))).data == (status == Status.OK) << 9

    with_system(job, table_base=table_base)


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
def test_windows_may_be_anywhere_and_touch(base: int, table_base: int) -> None:
    async def job(ctx: Any, dut: System, hart: list[Hart]) -> None:
        for address in (table_base, table_base + 4088, base + LOW.address):
            assert (await hart[0].store(address, 3)).status == Status.OK
            assert (await hart[0].load(address)).data == 3

    with_system(job, receivers=512, base=base, table_base=table_base)

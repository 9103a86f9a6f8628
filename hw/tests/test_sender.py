"""The UIPI unit against a table of its checks, with bus and controller as slow as one likes."""

import random
from typing import Any, NamedTuple

import pytest
from hwbench import ONES, Posted, Surroundings, drive, refused, simulated

from uintr.interfaces import OperationFunction
from uintr.registers import CSRS, SENDER_ENTRY, Csr, Feature, Register, Status, UipiFunction
from uintr.sender import Sender

RECEIVERS = 5
SUIST = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=0x84000)
SUIRS = CSRS[Csr.SUIRS].pack(en=1, index=3)
TABLE = 0x8400_0000
ENTRY = SENDER_ENTRY.pack(valid=1, vector=9, receiver=4)


class End(NamedTuple):
    status: Status
    data: int
    cycles: int  # from start to done


class Bench:
    """A sender between a bus and a controller that the test commands."""

    def __init__(self, ctx: Any, dut: Sender) -> None:
        self.ctx = ctx
        self.dut = dut
        self.around = Surroundings(ctx, dut.bus, dut.port)
        self.suist = SUIST
        self.suirs = SUIRS
        ctx.set(dut.open, 1)

    async def tick(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            self.around.step()
            await self.ctx.tick()

    async def uipi(self, function: int, operand: int = 0) -> End:
        ctx, dut = self.ctx, self.dut
        drive(ctx, dut, start=1, function=function, operand=operand)
        ctx.set(dut.suist.as_value(), self.suist)
        ctx.set(dut.suirs.as_value(), self.suirs)
        for cycles in range(200):
            self.around.step()
            if ctx.get(dut.done):
                end = End(Status(ctx.get(dut.answer.status)), ctx.get(dut.answer.data), cycles)
                await ctx.tick()
                ctx.set(dut.start, 0)
                return end
            await ctx.tick()
            # From now on the request is somebody else's business.
            drive(ctx, dut, start=0, function=0x55, operand=ONES)
            ctx.set(dut.suist.as_value(), 0)
            ctx.set(dut.suirs.as_value(), 0)
        raise AssertionError("the instruction does not end")


# --- SEND -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept_delay", [0, 1, 7])
@pytest.mark.parametrize("bus_delay", [1, 2, 6])
@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_send_reads_its_entry_and_posts(
    bench: Bench, bus_delay: int, accept_delay: int
) -> None:
    around = bench.around
    around.bus_delay, around.accept_delay = bus_delay, accept_delay
    around.memory[TABLE // 8 + 17] = ENTRY
    # start in t, transfer t+1 to a = t+1+delay, post from a+1
    assert await bench.uipi(UipiFunction.SEND, 17) == (
        Status.OK,
        0,
        1 + bus_delay + 1 + accept_delay,
    )
    assert around.transfers == [(TABLE // 8 + 17, None)]
    assert around.posted == [Posted(OperationFunction.SEND, 4, 9)]


@pytest.mark.parametrize("index", [512, 513, 2**21, 2**32, 2**61, 2**61 + 1, 2**63, ONES])
@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_an_index_beyond_the_table_is_refused_at_once(bench: Bench, index: int) -> None:
    """A huge one too: times eight it would wrap round into the table."""
    bench.around.memory = {TABLE // 8 + n: ENTRY for n in range(512)}
    assert await bench.uipi(UipiFunction.SEND, index) == (Status.INDEX, 0, 0)
    await bench.tick(8)
    assert not bench.around.transfers
    assert not bench.around.posted


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4095])
@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_the_size_counts_pages(bench: Bench, size: int) -> None:
    bench.suist = CSRS[Csr.SUIST].pack(en=1, size=size, ppn=0x84000)
    last = size * 512 - 1
    if size:
        bench.around.memory[TABLE // 8 + last] = ENTRY
        assert (await bench.uipi(UipiFunction.SEND, last)).status == Status.OK
    assert (await bench.uipi(UipiFunction.SEND, last + 1)).status == Status.INDEX
    assert len(bench.around.posted) == (size > 0)


@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_the_table_can_be_anywhere_in_memory(bench: Bench) -> None:
    for ppn in (0, 1, 0x84000, 2**43, 2**44 - 1):
        bench.suist = CSRS[Csr.SUIST].pack(en=1, size=4095, ppn=ppn)
        for index in (0, 1, 511, 512, 4095 * 512 - 1):
            bench.around.memory = {ppn * 512 + index: ENTRY}
            assert (await bench.uipi(UipiFunction.SEND, index)).status == Status.OK
            assert bench.around.transfers.pop() == (ppn * 512 + index, None)


@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_a_bus_error_ends_send(bench: Bench) -> None:
    bench.around.error = True
    assert await bench.uipi(UipiFunction.SEND, 0) == (Status.BUS, 0, 2)
    await bench.tick(8)
    assert not bench.around.posted
    bench.around.error = False
    bench.around.memory[TABLE // 8] = ENTRY
    assert (await bench.uipi(UipiFunction.SEND, 0)).status == Status.OK


@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_send_needs_a_table_and_no_receiver_of_its_own(bench: Bench) -> None:
    bench.around.memory[TABLE // 8] = ENTRY
    bench.suirs = 0
    assert (await bench.uipi(UipiFunction.SEND, 0)).status == Status.OK
    bench.suist = SUIST & ~CSRS[Csr.SUIST].field("en").mask
    assert await bench.uipi(UipiFunction.SEND, 0) == (Status.DISABLED, 0, 0)
    assert await bench.uipi(UipiFunction.SEND, ONES) == (Status.DISABLED, 0, 0)
    assert len(bench.around.posted) == len(bench.around.transfers) == 1


@pytest.mark.parametrize("accept_delay", [0, 1, 7])
@pytest.mark.parametrize("bus_delay", [1, 2, 6])
@simulated(Sender, bench=Bench, receivers=RECEIVERS, early=True)
async def test_an_early_post_is_presented_with_its_entry(
    bench: Bench, bus_delay: int, accept_delay: int
) -> None:
    around = bench.around
    around.bus_delay, around.accept_delay = bus_delay, accept_delay
    around.memory[TABLE // 8 + 17] = ENTRY
    expected = (Status.OK, 0, 1 + bus_delay + accept_delay)
    assert await bench.uipi(UipiFunction.SEND, 17) == expected
    assert around.posted == [Posted(OperationFunction.SEND, 4, 9)]
    # The answer to it is not taken for the next instruction's.
    around.accept_delay = 0
    around.answer = 0x1234
    assert await bench.uipi(UipiFunction.READ) == (Status.OK, 0x1234, 4)
    for entry, status in (
        (ENTRY & ~1, Status.INVALID),
        (SENDER_ENTRY.pack(valid=1, vector=64), Status.VECTOR),
        (SENDER_ENTRY.pack(valid=1, receiver=5), Status.RECEIVER),
    ):
        around.memory[TABLE // 8] = entry
        assert await bench.uipi(UipiFunction.SEND, 0) == (status, 0, 1 + bus_delay)
    await bench.tick(8)
    assert len(around.posted) == 2


# --- Throttle and cache ---------------------------------------------------------------------------


@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_without_a_token_nothing_is_read_or_posted(bench: Bench) -> None:
    bench.around.memory[TABLE // 8] = ENTRY
    bench.ctx.set(bench.dut.open, 0)
    assert await bench.uipi(UipiFunction.SEND, 0) == (Status.THROTTLED, 0, 0)
    assert (await bench.uipi(UipiFunction.SEND, 512)).status == Status.INDEX
    assert (await bench.uipi(UipiFunction.ACTIVATE)).status == Status.OK
    await bench.tick(8)
    assert not bench.around.transfers
    assert len(bench.around.posted) == 1
    bench.ctx.set(bench.dut.open, 1)
    assert (await bench.uipi(UipiFunction.SEND, 0)).status == Status.OK


@simulated(Sender, bench=Bench, receivers=RECEIVERS, features=Feature(0))
async def test_without_the_feature_there_is_no_budget(bench: Bench) -> None:
    bench.around.memory[TABLE // 8] = ENTRY
    bench.ctx.set(bench.dut.open, 0)
    bench.ctx.set(bench.dut.caches, 1)
    for sent in (1, 2):
        assert (await bench.uipi(UipiFunction.SEND, 0)).status == Status.OK
        assert len(bench.around.transfers) == sent, "nor a cache"


@pytest.mark.parametrize("early", [False, True])
@simulated(Sender, "early", bench=Bench, receivers=RECEIVERS)
async def test_a_kept_entry_is_posted_without_a_read(bench: Bench, early: bool) -> None:
    around = bench.around
    around.bus_delay = 6
    around.memory = {TABLE // 8: ENTRY, TABLE // 8 + 5: ENTRY & ~1}
    read = (Status.OK, 0, 7 if early else 8)
    assert await bench.uipi(UipiFunction.SEND, 0) == read, "not kept: not enabled"
    bench.ctx.set(bench.dut.caches, 1)
    assert await bench.uipi(UipiFunction.SEND, 0) == read
    assert len(around.transfers) == 2
    # In the table there may by now be anything.
    around.memory[TABLE // 8] = 0
    assert await bench.uipi(UipiFunction.SEND, 0) == (Status.OK, 0, 1)
    assert await bench.uipi(UipiFunction.SEND, 512) == (Status.INDEX, 0, 0)
    assert around.posted == [Posted(OperationFunction.SEND, 4, 9)] * 3
    # What was refused is not kept.
    for _ in range(2):
        assert (await bench.uipi(UipiFunction.SEND, 5)).status == Status.INVALID
    assert len(around.transfers) == 4
    bench.ctx.set(bench.dut.invalidate, 1)
    await bench.tick()
    bench.ctx.set(bench.dut.invalidate, 0)
    assert (await bench.uipi(UipiFunction.SEND, 0)).status == Status.INVALID
    assert len(around.posted) == 3


# --- The thread's own receiver --------------------------------------------------------------------

OWN = [
    (UipiFunction.READ, 0x77, OperationFunction.READ_HIGH, None, 0xFEDC_BA98_7654_3210),
    (UipiFunction.WRITE, ONES - 5, OperationFunction.WRITE_HIGH, ONES - 5, 0),
    (UipiFunction.ACTIVATE, 0x76, OperationFunction.WRITE_ACTIVE, 1, 0),
    (UipiFunction.DEACTIVATE, 0x77, OperationFunction.WRITE_ACTIVE, 0, 0),
]


@pytest.mark.parametrize("accept_delay", [0, 1, 7])
@pytest.mark.parametrize(("function", "operand", "operation", "data", "answer"), OWN)
@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_the_others_operate_on_suirs(
    bench: Bench,
    function: int,
    operand: int,
    operation: OperationFunction,
    data: int | None,
    answer: int,
    accept_delay: int,
) -> None:
    bench.suist = 0
    bench.around.answer = answer
    bench.around.accept_delay = accept_delay
    end = await bench.uipi(function, operand)
    assert end == (Status.OK, answer, 1 + accept_delay + 3)
    (posted,) = bench.around.posted
    assert posted[:2] == (operation, 3)
    assert data is None or posted.data == data
    assert not bench.around.transfers


@simulated(Sender, bench=Bench, receivers=RECEIVERS)
async def test_the_answer_to_a_post_is_not_taken_for_the_next_one_s(bench: Bench) -> None:
    """READ is accepted so early after SEND that both answers are under way."""
    bench.around.memory[TABLE // 8] = ENTRY
    for gap in range(5):
        bench.around.answer = 0xDEAD
        await bench.uipi(UipiFunction.SEND, 0)
        await bench.tick(gap)
        bench.around.answer = 0x1234
        assert await bench.uipi(UipiFunction.READ) == (Status.OK, 0x1234, 4)


# --- Everything at once ---------------------------------------------------------------------------


def expected(
    function: int, operand: int, suist: int, suirs: int, memory: dict[int, int], error: bool,
    receivers: int, answer: int,
) -> tuple[Status, int, list[Posted]]:  # fmt: skip
    """The checks as a person reads them from the page."""
    if function > 4:
        return Status.ILLEGAL, 0, []
    if function == 0:
        if not suist >> 63:
            return Status.DISABLED, 0, []
        if operand >= (suist >> 44 & 0xFFF) * 512:
            return Status.INDEX, 0, []
        if error:
            return Status.BUS, 0, []
        entry = memory.get(((suist & (1 << 44) - 1) << 12) // 8 + operand, 0)
        vector, receiver = entry >> 16 & 0xFFFF, entry >> 48
        if not entry & 1:
            return Status.INVALID, 0, []
        if vector >= 64:
            return Status.VECTOR, 0, []
        if receiver >= receivers:
            return Status.RECEIVER, 0, []
        return Status.OK, 0, [Posted(OperationFunction.SEND, receiver, vector)]
    if not suirs >> 63:
        return Status.DISABLED, 0, []
    if suirs & 0xFFFF >= receivers:
        return Status.RECEIVER, 0, []
    operation, data = {
        1: (OperationFunction.READ_HIGH, 0),
        2: (OperationFunction.WRITE_HIGH, operand),
        3: (OperationFunction.WRITE_ACTIVE, 1),
        4: (OperationFunction.WRITE_ACTIVE, 0),
    }[function]
    return Status.OK, answer, [Posted(operation, suirs & 0xFFFF, data)]


@pytest.mark.parametrize("receivers", [1, 6, 65_536])
@simulated(Sender, "receivers", bench=Bench)
async def test_random_instructions(bench: Bench, receivers: int) -> None:
    generator = random.Random(receivers)

    def word(register: Register, **fields: int) -> int:
        noise = generator.getrandbits(64) & register.mask("reserved")
        return noise | register.pack(**fields)

    around = bench.around
    seen = set()
    for _ in range(600):
        size = generator.choice([0, 1, 2, 2])
        ppn = generator.getrandbits(44)
        some = generator.choice([0, receivers - 1, receivers, 0xFFFF]) & 0xFFFF
        bench.suist = word(CSRS[Csr.SUIST], en=generator.random() < 0.9, size=size, ppn=ppn)
        bench.suirs = word(CSRS[Csr.SUIRS], en=generator.random() < 0.8, index=some)
        function = generator.choice([0, 0, 0, 0, 1, 2, 3, 4, generator.getrandbits(7)])
        operand = generator.choice([0, 511, 512, 1023, 1024, generator.getrandbits(64)])
        entry = word(
            SENDER_ENTRY,
            valid=generator.random() < 0.9,
            vector=generator.choice([0, 5, 63, 63, 64, 0xFFFF]),
            receiver=some,
        )
        around.memory = {ppn * 512 + operand: entry}
        around.error = generator.random() < 0.1
        around.bus_delay = generator.randrange(1, 4)
        around.accept_delay = generator.randrange(4)
        around.answer = generator.getrandbits(64)
        around.posted.clear()
        end = await bench.uipi(function, operand)
        status, data, posted = expected(
            function, operand, bench.suist, bench.suirs, around.memory, around.error,
            receivers, around.answer,
        )  # fmt: skip
        assert end[:2] == (status, data)
        if generator.random() < 0.3:
            await bench.tick(generator.randrange(6))
        assert [got[:2] for got in around.posted] == [want[:2] for want in posted]
        if posted and function != UipiFunction.READ:
            assert around.posted == posted
        seen.add((function if function < 5 else 5, status))
    assert len(seen) >= (12 if receivers < 65_536 else 8)


def test_receivers_are_checked() -> None:
    assert refused(Sender, receivers=65_537) == "receivers must be 1 to 65536, not 65537"

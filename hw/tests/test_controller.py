"""The controller against four plain numbers a receiver, cycle by cycle."""

import itertools
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from hwbench import ONES, refused, simulate

from uintr.controller import Controller
from uintr.interfaces import OperationFunction as Op
from uintr.registers import ALL_FEATURES, LOW, Feature


class Operation(NamedTuple):
    function: Op
    receiver: int
    data: int = 0


@dataclass
class Record:
    pending: int = 0
    active: int = 0
    mode: int = 0
    hartid: int = 0
    supervisor: int = 0
    notify: int = 0
    mask: int = 0
    queued: int = 0
    listed: int = 0


class Model:
    """Every receiver on its own; the lines are found by looking at all of them."""

    def __init__(self, harts: int, receivers: int, features: Feature = ALL_FEATURES) -> None:
        self.harts = harts
        self.features = features
        self.records = [Record() for _ in range(receivers)]
        self.ring: deque[int] = deque()
        self.notify_hart = harts
        self.pushed: int | None = None  # by the last operation

    def apply(self, function: Op, receiver: int, data: int = 0) -> int:
        """One operation, and what it does to the queue; `pushed` has to go into `ring` later."""
        self.pushed = None
        if function == Op.CLAIM:
            if not self.ring:
                return 0
            receiver = self.ring.popleft()
        record = self.records[receiver]
        wanted, listed = record.pending & ~record.mask, record.listed
        answer = self._apply(record, function, receiver, data)
        if record.notify and not record.active and not wanted and record.pending & ~record.mask:
            record.queued = record.listed = 1
            if not listed:
                self.pushed = receiver
        return answer

    def _apply(self, record: Record, function: Op, receiver: int, data: int) -> int:
        if function == Op.CLAIM:
            answer = 1 << 63 | receiver if record.queued else 1 << 62
            record.queued = record.listed = 0
            return answer
        if function == Op.RESET_SLOT:
            self.records[receiver] = Record(listed=record.listed)
        if function == Op.READ_MASK:
            return record.mask
        if function == Op.WRITE_MASK:
            record.mask = data
        if function == Op.SEND and data < 64:
            record.pending |= 1 << data
        if function == Op.WRITE_LOW:
            record.active = data & 1
            record.mode = data >> 1 & 1
            record.hartid = min(data >> 16 & 0xFFFF, self.harts)
            record.supervisor = data >> 2 & (Feature.SUPERVISOR in self.features)
            record.notify = data >> 3 & (Feature.NOTIFY in self.features)
        if function == Op.WRITE_HIGH:
            record.pending |= data
        if function == Op.WRITE_ACTIVE:
            record.active = data & 1
        if function == Op.READ_LOW:
            kind = record.supervisor << 2 | record.notify << 3
            return record.active | record.mode << 1 | kind | record.hartid << 16
        if function == Op.READ_ACTIVE:
            return record.active
        if function == Op.READ_HIGH:
            pending, record.pending = record.pending, 0
            return pending
        return 0

    @property
    def line(self) -> int:
        """User lines, and the supervisor lines above them."""
        line = 0
        for record in self.records:
            if record.pending & ~record.mask and record.active and record.hartid < self.harts:
                line |= 1 << record.hartid + self.harts * record.supervisor
        if self.notify_hart < self.harts and any(record.queued for record in self.records):
            line |= 1 << self.harts + self.notify_hart
        return line


class Bench:
    """Drives all ports and holds every output of every cycle to the model.

    Cycle 0 is the first one after reset. ``queues[port]`` holds what the port presents, each as
    long as it takes.
    """

    def __init__(
        self,
        ctx: Any,
        dut: Controller,
        *,
        harts: int,
        receivers: int,
        ports: int,
        features: Feature = ALL_FEATURES,
        latency: int = 3,
    ) -> None:
        self.ctx = ctx
        self.dut = dut
        self.harts = harts
        self.receivers = receivers
        self.model = Model(harts, receivers, features)
        self.queues: list[deque[Operation]] = [deque() for _ in range(ports)]
        self.answers: list[list[int]] = [[] for _ in range(ports)]
        self.accepted: list[tuple[int, int]] = []  # (cycle, port)
        self.lines: list[int] = []
        self.cycle = 0
        self._first = 0
        # What is due in this cycle, in the next, ...: line, and (port, answer) of a response.
        self._due: deque[tuple[int, tuple[int, int] | None]] = deque([(0, None)] * latency)
        # What the operations under way push into the queue when they write their records.
        self._pushes: deque[int | None] = deque([None] * (2 if latency == 4 else 1))
        # The hart that is told of absent receivers is a register outside: set once, at the start.
        self.model.notify_hart = harts - 1
        ctx.set(dut.notify_hart, harts - 1)

    async def step(self) -> None:
        ctx, ports = self.ctx, self.dut.ports
        for port, queue in zip(ports, self.queues, strict=True):
            ctx.set(port.operation.valid, bool(queue))
            if queue:
                ctx.set(port.operation.payload.function, queue[0].function)
                ctx.set(port.operation.payload.receiver, queue[0].receiver)
                ctx.set(port.operation.payload.data, queue[0].data)

        response = None
        if self.cycle >= self.receivers:
            order = [(self._first + n) % len(ports) for n in range(len(ports))]
            granted = next((n for n in order if self.queues[n]), None)
        else:
            granted = None
        for number, port in enumerate(ports):
            assert ctx.get(port.operation.ready) == (number == granted)
        if granted is not None:
            operation = self.queues[granted].popleft()
            response = (granted, self.model.apply(*operation))
            self.accepted.append((self.cycle, granted))
            self._pushes.append(self.model.pushed)
            self._first = (granted + 1) % len(ports)

        else:
            self._pushes.append(None)
        pushed = self._pushes.popleft()
        if pushed is not None:
            self.model.ring.append(pushed)

        quiet = all(due[1] is None for due in self._due)
        assert ctx.get(self.dut.idle) == (quiet and self.cycle >= self.receivers)
        line, answered = self._due.popleft()
        self.lines.append(ctx.get(self.dut.line) | ctx.get(self.dut.supervisor_line) << self.harts)
        assert self.lines[-1] == line, f"line in cycle {self.cycle}"
        for number, port in enumerate(ports):
            valid = answered is not None and answered[0] == number
            assert ctx.get(port.response.valid) == valid
            if valid and answered is not None:
                self.answers[number].append(ctx.get(port.response.payload))
                assert self.answers[number][-1] == answered[1], f"answer in cycle {self.cycle}"
        self._due.append((self.model.line, response))
        self.cycle += 1
        await ctx.tick()

    async def run(self, cycles: int) -> None:
        for _ in range(cycles):
            await self.step()

    async def drain(self) -> None:
        while any(self.queues) or any(due[1] is not None for due in self._due):
            await self.step()
        await self.step()

    async def do(self, operations: Iterable[Operation], port: int = 0) -> list[int]:
        """Back to back through one port; returns the answers."""
        seen = len(self.answers[port])
        self.queues[port].extend(operations)
        await self.drain()
        return self.answers[port][seen:]


def with_bench(
    job: Any,
    *,
    harts: int = 2,
    receivers: int = 4,
    ports: int = 1,
    features: Feature = ALL_FEATURES,
    **more: Any,
) -> None:
    shape: dict[str, Any] = {"harts": harts, "receivers": receivers, "ports": ports}
    shape |= {"features": features, "latency": more.pop("latency", 3)}
    dut = Controller(**shape)

    async def testbench(ctx: Any) -> None:
        await job(Bench(ctx, dut, **shape))

    simulate(dut, testbench, **more)


PUBLISHED = [function for function in Op if function <= Op.WRITE_ACTIVE]


def functions(features: Feature) -> list[Op]:
    """The operations that may be presented."""
    extra = {
        Op.RESET_SLOT: Feature.SLOT_RESET,
        Op.READ_MASK: Feature.MASK,
        Op.WRITE_MASK: Feature.MASK,
        Op.CLAIM: Feature.NOTIFY,
    }
    return [*PUBLISHED, *(op for op, feature in extra.items() if feature in features)]


def random_operation(
    generator: random.Random, harts: int, receivers: int, features: Feature = ALL_FEATURES
) -> Operation:
    function = generator.choice(functions(features))
    data = generator.getrandbits(64)
    if function == Op.SEND:
        data = generator.choice([generator.randrange(64), 63, 64, 64 + 5, 2**63, data])
    elif function == Op.WRITE_LOW:
        hartid = generator.choice([*range(harts), harts, harts + 1, 0xFFFF])
        data = data & ~LOW.field("hartid").mask | LOW.pack(hartid=hartid)
    elif function == Op.WRITE_HIGH:
        data = generator.choice([0, 1 << generator.randrange(64), data])
    elif function == Op.WRITE_MASK:
        data = generator.choice([0, ONES, data, ~(1 << generator.randrange(64)) & ONES])
    return Operation(function, generator.randrange(receivers), data)


@pytest.mark.parametrize("latency", [2, 3, 4])
@pytest.mark.parametrize("features", [ALL_FEATURES, Feature(0)], ids=["all", "none"])
@pytest.mark.parametrize(
    ("harts", "receivers", "ports", "density"),
    [(1, 1, 1, 1.0), (2, 2, 3, 1.0), (2, 5, 3, 0.3), (3, 7, 4, 0.6), (4, 8, 5, 0.15)],
)
def test_random_operations(
    harts: int, receivers: int, ports: int, density: float, features: Feature, latency: int
) -> None:
    generator = random.Random(harts * 1000 + receivers)

    async def job(bench: Bench) -> None:
        for _ in range(1000 if latency == 3 else 300):
            for queue in bench.queues:
                if len(queue) < 2 and generator.random() < density:
                    queue.append(random_operation(generator, harts, receivers, features))
            await bench.step()
        await bench.drain()

    shape: dict[str, Any] = {"harts": harts, "receivers": receivers, "ports": ports}
    with_bench(job, **shape, features=features, latency=latency)


def prepare(receiver: int = 0, hart: int = 0, active: int = 1, supervisor: int = 0) -> Operation:
    low = LOW.pack(active=active, mode=1, supervisor=supervisor, hartid=hart)
    return Operation(Op.WRITE_LOW, receiver, low)


# --- Forwarding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [0, 1])
def test_every_three_functions_back_to_back(other: int) -> None:
    """On one receiver, and with a stranger in the middle; the model judges every cycle."""

    async def job(bench: Bench) -> None:
        generator = random.Random(other)
        for first, second, third in itertools.product(PUBLISHED, repeat=3):
            for function, receiver in ((first, 0), (second, other), (third, 0)):
                operation = random_operation(generator, 2, 1)
                while operation.function != function:
                    operation = random_operation(generator, 2, 1)
                bench.queues[0].append(operation._replace(receiver=receiver))
        await bench.drain()

    with_bench(job)


@pytest.mark.parametrize(
    ("operations", "answers", "line"),
    [
        # post/post: both bits are there
        ([(Op.SEND, 3), (Op.SEND, 9), (Op.READ_HIGH, 0)], [0, 0, 1 << 3 | 1 << 9], 0),
        # post/read: the read takes the bit and lowers the line
        ([(Op.SEND, 3), (Op.READ_HIGH, 0), (Op.READ_HIGH, 0)], [0, 1 << 3, 0], 0),
        # read/post: the read-clear does not swallow the post behind it
        ([(Op.SEND, 1), (Op.READ_HIGH, 0), (Op.SEND, 2)], [0, 1 << 1, 0], 1),
        # deactivate/post: the bit stays, the line does not rise
        ([(Op.WRITE_ACTIVE, 0), (Op.SEND, 2), (Op.READ_ACTIVE, 0)], [0, 0, 0], 0),
        # post/deactivate, then activate again
        ([(Op.SEND, 2), (Op.WRITE_ACTIVE, 0), (Op.WRITE_ACTIVE, 1)], [0, 0, 0], 1),
        # write-or/write-or/read
        ([(Op.WRITE_HIGH, 0xF0), (Op.WRITE_HIGH, 0x0F), (Op.READ_HIGH, 0)], [0, 0, 0xFF], 0),
        # move/post/read: the new hart alone is told
        ([(Op.WRITE_LOW, 3 | 1 << 16), (Op.SEND, 0), (Op.READ_LOW, 0)], [0, 0, 3 | 1 << 16], 2),
    ],
)
def test_neighbours_on_one_receiver(
    operations: list[tuple[Op, int]], answers: list[int], line: int
) -> None:
    async def job(bench: Bench) -> None:
        await bench.do([prepare()])
        got = await bench.do([Operation(function, 0, data) for function, data in operations])
        assert got == answers
        assert bench.lines[-1] == line

    with_bench(job)


def test_a_post_in_the_cycle_after_a_read_is_not_lost() -> None:
    async def job(bench: Bench) -> None:
        await bench.do([prepare(), Operation(Op.SEND, 0, 5)], port=1)
        bench.queues[0].append(Operation(Op.READ_HIGH, 0))
        bench.queues[1].append(Operation(Op.SEND, 0, 6))
        bench.queues[0].append(Operation(Op.READ_HIGH, 0))
        await bench.drain()
        cycle = bench.accepted[-1][0]
        assert bench.accepted[-3:] == [(cycle - 2, 0), (cycle - 1, 1), (cycle, 0)]
        assert bench.answers[0] == [1 << 5, 1 << 6]

    with_bench(job, ports=2)


# --- Time -----------------------------------------------------------------------------------------


def test_a_post_reaches_the_line_in_three_cycles() -> None:
    async def job(bench: Bench) -> None:
        await bench.do([prepare(hart=1)])
        bench.queues[0].append(Operation(Op.SEND, 0, 7))
        begin = bench.cycle
        await bench.run(6)
        assert bench.accepted[-1] == (begin, 0)
        assert bench.lines[begin:] == [0, 0, 0, 2, 2, 2]

    with_bench(job)


def test_one_operation_is_accepted_every_cycle() -> None:
    async def job(bench: Bench) -> None:
        generator = random.Random(9)
        for queue in bench.queues:
            queue.extend(random_operation(generator, 2, 4) for _ in range(100))
        await bench.drain()
        cycles = [cycle for cycle, _ in bench.accepted]
        assert cycles == list(range(4, 304))

    with_bench(job, ports=3)


def test_busy_ports_are_granted_in_turn() -> None:
    async def job(bench: Bench) -> None:
        for queue in bench.queues:
            queue.extend([Operation(Op.READ_LOW, 0)] * 3)
        await bench.drain()
        assert [port for _, port in bench.accepted] == [0, 1, 2, 3] * 3

    with_bench(job, ports=4)


def test_the_search_begins_behind_the_last_grant() -> None:
    async def job(bench: Bench) -> None:
        await bench.do([Operation(Op.READ_LOW, 0)], port=1)
        for queue in bench.queues:
            queue.append(Operation(Op.READ_LOW, 0))
        await bench.drain()
        assert [port for _, port in bench.accepted] == [1, 2, 0, 1]

    with_bench(job, ports=3)


# --- What the operations do -----------------------------------------------------------------------


@pytest.mark.parametrize("vector", [64, 65, 127, 128, 2**16, 2**32 + 3, 2**63, ONES])
def test_a_vector_that_does_not_exist_is_ignored(vector: int) -> None:
    async def job(bench: Bench) -> None:
        post = Operation(Op.SEND, 0, vector)
        assert await bench.do([prepare(), post, Operation(Op.READ_HIGH, 0)]) == [0, 0, 0]
        assert set(bench.lines) == {0}

    with_bench(job)


def test_each_vector_is_its_bit() -> None:
    async def job(bench: Bench) -> None:
        for vector in range(64):
            post = Operation(Op.SEND, 0, vector)
            assert await bench.do([post, Operation(Op.READ_HIGH, 0)]) == [0, 1 << vector]

    with_bench(job, receivers=1)


@pytest.mark.parametrize("harts", [1, 2, 3, 4, 64])
def test_a_hart_that_does_not_exist_reads_back_as_the_number_of_harts(harts: int) -> None:
    async def job(bench: Bench) -> None:
        for hartid in (harts - 1, harts, harts + 1, 2 * harts, 0x8000, 0xFFFF):
            write = Operation(Op.WRITE_LOW, 0, LOW.pack(active=1, hartid=hartid))
            answers = await bench.do([write, Operation(Op.SEND, 0, 1), Operation(Op.READ_LOW, 0)])
            assert answers[-1] == LOW.pack(active=1, hartid=min(hartid, harts))
            assert bench.lines[-1] == (1 << hartid if hartid < harts else 0)
            await bench.do([prepare(hart=hartid, supervisor=1)])
            assert bench.lines[-1] == (1 << hartid + harts if hartid < harts else 0)

    with_bench(job, harts=harts)


def test_reserved_bits_read_as_zero() -> None:
    async def job(bench: Bench) -> None:
        operations = [(Op.WRITE_LOW, ONES), (Op.READ_LOW, 0), (Op.READ_ACTIVE, 0)]
        answers = await bench.do([Operation(function, 0, data) for function, data in operations])
        assert answers == [0, LOW.pack(active=1, mode=1, supervisor=1, notify=1, hartid=2), 1]

    with_bench(job)


def test_without_its_feature_the_kind_is_reserved() -> None:
    async def job(bench: Bench) -> None:
        post = Operation(Op.SEND, 0, 1)
        read = Operation(Op.READ_LOW, 0)
        answers = await bench.do([prepare(supervisor=1), post, read])
        assert answers[-1] == LOW.pack(active=1, mode=1)
        assert bench.lines[-1] == 0b0001

    with_bench(job, features=Feature(0))


def test_a_receiver_of_supervisor_kind_raises_the_other_line() -> None:
    async def job(bench: Bench) -> None:
        await bench.do([prepare(hart=1, supervisor=1), prepare(1, hart=1)])
        begin = bench.cycle
        await bench.do([Operation(Op.SEND, 0, 7)])
        assert bench.lines[begin : begin + 4] == [0, 0, 0, 0b1000]
        await bench.do([Operation(Op.SEND, 1, 7)])
        assert bench.lines[-1] == 0b1010
        await bench.do([Operation(Op.READ_HIGH, 0)])
        assert bench.lines[-1] == 0b0010

    with_bench(job)


def test_a_change_of_kind_lowers_one_line_and_raises_the_other_in_one_cycle() -> None:
    async def job(bench: Bench) -> None:
        await bench.do([prepare(), Operation(Op.SEND, 0, 1)])
        begin = bench.cycle
        await bench.do([prepare(supervisor=1)])
        assert bench.lines[begin : begin + 5] == [1, 1, 1, 0b100, 0b100]

    with_bench(job)


def test_a_line_holds_until_its_last_receiver_is_read() -> None:
    async def job(bench: Bench) -> None:
        for receiver in range(4):
            await bench.do([prepare(receiver), Operation(Op.SEND, receiver, receiver)])
        for receiver in (2, 0, 3):
            await bench.do([Operation(Op.READ_HIGH, receiver)])
            assert bench.lines[-1] == 1
        await bench.do([Operation(Op.READ_HIGH, 1)])
        assert bench.lines[-1] == 0

    with_bench(job)


def test_a_move_lowers_one_line_and_raises_the_other_in_one_cycle() -> None:
    async def job(bench: Bench) -> None:
        await bench.do([prepare(hart=0), Operation(Op.SEND, 0, 1)])
        begin = bench.cycle
        await bench.do([prepare(hart=1)])
        assert bench.lines[begin : begin + 5] == [1, 1, 1, 2, 2]

    with_bench(job)


# --- Sweep ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("receivers", [1, 2, 3, 8, 13])
def test_operations_wait_for_the_sweep(receivers: int) -> None:
    async def job(bench: Bench) -> None:
        bench.queues[0].append(Operation(Op.READ_LOW, receivers - 1))
        await bench.drain()
        assert bench.accepted == [(receivers, 0)]

    with_bench(job, receivers=receivers)


def test_reset_clears_lines_pipeline_and_every_record() -> None:
    harts, receivers = 2, 5
    dut = Controller(harts=harts, receivers=receivers, ports=1)
    reset = Signal()
    m = Module()
    m.submodules.dut = ResetInserter(reset)(dut)

    async def testbench(ctx: Any) -> None:
        shape: dict[str, Any] = {"harts": harts, "receivers": receivers, "ports": 1}
        bench = Bench(ctx, dut, **shape)
        for receiver in range(receivers):
            await bench.do(
                [prepare(receiver, receiver % 2), Operation(Op.WRITE_HIGH, receiver, ONES)]
            )
        assert bench.lines[-1] == 0b11
        # One operation of each stage is under way when reset strikes.
        bench.queues[0].extend(Operation(Op.SEND, receiver, 3) for receiver in (4, 4, 0, 1))
        await bench.run(3)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)

        fresh = Bench(ctx, dut, **shape)
        for receiver in range(receivers):
            fresh.queues[0].append(Operation(Op.READ_LOW, receiver))
            fresh.queues[0].append(Operation(Op.READ_HIGH, receiver))
        await fresh.drain()
        assert fresh.accepted[0] == (receivers, 0)
        assert set(fresh.answers[0]) == {0}

    simulate(m, testbench)


def test_the_largest_controller_counts_and_addresses_all_its_receivers() -> None:
    receivers = 65_536

    async def job(bench: Bench) -> None:
        while not bench.ctx.get(bench.dut.idle):
            await bench.ctx.tick()
            bench.cycle += 1
        assert bench.cycle == receivers
        places = (0, 1, 255, 256, 32_767, 32_768, 65_535)
        for place in places:
            await bench.do([prepare(place), Operation(Op.SEND, place, place % 64)])
        for place in places:
            assert bench.lines[-1] == 1
            answers = await bench.do([Operation(Op.READ_HIGH, place)])
            assert answers == [1 << place % 64]
        assert bench.lines[-1] == 0

    with_bench(job, receivers=receivers, limit=receivers + 1000)


def test_a_counter_holds_all_receivers_at_once() -> None:
    """With a power of two of receivers the count needs one bit more than an index."""

    async def job(bench: Bench) -> None:
        for receiver in range(8):
            await bench.do([prepare(receiver), Operation(Op.SEND, receiver, 0)])
            assert bench.lines[-1] == 1
        for receiver in range(8):
            assert bench.lines[-1] == 1
            await bench.do([Operation(Op.READ_HIGH, receiver)])
        assert bench.lines[-1] == 0

    with_bench(job, receivers=8)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"harts": 65}, "harts must be 1 to 64, not 65"),
        ({"receivers": 0}, "receivers must be 1 to 65536, not 0"),
        ({"receivers": 65_537}, "receivers must be 1 to 65536, not 65537"),
        ({"ports": 66}, "ports must be 1 to 65, not 66"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, int], sentence: str) -> None:
    shape = {"harts": 2, "receivers": 4, "ports": 3} | parameters
    assert refused(Controller, **shape) == sentence

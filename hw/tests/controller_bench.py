"""A controller whose every output of every cycle is held to four plain numbers a receiver."""

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from hwbench import ONES, drive, simulate

from uintr.controller import Controller
from uintr.interfaces import OperationFunction as Op
from uintr.registers import ALL_FEATURES, LOW, Feature

__all__ = ["PUBLISHED", "Bench", "Operation", "prepare", "random_operation", "with_bench"]


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
                drive(ctx, port.operation.payload, receiver=queue[0].receiver, data=queue[0].data)

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


def with_bench(job: Any, *, limit: int = 20_000, **changes: Any) -> None:
    shape: dict[str, Any] = {"harts": 2, "receivers": 4, "ports": 1, "latency": 3}
    shape |= {"features": ALL_FEATURES} | changes
    dut = Controller(**shape)

    async def testbench(ctx: Any) -> None:
        await job(bench=Bench(ctx, dut, **shape))

    simulate(dut, testbench, limit=limit)


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


def prepare(receiver: int = 0, hart: int = 0, active: int = 1, supervisor: int = 0) -> Operation:
    low = LOW.pack(active=active, mode=1, supervisor=supervisor, hartid=hart)
    return Operation(Op.WRITE_LOW, receiver, low)

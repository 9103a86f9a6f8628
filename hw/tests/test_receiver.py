"""CSRs, trap and return against a dictionary."""

import random
from typing import Any

import pytest
from hwbench import ONES, drive, simulated

from uintr.receiver import Receiver
from uintr.registers import (
    CAUSE_USER_SOFTWARE,
    CSRS,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
)

ILLEGAL = (0, Status.ILLEGAL)
LEVELS = (0, 1, 2, 3)


class Model:
    """Every CSR is an entry of a dictionary; each request is done in one go."""

    def __init__(self) -> None:
        self.words = dict.fromkeys(Csr, 0)

    def interrupt(self, level: int, line: int) -> bool:
        pending = (self.words[Csr.UIP] | line) & self.words[Csr.UIE] & self.words[Csr.SIDELEG] & 1
        return level == 0 and bool(self.words[Csr.USTATUS] & 1 and pending)

    def csr(self, level: int, line: int, function: int, number: int, data: int) -> tuple[int, int]:
        if number not in list(Csr) or (number >> 8 & 3) > level or function > 3:
            return ILLEGAL
        csr = Csr(number)
        old = self.words[csr]
        new = (old, data, old | data, old & ~data)[function]
        seen = self.words[Csr.SIDELEG] if csr in (Csr.UIE, Csr.UIP) else ONES
        changes = CSRS[csr].mask() & seen
        self.words[csr] = new & changes | old & ~changes
        return (old | line if csr == Csr.UIP else old) & seen, Status.OK

    def trap(self, level: int, line: int, pc: int) -> tuple[int, int]:
        if not self.interrupt(level, line):
            return 0, Status.NOT_PENDING
        words = self.words
        words[Csr.UEPC] = pc & ~1
        words[Csr.UCAUSE] = CAUSE_USER_SOFTWARE
        words[Csr.UTVAL] = 0
        words[Csr.USTATUS] = (words[Csr.USTATUS] & 1) << 4
        return words[Csr.UTVEC] & ~3, Status.OK

    def uret(self) -> tuple[int, int]:
        self.words[Csr.USTATUS] = self.words[Csr.USTATUS] >> 4 & 1 | 1 << 4
        return self.words[Csr.UEPC], Status.OK


class Bench:
    """Does requests and compares each answer, and the interrupt in each cycle, with the model."""

    def __init__(self, ctx: Any, dut: Receiver) -> None:
        self.ctx = ctx
        self.dut = dut
        self.model = Model()
        self.level = 3
        self.line = 0

    def look(self) -> None:
        drive(self.ctx, self.dut, privilege=self.level, line=self.line)
        interrupt = self.model.interrupt(self.level, self.line)
        assert self.ctx.get(self.dut.interrupt) == interrupt
        assert self.ctx.get(self.dut.suist.as_value()) == self.model.words[Csr.SUIST]
        assert self.ctx.get(self.dut.suirs.as_value()) == self.model.words[Csr.SUIRS]

    async def ask(
        self, kind: RequestKind, function: int = 0, address: int = 0, data: int = 0
    ) -> tuple[int, int]:
        ctx, request = self.ctx, self.dut.request
        self.look()
        ctx.set(self.dut.start, 1)
        drive(ctx, request, kind=kind, function=function, address=address, data=data)
        answer = ctx.get(self.dut.answer.data), ctx.get(self.dut.answer.status)
        if kind == RequestKind.CSR:
            expected = self.model.csr(self.level, self.line, function, address, data)
        elif kind == RequestKind.TRAP:
            expected = self.model.trap(self.level, self.line, data)
        else:
            expected = self.model.uret()
        assert answer == expected, (kind, function, hex(address), hex(data))
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        self.look()
        return answer

    async def csr(self, function: int, number: int, data: int = 0) -> tuple[int, int]:
        return await self.ask(RequestKind.CSR, function, number, data)

    async def read(self, number: int) -> int:
        return (await self.csr(CsrFunction.READ, number))[0]

    async def write(self, number: int, value: int) -> None:
        await self.csr(CsrFunction.WRITE, number, value)

    async def open(self) -> None:
        """Everything is enabled; only a pending bit is missing."""
        for csr in (Csr.SIDELEG, Csr.USTATUS, Csr.UIE):
            await self.write(csr, 1)
        self.level = Privilege.U
        self.look()


@pytest.mark.parametrize("seed", range(3))
@simulated(Receiver, bench=Bench)
async def test_random_requests(bench: Bench, seed: int) -> None:
    generator = random.Random(seed)
    taken = 0
    for _ in range(2500):
        bench.level = generator.choice((0, 0, 1, 2, 3, 3))
        bench.line = generator.getrandbits(1)
        kind = generator.choice([RequestKind.CSR] * 6 + [RequestKind.TRAP, RequestKind.URET])
        number: int = generator.choice([*Csr, *Csr, generator.getrandbits(12)])
        if generator.random() < 0.03:
            number |= 1 << generator.randrange(12, 64)
        function = generator.choice([0, 1, 2, 3, 2, 1, generator.getrandbits(7)])
        data = generator.choice([0, 1, 0x111, ONES, generator.getrandbits(64)])
        _, status = await bench.ask(kind, function, number, data)
        taken += kind == RequestKind.TRAP and status == Status.OK
    assert taken > 5


@simulated(Receiver, bench=Bench)
async def test_the_software_bit_works_beside_the_line(bench: Bench) -> None:
    await bench.write(Csr.SIDELEG, 1)
    bench.line = 1
    await bench.csr(CsrFunction.SET, Csr.UIP, 1)
    bench.line = 0
    assert await bench.read(Csr.UIP) == 1
    bench.line = 1
    assert await bench.csr(CsrFunction.CLEAR, Csr.UIP, 1) == (1, Status.OK)
    assert await bench.read(Csr.UIP) == 1
    bench.line = 0
    assert await bench.read(Csr.UIP) == 0


@pytest.mark.parametrize("software", [0, 1])
@pytest.mark.parametrize("missing", [None, Csr.USTATUS, Csr.UIE, Csr.SIDELEG, "pending", 1, 2, 3])
@simulated(Receiver, bench=Bench)
async def test_an_interrupt_needs_all_its_conditions(
    bench: Bench, missing: object, software: int
) -> None:
    for csr in (Csr.SIDELEG, Csr.USTATUS, Csr.UIE):
        # All the other bits are set, so that a wrong one would be noticed.
        await bench.write(csr, ONES & ~1 if csr == missing else 1)
    if missing != "pending":
        bench.line = 1 - software
        await bench.write(Csr.SIDELEG, ONES)
        await bench.write(Csr.UIP, software)
        if missing == Csr.SIDELEG:
            await bench.write(Csr.SIDELEG, ONES & ~1)
    bench.level = missing if type(missing) is int else Privilege.U
    bench.look()
    assert bench.ctx.get(bench.dut.interrupt) == (missing is None)
    answer = await bench.ask(RequestKind.TRAP, data=0x44)
    assert (answer == (0, Status.OK)) == (missing is None)
    assert (answer == (0, Status.NOT_PENDING)) == (missing is not None)


@pytest.mark.parametrize("mode", [0, 1])
@simulated(Receiver, bench=Bench)
async def test_trap_and_return(bench: Bench, mode: int) -> None:
    await bench.write(Csr.UTVEC, 0xFFFF_FFFF_0000_1230 | mode)
    await bench.write(Csr.UTVAL, 77)
    await bench.open()
    bench.line = 1
    assert await bench.ask(RequestKind.TRAP, data=0x8000_0000_0000_0013) == (
        0xFFFF_FFFF_0000_1230,
        Status.OK,
    )
    assert bench.ctx.get(bench.dut.interrupt) == 0
    assert await bench.read(Csr.UEPC) == 0x8000_0000_0000_0012
    assert await bench.read(Csr.UCAUSE) == CAUSE_USER_SOFTWARE
    assert await bench.read(Csr.UTVAL) == 0
    assert await bench.read(Csr.USTATUS) == 0x10
    assert await bench.ask(RequestKind.TRAP, data=1) == (0, Status.NOT_PENDING)
    assert await bench.read(Csr.UEPC) == 0x8000_0000_0000_0012
    assert await bench.ask(RequestKind.URET) == (0x8000_0000_0000_0012, Status.OK)
    assert await bench.read(Csr.USTATUS) == 0x11
    assert bench.ctx.get(bench.dut.interrupt) == 1


@pytest.mark.parametrize("level", LEVELS)
@simulated(Receiver, bench=Bench)
async def test_return_is_allowed_at_every_level(bench: Bench, level: int) -> None:
    await bench.write(Csr.UEPC, 0x77)
    await bench.write(Csr.USTATUS, 0x01)
    bench.level = level
    assert await bench.ask(RequestKind.URET) == (0x76, Status.OK)
    assert await bench.read(Csr.USTATUS) == 0x10


@simulated(Receiver, bench=Bench)
async def test_nothing_changes_without_start(bench: Bench) -> None:
    await bench.open()
    bench.line = 1
    for kind in (RequestKind.CSR, RequestKind.TRAP, RequestKind.URET):
        write = {"kind": kind, "function": CsrFunction.WRITE, "address": Csr.USTATUS, "data": 0}
        drive(bench.ctx, bench.dut.request, **write)
        await bench.ctx.tick()
        bench.look()
    bench.level = 3
    for csr in Csr:
        await bench.read(csr)  # compares with the model

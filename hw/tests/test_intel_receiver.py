"""The registers of an Intel hart: access rights, the flag, delivery, and who wins a cycle."""

from typing import Any, NamedTuple

import pytest
from hwbench import drive, simulated

from uintr.intel.receiver import Receiver
from uintr.intel.registers import INTERNAL_REGISTERS, MSRS, Instruction, Internal, Msr
from uintr.registers import CsrFunction, Privilege, RequestKind, Status

READ, WRITE = CsrFunction.READ, CsrFunction.WRITE
CR4 = INTERNAL_REGISTERS[Internal.CR4].pack(uintr=1)
PLAIN = (Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_PD, Msr.UINTR_TT)


class End(NamedTuple):
    status: Status
    data: int


class Bench:
    """The block with a hart in front of it."""

    def __init__(self, ctx: Any, dut: Receiver) -> None:
        self.ctx, self.dut = ctx, dut
        self.level(Privilege.S)

    def level(self, privilege: int) -> None:
        self.ctx.set(self.dut.privilege, privilege)

    def present(self, kind: int, function: int = 0, address: int = 0, data: int = 0) -> None:
        values = {"kind": kind, "function": function, "address": address, "data": data}
        drive(self.ctx, self.dut.request, **values)
        self.ctx.set(self.dut.start, 1)

    async def ask(self, kind: int, function: int = 0, address: int = 0, data: int = 0) -> End:
        self.present(kind, function, address, data)
        answer = self.dut.answer
        end = End(Status(self.ctx.get(answer.status)), self.ctx.get(answer.data))
        await self.ctx.tick()
        self.ctx.set(self.dut.start, 0)
        return end

    async def write(self, number: int, word: int) -> Status:
        return (await self.ask(RequestKind.CSR, WRITE, number, word)).status

    async def read(self, number: int) -> End:
        return await self.ask(RequestKind.CSR, READ, number)

    async def flag(self, instruction: Instruction) -> End:
        return await self.ask(RequestKind.UIPI, instruction)


@simulated(Receiver, bench=Bench)
async def test_every_register_is_read_and_written_as_its_table_says(bench: Bench) -> None:
    for msr, register in MSRS.items():
        if msr.name.startswith("X2APIC"):
            continue
        word = 0x1234_5678_9ABC_DEF0 & ((1 << 47) - 1) & ~register.mask("reserved")
        assert (await bench.read(msr)) == (Status.OK, 0)
        assert await bench.write(msr, word) is Status.OK
        assert (await bench.read(msr)) == (Status.OK, word)
        for bit in range(64):
            if register.mask("reserved") >> bit & 1:
                assert await bench.write(msr, word | 1 << bit) is Status.GP
        if msr in PLAIN:
            assert await bench.write(msr, 1 << 47) is Status.GP
            assert await bench.write(msr, 1 << 63) is Status.GP
        assert (await bench.read(msr)) == (Status.OK, word)
        await bench.write(msr, 0)


@simulated(Receiver, bench=Bench)
async def test_the_highest_vector_is_delivered_with_the_flag_set_in_user_mode_only(
    bench: Bench, ctx: Any, dut: Receiver
) -> None:
    await bench.write(Internal.CR4, CR4)
    await bench.write(Msr.UINTR_HANDLER, 0x1000)
    await bench.write(Msr.UINTR_RR, 1 << 63 | 1 << 17 | 1)
    bench.level(Privilege.U)
    assert (await bench.ask(RequestKind.TRAP)).status is Status.NOT_PENDING
    assert (await bench.flag(Instruction.STUI)).status is Status.OK
    bench.level(Privilege.S)
    assert ctx.get(dut.interrupt) == 0
    bench.level(Privilege.U)
    for vector in (63, 17, 0):
        assert ctx.get(dut.interrupt) == 1
        assert await bench.ask(RequestKind.TRAP, data=7) == (Status.OK, 0x1000)
        assert ctx.get(dut.interrupt) == 0  # the flag is clear
        assert await bench.read(Internal.UIRRV) == (Status.OK, vector)
        assert await bench.ask(RequestKind.URET, data=0x77) == (Status.OK, 0x77)
    assert ctx.get(dut.interrupt) == 0
    assert (await bench.ask(RequestKind.TRAP)).status is Status.NOT_PENDING


@pytest.mark.parametrize("what", ["delivery", "write"])
@simulated(Receiver, bench=Bench)
async def test_what_is_merged_in_the_same_cycle_stays(
    bench: Bench, ctx: Any, dut: Receiver, what: str
) -> None:
    await bench.write(Internal.CR4, CR4)
    await bench.write(Msr.UINTR_RR, 1 << 9)
    await bench.flag(Instruction.STUI)
    drive(ctx, dut, merge=1, merged=1 << 9 | 1 << 3)
    if what == "delivery":
        bench.level(Privilege.U)
        assert (await bench.ask(RequestKind.TRAP)).status is Status.OK
    else:
        assert await bench.write(Msr.UINTR_RR, 1 << 20) is Status.OK
    ctx.set(dut.merge, 0)
    bench.level(Privilege.S)
    kept = 1 << 20 if what == "write" else 0
    assert await bench.read(Msr.UINTR_RR) == (Status.OK, 1 << 9 | 1 << 3 | kept)


@simulated(Receiver, bench=Bench)
async def test_a_read_of_acknowledge_and_a_write_of_icr_are_told(
    bench: Bench, ctx: Any, dut: Receiver
) -> None:
    drive(ctx, dut, highest=0xF3, irr=0xA5)
    for function, number, acknowledges, sends in (
        (READ, Internal.ACKNOWLEDGE, 1, 0),
        (WRITE, Internal.ACKNOWLEDGE, 0, 0),
        (WRITE, Msr.X2APIC_ICR, 0, 1),
        (READ, Msr.X2APIC_ICR, 0, 0),
    ):
        bench.present(RequestKind.CSR, function, number, 0xEC)
        assert (ctx.get(dut.acknowledges), ctx.get(dut.sends)) == (acknowledges, sends)
        await ctx.tick()
    ctx.set(dut.start, 0)
    assert await bench.read(Internal.ACKNOWLEDGE) == (Status.OK, 0xF3)
    irrs = [msr for msr in Msr if msr.name.startswith("X2APIC_IRR")]
    assert [(await bench.read(msr)).data for msr in irrs] == [0] * (len(irrs) - 1) + [0xA5]

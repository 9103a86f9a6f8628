"""The CSR file as the last stage uses it, for its tests."""

from typing import Any

from hwbench import ONES, drive, pulse, simulate

from rv64.csr import CsrFile

U, S, M = 0, 1, 3
WRITE, SET, CLEAR = 1, 2, 3
MSTATUS, MEDELEG, MIDELEG, MIE, MTVEC, MCOUNTEREN, MENVCFG = (
    *(0x300, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30A),
)
MSCRATCH, MEPC, MCAUSE, MTVAL, MIP = range(0x340, 0x345)
SSTATUS, SIE, STVEC, SCOUNTEREN, SATP, STIMECMP = 0x100, 0x104, 0x105, 0x106, 0x180, 0x14D
SSCRATCH, SEPC, SCAUSE, STVAL, SIP = range(0x140, 0x145)
SSI, MSI, STI, MTI, SEI, MEI = 1, 3, 5, 7, 9, 11
SIE_, MIE_, SPIE, MPIE, SPP, MPP, MPRV, SUM, MXR, TVM, TW, TSR = (
    *(1 << 1, 1 << 3, 1 << 5, 1 << 7, 1 << 8, 3 << 11),
    *(1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22),
)
XL = 2 << 34 | 2 << 32  # SXL and UXL say 64


class Hart:
    """What the last stage does with the file."""

    def __init__(self, ctx: Any, dut: CsrFile) -> None:
        self.ctx, self.dut = ctx, dut

    async def access(self, number: int, function: int = SET, operand: int | None = None) -> Any:
        """Value before, or None if it is illegal."""
        ctx, dut = self.ctx, self.dut
        drive(ctx, dut, number=number, function=function, operand=(operand or 0) & ONES)
        drive(ctx, dut, writes=operand is not None, access=1)
        value = ctx.get(dut.value) if ctx.get(dut.legal) else None
        await pulse(ctx, dut.access)
        return value

    async def write(self, number: int, value: int) -> None:
        assert await self.access(number, WRITE, value) is not None

    async def read(self, number: int) -> Any:
        return await self.access(number)

    async def trap(
        self, cause: int, *, interrupt: bool = False, pc: int = 0x1234, value: int = 0
    ) -> int:
        """Where the handler is."""
        ctx, dut = self.ctx, self.dut
        drive(ctx, dut, trap_cause=cause, trap_interrupt=interrupt, trap_pc=pc, trap_value=value)
        ctx.set(dut.trap, 1)
        handler = int(ctx.get(dut.goes_to))
        await pulse(ctx, dut.trap)
        await ctx.tick()
        return handler

    async def back(self, name: str) -> int:
        """MRET or SRET; where it goes to."""
        ctx, dut = self.ctx, self.dut
        drive(ctx, dut, returns=1, **{name: 1})
        pc = int(ctx.get(dut.goes_to))
        await ctx.tick()
        drive(ctx, dut, returns=0, **{name: 0})
        return pc

    async def enter(self, privilege: int) -> None:
        """From machine mode, with MRET."""
        if privilege != M:
            await self.access(MSTATUS, CLEAR, MPP)
            await self.access(MSTATUS, SET, privilege << 11)
            await self.back("mret")
        assert self.privilege == privilege

    @property
    def privilege(self) -> int:
        return int(self.ctx.get(self.dut.privilege))

    async def interrupt(self) -> int | None:
        """The one that is taken next."""
        await self.ctx.tick().repeat(2)
        taken = self.ctx.get(self.dut.interrupt)
        return int(self.ctx.get(self.dut.interrupt_cause)) if taken else None


def on_hart(bench: Any) -> None:
    dut = CsrFile()

    async def run(ctx: Any) -> None:
        await bench(hart=Hart(ctx, dut))

    simulate(dut, run)

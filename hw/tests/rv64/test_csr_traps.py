"""The CSR file, section by section of the privileged specification: what traps and returns do, and
which interrupt comes."""

import pytest
from hwbench import ONES, drive, pulse, run_by
from rv64csr import (
    MCAUSE,
    MEDELEG,
    MEI,
    MEPC,
    MIDELEG,
    MIE,
    MIE_,
    MIP,
    MPIE,
    MPP,
    MPRV,
    MSI,
    MSTATUS,
    MTI,
    MTVAL,
    MTVEC,
    MXR,
    SCAUSE,
    SEI,
    SEPC,
    SIE_,
    SPIE,
    SPP,
    SSI,
    SSTATUS,
    STI,
    STVAL,
    STVEC,
    SUM,
    TSR,
    TVM,
    TW,
    Hart,
    M,
    S,
    U,
    on_hart,
)

# --- traps and returns ---


@pytest.mark.parametrize("privilege", [U, S, M])
@pytest.mark.parametrize("enabled", [0, 1])
@run_by(on_hart)
async def test_a_trap_to_machine_mode_and_back(hart: Hart, privilege: int, enabled: int) -> None:
    await hart.write(MTVEC, 0x8000_0101)
    await hart.write(MSTATUS, MPIE if enabled else 0)
    if privilege == M:
        await hart.write(MSTATUS, MIE_ if enabled else 0)
    await hart.enter(privilege)
    assert await hart.trap(2, pc=0x4002, value=0x99) == 0x8000_0100, "exceptions to the base"
    assert hart.privilege == M
    assert await hart.read(MEPC) == 0x4002
    assert (await hart.read(MCAUSE), await hart.read(MTVAL)) == (2, 0x99)
    status = await hart.read(MSTATUS)
    assert status & (MIE_ | MPIE | MPP) == (MPIE if enabled else 0) | privilege << 11
    assert await hart.back("mret") == 0x4002
    assert hart.privilege == privilege
    await hart.trap(8)
    # MPP is U after a return, MPIE is 1: so MIE is what it was, and was kept.
    assert bool(await hart.read(MSTATUS) & MPIE) == bool(enabled)


@pytest.mark.parametrize("cause", [each for each in range(16) if 0xB3FF >> each & 1])
@run_by(on_hart)
async def test_an_exception_that_is_delegated_goes_to_the_supervisor(
    hart: Hart, cause: int
) -> None:
    await hart.write(MEDELEG, 1 << cause)
    await hart.write(STVEC, 0x7000)
    await hart.write(MTVEC, 0x6000)
    await hart.write(SSTATUS, SIE_)
    assert await hart.trap(cause) == 0x6000, "never down from machine mode"
    await hart.enter(U)
    assert await hart.trap(cause, pc=0x22, value=0x33) == 0x7000
    assert hart.privilege == S
    assert (await hart.read(SEPC), await hart.read(STVAL)) == (0x22, 0x33)
    assert await hart.read(SCAUSE) == cause
    assert await hart.read(SSTATUS) & (SIE_ | SPIE | SPP) == SPIE
    assert await hart.trap(cause, pc=0x44) == 0x7000, "from supervisor mode to itself"
    assert await hart.read(SSTATUS) & (SIE_ | SPIE | SPP) == SPP
    assert await hart.back("sret") == 0x44
    assert hart.privilege == S
    assert await hart.read(SSTATUS) & (SIE_ | SPIE | SPP) == SPIE
    other = (cause + 1) % 16
    assert await hart.trap(other) == 0x6000, "one that is not delegated"
    assert hart.privilege == M


@pytest.mark.parametrize("cause", [SSI, MSI, STI, MTI, SEI, MEI])
@pytest.mark.parametrize("vectored", [0, 1])
@run_by(on_hart)
async def test_interrupts_are_vectored(hart: Hart, cause: int, vectored: int) -> None:
    await hart.write(MTVEC, 0x8000_0000 | vectored)
    handler = await hart.trap(cause, interrupt=True)
    assert handler == 0x8000_0000 + (4 * cause if vectored else 0)
    assert await hart.read(MCAUSE) == 1 << 63 | cause


@pytest.mark.parametrize("to", [U, S, M])
@run_by(on_hart)
async def test_mprv_is_of_mpp_until_a_return_below_machine_mode(hart: Hart, to: int) -> None:
    await hart.write(MSTATUS, MPRV | to << 11)
    assert hart.ctx.get(hart.dut.effective) == to
    await hart.back("mret")
    assert hart.ctx.get(hart.dut.effective) == (to if to != M else U), "MPP is U now"
    await hart.trap(8)
    assert bool(await hart.read(MSTATUS) & MPRV) == (to == M)


@pytest.mark.parametrize("name", ["sum", "mxr", "tvm", "tw", "tsr"])
@run_by(on_hart)
async def test_what_others_heed(hart: Hart, name: str) -> None:
    bit = {"sum": SUM, "mxr": MXR, "tvm": TVM, "tw": TW, "tsr": TSR}[name]
    for value in (0, bit):
        await hart.write(MSTATUS, value)
        assert hart.ctx.get(getattr(hart.dut, name)) == bool(value)


# --- which interrupt comes ---


@run_by(on_hart)
async def test_the_order_of_interrupts(hart: Hart) -> None:
    """MEI, MSI, MTI, SEI, SSI, STI, of those of one privilege; machine's first."""
    ctx, dut = hart.ctx, hart.dut
    await hart.write(MIE, ONES)
    await hart.write(MSTATUS, MIE_)
    drive(ctx, dut, msip=1, mtip=1)
    await hart.write(MIP, 1 << SSI | 1 << STI | 1 << SEI)
    order = []
    enabled = ONES
    while (cause := await hart.interrupt()) is not None:
        order.append(cause)
        enabled &= ~(1 << cause)
        await hart.write(MIE, enabled)
    assert order == [MSI, MTI, SEI, SSI, STI]
    # One that stays with machine mode comes before any that is delegated.
    await hart.write(MIDELEG, 1 << SEI | 1 << SSI)
    await hart.write(MIE, 1 << SEI | 1 << SSI | 1 << STI)
    await hart.enter(U)
    assert await hart.interrupt() == STI


@pytest.mark.parametrize("privilege", [U, S, M])
@pytest.mark.parametrize("mie", [0, 1])
@pytest.mark.parametrize("sie", [0, 1])
@pytest.mark.parametrize("delegated", [0, 1])
@run_by(on_hart)
async def test_when_interrupts_are_enabled(
    hart: Hart, privilege: int, mie: int, sie: int, delegated: int
) -> None:
    await hart.write(MIDELEG, delegated << SSI)
    await hart.write(MSTATUS, (MPIE | MIE_) * mie | SIE_ * sie)
    await hart.enter(privilege)
    await pulse(hart.ctx, hart.dut.ssip)
    assert await hart.interrupt() is None, "mie does not have it"
    assert not hart.ctx.get(hart.dut.wakes)
    await hart.trap(8)
    await hart.write(MIE, 1 << SSI)
    await hart.write(MSTATUS, (MPIE | MIE_) * mie | SIE_ * sie)
    await hart.enter(privilege)
    if delegated:
        taken = privilege < S or (privilege == S and sie)
    else:
        taken = privilege < M or mie
    assert await hart.interrupt() == (SSI if taken else None)
    assert hart.ctx.get(hart.dut.wakes) == 1, "WFI wakes whatever the status says"

"""The CSR file, section by section of the privileged specification: which registers there are, and
which bits they have."""

import pytest
from hwbench import ONES, pulse, run_by
from rv64csr import (
    CLEAR,
    MCAUSE,
    MCOUNTEREN,
    MEDELEG,
    MEI,
    MENVCFG,
    MEPC,
    MIDELEG,
    MIE,
    MIE_,
    MIP,
    MPIE,
    MPP,
    MPRV,
    MSCRATCH,
    MSI,
    MSTATUS,
    MTI,
    MTVAL,
    MTVEC,
    MXR,
    SATP,
    SCAUSE,
    SCOUNTEREN,
    SEI,
    SEPC,
    SET,
    SIE,
    SIE_,
    SIP,
    SPIE,
    SPP,
    SSCRATCH,
    SSI,
    SSTATUS,
    STI,
    STIMECMP,
    STVAL,
    STVEC,
    SUM,
    TSR,
    TVM,
    TW,
    WRITE,
    XL,
    Hart,
    M,
    S,
    U,
    on_hart,
)

from uintr.registers import Csr

# --- which there are, and who may ---


@run_by(on_hart)
async def test_every_number_from_every_privilege(hart: Hart) -> None:
    machine = {
        *(0xF11, 0xF12, 0xF13, 0xF14, 0xF15, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306),
        *(0x30A, 0x320, *range(0x323, 0x340), *range(0x340, 0x345), 0x3A0, 0x3A2),
        *(*range(0x3B0, 0x3C0), 0xB00, *range(0xB02, 0xB20)),
    }
    supervisor = {
        *(0x100, 0x104, 0x105, 0x106, 0x10A, *range(0x140, 0x145), 0x180),
        *(number for number in Csr if number >> 8 & 3 == 1),
    }
    user = {int(number) for number in Csr if number >> 8 & 3 == 0}
    counters = {0xC00, 0xC01, 0xC02}
    known = {
        U: user,
        S: user | supervisor,
        M: user | supervisor | machine | counters | {STIMECMP},
    }
    for privilege in (M, S, U):
        await hart.enter(privilege)
        found = set()
        for number in range(0x1000):
            hart.ctx.set(hart.dut.number, number)
            if hart.ctx.get(hart.dut.legal):
                found.add(number)
        assert found == known[privilege]
        await hart.trap(8)  # back to machine mode


@run_by(on_hart)
async def test_what_is_read_only_is_not_written(hart: Hart) -> None:
    for number in (0xC00, 0xC01, 0xC02, 0xF11, 0xF14):
        assert await hart.access(number) is not None
        for function in (WRITE, SET, CLEAR):
            assert await hart.access(number, function, 0) is None


@pytest.mark.parametrize("privilege", [S, U])
@run_by(on_hart)
async def test_counters_are_for_whom_counteren_lets(hart: Hart, privilege: int) -> None:
    for machine in range(8):
        for supervisor in range(8):
            await hart.write(MCOUNTEREN, machine)
            await hart.write(SCOUNTEREN, supervisor)
            await hart.enter(privilege)
            for counter in range(3):
                may = machine & (supervisor if privilege == U else 7)
                value = await hart.read(0xC00 + counter)
                assert (value is not None) == bool(may >> counter & 1)
            await hart.trap(8)


@run_by(on_hart)
async def test_stimecmp_wants_stce_and_the_time_counter(hart: Hart) -> None:
    for stce in (0, 1):
        for tm in (0, 1):
            await hart.write(MENVCFG, stce << 63)
            await hart.write(MCOUNTEREN, tm << 1)
            assert await hart.read(STIMECMP) is not None, "machine mode always may"
            await hart.enter(S)
            assert (await hart.read(STIMECMP) is not None) == bool(stce and tm)
            await hart.trap(8)


@run_by(on_hart)
async def test_tvm_keeps_satp_from_the_supervisor(hart: Hart) -> None:
    await hart.write(MSTATUS, TVM)
    assert hart.ctx.get(hart.dut.tvm) == 1
    assert await hart.read(SATP) is not None
    await hart.enter(S)
    assert await hart.read(SATP) is None


# --- which bits they have ---

FIELDS = {
    MSTATUS: (SIE_ | MIE_ | SPIE | MPIE | SPP | MPRV | SUM | MXR | TVM | TW | TSR | MPP, XL),
    SSTATUS: (SIE_ | SPIE | SPP | SUM | MXR, 2 << 32),
    MEDELEG: (0xB3FF, 0),
    MIDELEG: (1 << SSI | 1 << STI | 1 << SEI | 0x111, 0),
    MIE: (sum(1 << each for each in (SSI, MSI, STI, MTI, SEI, MEI)), 0),
    MIP: (1 << SSI | 1 << STI | 1 << SEI, 0),
    MTVEC: (ONES & ~2, 0),
    STVEC: (ONES & ~2, 0),
    MCOUNTEREN: (7, 0),
    SCOUNTEREN: (7, 0),
    MENVCFG: (1 << 63 | 1, 0),
    0x10A: (1, 0),
    0x320: (5, 0),
    MSCRATCH: (ONES, 0),
    SSCRATCH: (ONES, 0),
    MEPC: (ONES & ~1, 0),
    SEPC: (ONES & ~1, 0),
    MTVAL: (ONES, 0),
    STVAL: (ONES, 0),
    MCAUSE: (1 << 63 | 15, 0),
    SCAUSE: (1 << 63 | 15, 0),
    STIMECMP: (ONES, 0),
    SATP: (1 << 63 | ((1 << 60) - 1), 0),
    0xB03: (0, 0),
    0xB1F: (0, 0),
    0x323: (0, 0),
    0x301: (0, 2 << 62 | sum(1 << ord(letter) - ord("A") for letter in "ACIMNSU")),
}


@pytest.mark.parametrize("number", FIELDS)
@run_by(on_hart)
async def test_every_bit_of_every_register(hart: Hart, number: int) -> None:
    """Each bit alone is written, set, cleared; what is no field stays as it is."""
    writable, fixed = FIELDS[number]
    await hart.write(number, 0)
    assert await hart.read(number) == fixed
    for bit in range(64):
        value = 1 << bit
        if number == SATP and 60 <= bit < 63:
            continue  # another mode; see below
        # One bit of MPP alone is privilege 2, of which there is none.
        expected = 0 if number == MSTATUS and bit == 12 else value & writable
        await hart.write(number, value)
        assert await hart.read(number) == fixed | expected
        assert await hart.access(number, CLEAR, value) == fixed | expected
        assert await hart.read(number) == fixed
        assert await hart.access(number, SET, value) == fixed
        assert await hart.access(number, WRITE, 0) == fixed | expected
    await hart.access(number, SET, ONES & ~(7 << 60 if number == SATP else 0))
    assert await hart.read(number) == fixed | writable


@pytest.mark.parametrize("mode", range(1, 16))
@run_by(on_hart)
async def test_satp_takes_no_mode_but_bare_and_sv39(hart: Hart, mode: int) -> None:
    """A write of another mode has no effect at all."""
    await hart.write(SATP, 8 << 60 | 5 << 44 | 7)
    await hart.write(SATP, mode << 60 | 9)
    kept = 8 << 60 | 9 if mode == 8 else 8 << 60 | 5 << 44 | 7
    assert await hart.read(SATP) == kept
    assert hart.ctx.get(hart.dut.satp) == kept


@run_by(on_hart)
async def test_sstatus_is_part_of_mstatus(hart: Hart) -> None:
    await hart.write(MSTATUS, ONES & ~(1 << 11))  # MPP of 2 is 0
    assert await hart.read(SSTATUS) == SIE_ | SPIE | SPP | SUM | MXR | 2 << 32
    await hart.write(SSTATUS, 0)
    assert await hart.read(MSTATUS) == XL | MIE_ | MPIE | MPRV | TVM | TW | TSR


@run_by(on_hart)
async def test_sie_and_sip_show_what_is_delegated(hart: Hart) -> None:
    await hart.write(MIE, ONES)
    await hart.write(MIP, 1 << SSI | 1 << STI | 1 << SEI)
    for delegated in (0, 1 << SSI, 1 << STI, 1 << SEI, 1 << SSI | 1 << SEI):
        await hart.write(MIDELEG, delegated)
        assert (await hart.read(SIE), await hart.read(SIP)) == (delegated, delegated)
        await hart.write(SIE, 0)
        assert await hart.read(SIE) == 0
        assert await hart.read(MIE) & delegated == 0
        await hart.write(MIE, ONES)
        # Of sip, the supervisor writes SSIP alone.
        await hart.write(SIP, 0)
        assert await hart.read(SIP) == delegated & ~(1 << SSI)
        await hart.write(MIP, 1 << SSI | 1 << STI | 1 << SEI)


@run_by(on_hart)
async def test_lines_show_in_mip_and_are_not_stored(hart: Hart) -> None:
    ctx, dut = hart.ctx, hart.dut
    for line, bit in ((dut.msip, MSI), (dut.mtip, MTI), (dut.external, SEI)):
        ctx.set(line, 1)
        assert await hart.read(MIP) == 1 << bit
        await hart.access(MIP, SET, 0)  # a read, modify and write does not keep it
        ctx.set(line, 0)
        assert await hart.read(MIP) == 0
    await pulse(ctx, dut.ssip)
    assert await hart.read(MIP) == 1 << SSI, "this one is a pulse that sets"


@run_by(on_hart)
async def test_stip_is_the_comparator_with_stce_and_a_bit_without(hart: Hart) -> None:
    ctx, dut = hart.ctx, hart.dut
    await hart.write(STIMECMP, 100)
    ctx.set(dut.mtime, 100)
    await ctx.tick().repeat(2)
    assert await hart.read(MIP) == 0
    await hart.write(MENVCFG, 1 << 63)
    assert await hart.read(MIP) == 1 << STI
    await hart.write(MIP, 0)
    assert await hart.read(MIP) == 1 << STI
    ctx.set(dut.mtime, 99)
    await ctx.tick().repeat(2)
    assert await hart.read(MIP) == 0
    await hart.write(MIP, 1 << STI)
    assert await hart.read(MIP) == 0
    for time in (1 << bit for bit in range(64)):
        await hart.write(STIMECMP, time)
        for now in (time - 1, time):
            ctx.set(dut.mtime, now)
            await ctx.tick().repeat(2)
            assert await hart.read(MIP) == (now == time) << STI


@run_by(on_hart)
async def test_counters_count_unless_inhibited(hart: Hart) -> None:
    ctx, dut = hart.ctx, hart.dut
    await hart.write(0xB00, 1000)
    await ctx.tick().repeat(5)
    assert await hart.read(0xC00) == 1005
    await hart.write(0x320, 1)
    before = await hart.read(0xB00)
    await ctx.tick().repeat(5)
    assert await hart.read(0xB00) == before
    await hart.write(0xB02, 50)
    for _ in range(3):  # the first of them is the one that wrote
        await pulse(ctx, dut.retire)
    assert await hart.read(0xC02) == 52
    await hart.write(0x320, 4)
    await pulse(ctx, dut.retire)
    assert await hart.read(0xB02) == 52
    ctx.set(dut.mtime, 77)
    assert await hart.read(0xC01) == 77


@run_by(on_hart)
async def test_hart_id(hart: Hart) -> None:
    hart.ctx.set(hart.dut.hart_id, 5)
    assert await hart.read(0xF14) == 5


@run_by(on_hart)
async def test_what_is_behind_the_port(hart: Hart) -> None:
    """Bits 0 and 4 of the status and interrupt registers are the N extension's."""
    ctx, dut = hart.ctx, hart.dut
    for number in range(0x1000):
        ctx.set(dut.number, number)
        behind = ctx.get(dut.port_number) if ctx.get(dut.behind) else None
        expected = {
            **{int(each): int(each) for each in Csr},
            MSTATUS: Csr.USTATUS,
            SSTATUS: Csr.USTATUS,
            MIE: Csr.UIE,
            MIP: Csr.UIP,
        }
        assert behind == expected.get(number)
    await hart.write(MIDELEG, 1)
    for number, port in ((SIE, Csr.UIE), (SIP, Csr.UIP)):
        ctx.set(dut.number, number)
        assert (ctx.get(dut.behind), ctx.get(dut.port_number)) == (1, port)
    assert ctx.get(dut.user_delegated) == 1

"""The Intel tables: consistent with themselves and with the published numbers."""

import pytest

from uintr.intel.registers import (
    INTERNAL_REGISTERS,
    MSRS,
    UITTE,
    UITTE_ADDRESS,
    UPID,
    UPID_PIR,
    Internal,
    Msr,
)
from uintr.registers import Register

ALL = [UPID, UPID_PIR, UITTE, UITTE_ADDRESS, *MSRS.values(), *INTERNAL_REGISTERS.values()]


@pytest.mark.parametrize("register", ALL, ids=lambda register: register.name)
def test_fields_cover_the_word_once(register: Register) -> None:
    """That none overlap is looked at for the registers of both flavours in test_registers.py."""
    assert register.mask("rw", "ro", "wo", "reserved") == 2**64 - 1
    assert register.reset == 0


def test_every_number_has_its_register() -> None:
    assert set(MSRS) == set(Msr)
    assert all(register.address == msr for msr, register in MSRS.items())
    assert set(INTERNAL_REGISTERS) == set(Internal)
    assert all(register.address == each for each, register in INTERNAL_REGISTERS.items())


def test_no_instruction_names_an_internal_register() -> None:
    assert all(msr < 1 << 32 for msr in Msr)
    assert all(internal >= 1 << 32 for internal in Internal)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (UPID.pack(on=1), 1),
        (UPID.pack(sn=1), 2),
        (UPID.pack(nv=0xEC), 0xEC_0000),
        (UPID.pack(ndst=3), 3 << 32),
        (UPID.mask("reserved"), 0xFF00_FFFC),
        (UITTE.pack(v=1, uv=63), 0x3F01),
        (UITTE.mask("reserved"), 0xFFFF_FFFF_FFFF_C0FE),
        (UITTE_ADDRESS.mask("reserved"), 0x3F),
        (MSRS[Msr.UINTR_MISC].pack(uittsz=255, uinv=0xEC), 0xEC_0000_00FF),
        (MSRS[Msr.UINTR_MISC].mask("reserved"), 0xFFFF_FF00_0000_0000),
        (MSRS[Msr.UINTR_TT].mask("reserved"), 0xE),
        (MSRS[Msr.UINTR_PD].mask("reserved"), 0x3F),
        (INTERNAL_REGISTERS[Internal.CR4].pack(uintr=1), 1 << 25),
    ],
)
def test_published_places(word: int, value: int) -> None:
    assert word == value

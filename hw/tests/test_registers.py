"""The register table: consistent with itself and with the published numbers."""

from collections.abc import Iterator
from types import ModuleType

import pytest

import uintr.intel.registers
import uintr.registers
from uintr.registers import (
    ALL_FEATURES,
    CSRS,
    ENTRIES_PER_PAGE,
    LOW,
    NO_FEATURE,
    SLOT_BYTES,
    SLOT_REGISTERS,
    Csr,
    Feature,
    Field,
    Privilege,
    Register,
    Space,
    UipiFunction,
    registers,
    uipi_word,
)

EVERY = [*registers(), *uintr.intel.registers.registers()]
ALL = [placed.register for placed in EVERY]


@pytest.mark.parametrize("table", [uintr.registers, uintr.intel.registers])
def test_the_list_of_all_registers_leaves_none_out(table: ModuleType) -> None:
    def inside(value: object) -> Iterator[Register]:
        if isinstance(value, Register):
            yield value
        elif isinstance(value, dict | tuple):
            for each in value.values() if isinstance(value, dict) else value:
                yield from inside(each)

    listed = {placed.register for placed in table.registers()}
    assert {each for value in vars(table).values() for each in inside(value)} == listed


def test_no_two_registers_lie_in_the_same_place() -> None:
    places = [
        (placed.register is not None, placed.space, offset)
        for placed in registers(harts=64, receivers=65_536)
        if placed.space != Space.SLOT
        for offset in placed.offsets
    ]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("left_out", list(Feature))
def test_what_a_build_has_not_is_not_listed(left_out: Feature) -> None:
    there = {each.register.name: each.register for each in registers()}
    rest = {
        each.register.name: each.register for each in registers(features=ALL_FEATURES & ~left_out)
    }
    assert set(there) - set(rest) == {
        name for name, register in there.items() if register.feature == left_out
    }
    for name, register in rest.items():
        gone = set(there[name].visible) - set(register.visible)
        assert {field.feature for field in gone} <= {left_out}
        assert all(field.feature != left_out for field in register.visible)
    assert (
        gone
        or set(there) != set(rest)
        or any(there[name] != register for name, register in rest.items())
    )


def test_without_extensions_the_published_registers_are_left() -> None:
    names = {each.register.name for each in registers(features=NO_FEATURE)}
    assert {"SEND", "LOW", "HIGH", "ACTIVE", "UISTE", "suist"} < names
    assert not {"SLOT_RESET", "CLAIM", "MASK", "REJECTED", "THROTTLE", "ENTRY_CACHE"} & names


@pytest.mark.parametrize("register", ALL, ids=lambda register: register.name)
def test_fields_do_not_overlap_and_fit(register: Register) -> None:
    taken = 0
    for field in register.fields:
        assert field.access in {"rw", "ro", "wo", "reserved"}
        assert not taken & field.mask
        taken |= field.mask
    assert taken < 2**64
    assert register.reset & ~register.mask("rw", "ro", "wo") == 0


def test_slot_registers_fill_a_slot() -> None:
    assert [register.address for register in SLOT_REGISTERS] == list(range(0, SLOT_BYTES, 8))


def test_every_csr_has_its_register() -> None:
    assert set(CSRS) == set(Csr)
    assert all(register.address == csr for csr, register in CSRS.items())


@pytest.mark.parametrize(
    ("csr", "level"),
    [(Csr.USTATUS, Privilege.U), (Csr.UIP, Privilege.U), (Csr.SIDELEG, Privilege.S),
     (Csr.SUIST, Privilege.S), (Csr.SUIRS, Privilege.S)],
)  # fmt: skip
def test_privilege_stands_in_the_number(csr: Csr, level: Privilege) -> None:
    assert csr.privilege == level


def test_instruction_words_are_the_published_ones() -> None:
    assert uipi_word(UipiFunction.SEND, rs1=5) == 0x0002_E07B
    assert uipi_word(UipiFunction.DEACTIVATE, rd=31) == 4 << 25 | 6 << 12 | 31 << 7 | 0x7B


@pytest.mark.parametrize("bad", [-1, 32])
def test_a_register_number_has_five_bits(bad: int) -> None:
    with pytest.raises(ValueError, match=f"rs1 must be a register number below 32, not {bad}"):
        uipi_word(UipiFunction.SEND, rs1=bad)


def test_an_entry_has_eight_bytes() -> None:
    assert ENTRIES_PER_PAGE == 512


def test_put_and_get_are_inverse() -> None:
    field = Field("x", 5, 3)
    assert field.put(6) == 6 << 5
    assert field.get(field.put(6) | ~field.mask) == 6
    with pytest.raises(ValueError, match="x must be below 8, not 8"):
        field.put(8)


def test_pack_names_the_register_in_its_error() -> None:
    with pytest.raises(KeyError, match="LOW has no field 'hart'"):
        LOW.pack(hart=1)


def test_masks_go_by_access() -> None:
    assert CSRS[Csr.UIP].mask() == 0x001
    assert CSRS[Csr.UIP].mask("ro") == 0x110
    assert CSRS[Csr.USTATUS].mask() == 0x11
    assert CSRS[Csr.UTVEC].mask() == 2**64 - 1 - 2
    assert CSRS[Csr.UEPC].mask() == 2**64 - 2

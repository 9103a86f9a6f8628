"""Layouts from the register table, and the shapes of the ports."""

import pytest
from amaranth.hdl import Const, Shape
from amaranth.lib import data

from uintr.interfaces import (
    ADDRESS_BITS,
    OPERATION,
    WORD_BYTES,
    HartPort,
    OperationFunction,
    OperationPort,
    Wishbone,
    layout,
)
from uintr.registers import CSRS, LOW, MAX_RECEIVERS, SENDER_ENTRY, SLOT_REGISTERS, Register


@pytest.mark.parametrize("register", [*SLOT_REGISTERS, SENDER_ENTRY, *CSRS.values()])
def test_layout_puts_fields_where_the_table_does(register: Register) -> None:
    made = layout(register)
    assert made.size == 64
    for field in register.fields:
        assert made[field.name].offset == field.lsb
        assert made[field.name].width == field.width


def test_a_view_of_a_word_reads_its_fields() -> None:
    word = LOW.pack(active=1, hartid=0xABC)
    view = data.Const(layout(LOW), word)
    assert view["active"] == 1
    assert view["mode"] == 0
    assert view["hartid"] == 0xABC
    assert Const.cast(view.as_value()).value == word


def test_an_operation_can_name_every_receiver() -> None:
    assert 1 << OPERATION["receiver"].width == MAX_RECEIVERS
    assert OPERATION["data"].width == 64
    assert OPERATION["function"].width >= max(OperationFunction).bit_length()


def test_addresses_reach_all_of_64_bits() -> None:
    assert (1 << ADDRESS_BITS) * WORD_BYTES == 2**64


def test_ports_have_the_widths_of_the_contract() -> None:
    widths = {
        "__".join(map(str, path)): Shape.cast(member.shape).width
        for path, member, _ in HartPort().flatten(HartPort().create())
    }
    assert widths == {
        "privilege": 2,
        "request__valid": 1,
        "request__ready": 1,
        "request__payload__kind": 3,
        "request__payload__function": 7,
        "request__payload__address": 64,
        "request__payload__data": 64,
        "response__valid": 1,
        "response__payload__data": 64,
        "response__payload__status": 4,
        "interrupt": 1,
        "supervisor_interrupt": 1,
    }


def test_a_response_cannot_be_held_back() -> None:
    assert Const.cast(OperationPort().create().response.ready).value == 1


def test_wishbone_is_whole_words() -> None:
    bus = Wishbone().create()
    assert (len(bus.dat_w), len(bus.dat_r), len(bus.sel), len(bus.adr)) == (64, 64, 8, 61)

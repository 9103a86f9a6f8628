"""Registers behind block RAM become its own only where nothing else is changed by it."""

from typing import Any

import pytest

from uintr_fpga.output_registers import use_output_registers

_DIRECTIONS = {"Q": "output", "DOB0": "output", "DOB1": "output", "Z": "output"}


def _cell(kind: str, parameters: dict[str, str], **pins: str | int) -> dict[str, Any]:
    return {
        "type": kind,
        "parameters": parameters,
        "port_directions": {pin: _DIRECTIONS.get(pin, "input") for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def _flip_flop(**pins: str | int) -> dict[str, Any]:
    enable = "CE" if "CE" in pins else "1 "
    return _cell("TRELLIS_FF", {"CEMUX": enable, "CLKMUX": "CLK", "GSR": "DISABLED"}, **pins)


def _netlist() -> dict[str, Any]:
    """Two bits read from a block RAM, a flip-flop behind each; outputs of the module 7 and 8."""
    cells = {
        "ram": _cell(
            "DP16KD", {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG"},
            CLKB=2, ADB5=3, DOB0=5, DOB1=6, OCEA="0", OCEB="1",
        ),
        "first": _flip_flop(CLK=2, DI=5, Q=7, LSR="0"),
        "second": _flip_flop(CLK=2, DI=6, Q=8, LSR="0"),
    }  # fmt: skip
    ports = {
        "clock": {"direction": "input", "bits": [2]},
        "address": {"direction": "input", "bits": [3]},
        "out": {"direction": "output", "bits": [7, 8]},
    }
    return {"modules": {"top": {"cells": cells, "ports": ports}}}


def test_flip_flops_move_into_the_block_ram() -> None:
    netlist = _netlist()
    assert use_output_registers(netlist) == 1
    cells = netlist["modules"]["top"]["cells"]
    assert list(cells) == ["ram"]
    assert cells["ram"]["connections"]["DOB0"] == [7]
    assert cells["ram"]["connections"]["DOB1"] == [8]
    assert cells["ram"]["connections"]["OCEA"] == cells["ram"]["connections"]["OCEB"] == ["1"]
    assert cells["ram"]["parameters"] == {"REGMODE_A": "OUTREG", "REGMODE_B": "OUTREG"}
    assert use_output_registers(netlist) == 0  # it has one now


def test_their_enable_becomes_that_of_the_output() -> None:
    netlist = _netlist()
    cells = netlist["modules"]["top"]["cells"]
    cells["first"] = _flip_flop(CLK=2, DI=5, Q=7, LSR="0", CE=3)
    cells["second"] = _flip_flop(CLK=2, DI=6, Q=8, LSR="0", CE=3)
    assert use_output_registers(netlist) == 1
    assert list(cells) == ["ram"]
    assert cells["ram"]["connections"]["OCEA"] == cells["ram"]["connections"]["OCEB"] == [3]


@pytest.mark.parametrize(
    "changed",
    [
        {"second": _flip_flop(CLK=2, DI=6, Q=8, LSR="0", CE=3)},
        {"second": _flip_flop(CLK=2, DI=6, Q=8, LSR=3)},
        {"second": _flip_flop(CLK=4, DI=6, Q=8, LSR="0")},
        {"second": _cell("LUT4", {}, A=6, Z=8)},
        {"reader": _cell("LUT4", {}, A=6, Z=9)},
    ],
    ids=["another enable", "reset", "another clock", "logic", "a second reader"],
)
def test_nothing_moves_if_one_bit_cannot(changed: dict[str, Any]) -> None:
    netlist = _netlist()
    cells = netlist["modules"]["top"]["cells"]
    cells |= changed
    before = repr(netlist)
    assert use_output_registers(netlist) == 0
    assert repr(netlist) == before


def test_a_bit_that_leaves_the_module_stays() -> None:
    netlist = _netlist()
    netlist["modules"]["top"]["ports"]["out"]["bits"].append(6)
    assert use_output_registers(netlist) == 0

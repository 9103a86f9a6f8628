"""Puts registers behind block RAM into the block RAM, before and after synthesis for ECP5.

A block RAM of an ECP5 has a register of its own behind its read port, much faster than the read
port without it. Other synthesis tools use it by themselves; Yosys does not.
"""

import re
from collections import Counter
from typing import Any

__all__ = ["ignore_collisions", "use_output_registers"]

_PLAIN = {"CLKMUX": "CLK", "GSR": "DISABLED"}
"""Parameters of a flip-flop that a block RAM's register can stand for."""


def ignore_collisions(text: str) -> str:
    """Let what a memory reads from a place that is being written be anything, in a controller's
    RTLIL ``text``, so that no logic need make up for what a block RAM does.

    Nothing uses it (`uintr.controller`; the proofs let it be anything). The ring of the claim
    queue, which is transparent, is left alone.
    """
    return re.sub(
        r"cell \$memrd_v2 .*?\n\s*end\n",
        lambda cell: (
            cell[0]
            if "TRANSPARENCY_MASK 1'1" in cell[0]
            else cell[0].replace("COLLISION_X_MASK 1'0", "COLLISION_X_MASK 1'1")
        ),
        text,
        flags=re.DOTALL,
    )


def use_output_registers(netlist: dict[str, Any]) -> int:
    """Change ``netlist``, Yosys's JSON for ECP5. Returns how many block RAMs have a register now.

    A block RAM is changed when every bit that is read from it goes to one flip-flop and to nothing
    else, all of them with the block RAM's clock, with one enable or none, and without reset. What
    the flip-flops hold at the beginning is lost.
    """
    return sum(map(_change, netlist["modules"].values()))


def _change(module: dict[str, Any]) -> int:
    cells = module["cells"]
    readers = Counter(
        bit
        for cell in cells.values()
        for port, bits in cell["connections"].items()
        if cell["port_directions"].get(port) != "output"
        for bit in bits
    )
    readers.update(
        bit for port in module["ports"].values() if port["direction"] != "input"
        for bit in port["bits"]
    )  # fmt: skip
    flip_flops = {
        cell["connections"]["DI"][0]: name
        for name, cell in cells.items()
        if cell["type"] == "TRELLIS_FF" and _enable(cell) is not None
    }
    changed = 0
    for cell in list(cells.values()):
        if cell["type"] != "DP16KD" or cell["parameters"]["REGMODE_B"] != "NOREG":
            continue
        pins = cell["connections"]
        read = {
            port: bits[0]
            for port, bits in pins.items()
            if port.startswith("DO") and bits and readers[bits[0]]
        }
        behind = {port: flip_flops.get(bit) for port, bit in read.items() if readers[bit] == 1}
        if not read or behind.keys() != read.keys() or None in behind.values():
            continue
        registers = [cells[name] for name in behind.values()]
        clocks = {pins["CLKB"][0]} | {each["connections"]["CLK"][0] for each in registers}
        enables = {_enable(each) for each in registers}
        if len(clocks) > 1 or len(enables) > 1:
            continue
        for port, name in behind.items():
            pins[port] = cells.pop(name)["connections"]["Q"]
        # A wide port reads through both.
        cell["parameters"] |= {"REGMODE_A": "OUTREG", "REGMODE_B": "OUTREG"}
        pins |= {key: [*enables] for key in ("OCEA", "OCEB")}
        changed += 1
    return changed


def _enable(cell: dict[str, Any]) -> Any:
    """What enables a flip-flop, "1" if nothing does; None if a block RAM's register is no
    substitute for it.
    """
    parameters, pins = cell["parameters"], cell["connections"]
    if pins.get("LSR", ["0"]) not in (["0"], []) or any(
        parameters.get(name, "").strip() != value for name, value in _PLAIN.items()
    ):
        return None
    return {"1": "1", "CE": pins.get("CE", [None])[0]}.get(parameters.get("CEMUX", "").strip())

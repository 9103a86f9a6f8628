"""What each port of each block means, as data: the tables of the documentation are made of it."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["PORTS", "PortRow", "port_table"]

_EVERY = "every edge"
_ACCEPTED = "at acceptance"
_WITH_VALID = "while `valid`"
_FROM_STB = "from `cyc` and `stb` to the end"

PORTS: dict[str, tuple[str, str]] = {
    "clk": ("Clock; everything happens at its rising edge.", ""),
    "rst": ("Reset, synchronous, active high. One cycle is enough.", _EVERY),
    "quiescent": ("Without new input no register changes any more.", ""),
    "idle": ("No request is outstanding and no response is shown.", ""),
    "line": ("A receiver of user kind wants the hart: one bit each.", _EVERY),
    "supervisor_line": ("A receiver of supervisor kind wants the hart: one bit each.", _EVERY),
    # The hart port.
    "hart__privilege": ("Level of the code that the hart runs: 0 U, 1 S, 3 M.", _EVERY),
    "hart__request__valid": ("A request is presented; held until it is accepted.", _EVERY),
    "hart__request__ready": ("It is accepted, if there is one, at the end of this cycle.", ""),
    "hart__request__payload__kind": ("What is asked for, see the numbers below.", _ACCEPTED),
    "hart__request__payload__function": ("Which of its functions.", _ACCEPTED),
    "hart__request__payload__address": ("Address or CSR number.", _ACCEPTED),
    "hart__request__payload__data": ("Word to write, operand, or pc.", _ACCEPTED),
    "hart__response__valid": ("The response is there, for one cycle.", ""),
    "hart__response__payload__data": ("Its word; 0 unless the status is OK.", _WITH_VALID),
    "hart__response__payload__status": ("How the request ended.", _WITH_VALID),
    "hart__interrupt": ("A user interrupt can be taken under this privilege; a level.", ""),
    "hart__supervisor_interrupt": ("The hart's supervisor line; a level.", ""),
    # What joins hart unit and controller.
    "operation__valid": ("An operation is presented; held until it is accepted.", _EVERY),
    "operation__ready": ("It is accepted at the end of this cycle.", _EVERY),
    "operation__payload": ("Function 3:0, receiver 19:4, data 83:20.", _ACCEPTED),
    "response__valid": ("The answer to an operation, in order, for one cycle.", _EVERY),
    "response__payload": ("Its word.", _WITH_VALID),
    "rejected": ("A UIPI SEND is refused in this cycle.", _EVERY),
    "cause": ("Its status.", "while `rejected`"),
    "posted": ("A post of a UIPI SEND is accepted in this cycle.", _EVERY),
    "posting": ("A post waits whose entry was there before this cycle.", _EVERY),
    "open": ("The hart's budget has a token.", "when a UIPI SEND is accepted"),
    "invalidate": ("Kept table entries must be forgotten.", _EVERY),
    "caches": ("Table entries are to be kept.", "when an entry arrives"),
    # Wishbone.
    "bus__cyc": ("A transfer is under way.", _EVERY),
    "bus__stb": ("The same; the two are used together.", _EVERY),
    "bus__we": ("It is a write.", _FROM_STB),
    "bus__adr": ("Word address: byte address / 8.", _FROM_STB),
    "bus__sel": ("Bytes to transfer.", _FROM_STB),
    "bus__dat_w": ("Word to write.", _FROM_STB),
    "bus__dat_r": ("Word that was read.", "while `ack`"),
    "bus__ack": ("The end, good.", _EVERY),
    "bus__err": ("The end, bad: nothing happened.", _EVERY),
    "bus_lock": ("The bus stays with the one outside after its transfer; may be 0.", _EVERY),
    # AXI4-Lite.
    "axi__awvalid": ("Address of a write is presented.", _EVERY),
    "axi__awready": ("It is taken.", _EVERY),
    "axi__awaddr": ("Byte address; its low three bits are without effect.", _WITH_VALID),
    "axi__awprot": ("Without effect; what the block sends is privileged.", _WITH_VALID),
    "axi__wvalid": ("Data of a write is presented.", _EVERY),
    "axi__wready": ("It is taken, together with the address.", _EVERY),
    "axi__wdata": ("Word to write.", _WITH_VALID),
    "axi__wstrb": ("Bytes to write.", _WITH_VALID),
    "axi__bvalid": ("Response to a write.", _EVERY),
    "axi__bready": ("It is taken.", _EVERY),
    "axi__bresp": ("0 OKAY; anything else is an error, here SLVERR.", _WITH_VALID),
    "axi__arvalid": ("Address of a read is presented.", _EVERY),
    "axi__arready": ("It is taken.", _EVERY),
    "axi__araddr": ("Byte address; its low three bits are without effect.", _WITH_VALID),
    "axi__arprot": ("As `awprot`.", _WITH_VALID),
    "axi__rvalid": ("Response to a read.", _EVERY),
    "axi__rready": ("It is taken.", _EVERY),
    "axi__rdata": ("Word that was read.", _WITH_VALID),
    "axi__rresp": ("As `bresp`.", _WITH_VALID),
}
"""Meaning, and when a block looks at it if it is an input, by the name without the number of a hart
and without ``unit``."""


class PortRow(NamedTuple):
    """A port, or the same one of each hart, whose number is then ``h``."""

    name: str
    direction: str
    width: int
    meaning: str
    sampled: str


def port_table(ports: Iterable[dict[str, Any]]) -> list[PortRow]:
    """Rows for ports as `uintr.block_json.ports` finds them. Raises KeyError for an unknown one."""
    rows: dict[str, PortRow] = {}
    for port in ports:
        name = re.sub(r"^(hart|unit)__\d+__", r"\1__h__", port["name"])
        plain = re.sub(r"^unit__h__", "", name.replace("hart__h__", "hart__"))
        meaning, sampled = PORTS[plain]
        if port["direction"] != "input":
            sampled = ""
        rows[name] = PortRow(name, port["direction"], port["width"], meaning, sampled)
    return list(rows.values())

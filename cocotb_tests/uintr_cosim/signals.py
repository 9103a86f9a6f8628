"""The words that cross the border between Python and the simulator.

Reading and writing signals from Python is what co-simulation spends its time on, so the top packs
what belongs together into one wide signal each. This module says where each piece lies; it imports
no HDL tool, since it is also used inside the simulator.

================= ======= ==================================================================
signal            bits    contents, lowest bit first
================= ======= ==================================================================
``clk``, ``rst``  1
``privilege``     2 n     level of hart h at bit 2 h
``request_<h>``   139     ticket 1, kind 3, function 7, address 64, data 64
``bus_request``   135     ticket 1, write 1, bytes 8, word address 61, data 64
``status``        3 n + 2 quiescent, then n response valids, n interrupts, n supervisor interrupts,
                          the response valid of the bus
``response_<h>``  68      status 4, data 64
``bus_response``  65      error 1, data 64
================= ======= ==================================================================

A request is presented by changing its ticket, which is 0 after reset. The top notes the ticket
when the hart unit accepts the request, so that Python need not take the request away again. The
supervisor's bus from outside has the same: its transfer is presented by changing the ticket, and in
the cycle after its end the response is valid; a write and an error answer 0.
"""

from rel4.machine.device import Request, Response
from uintr.registers import XLEN, Status

__all__ = [
    "BUS_REQUEST_FIELDS",
    "BUS_RESPONSE_FIELDS",
    "PRIVILEGE_BITS",
    "REQUEST_BITS",
    "REQUEST_FIELDS",
    "RESPONSE_BITS",
    "RESPONSE_FIELDS",
    "TOP",
    "pack_bus_request",
    "pack_request",
    "unpack_response",
]

TOP = "uintr_top"
"""Name of the top module."""

PRIVILEGE_BITS = 2

REQUEST_FIELDS = {"kind": 3, "function": 7, "address": XLEN, "data": XLEN}
"""Fields of a request and their widths, lowest first, above the ticket."""
REQUEST_BITS = 1 + sum(REQUEST_FIELDS.values())

RESPONSE_FIELDS = {"status": 4, "data": XLEN}
"""Fields of a response and their widths, lowest first."""
RESPONSE_BITS = sum(RESPONSE_FIELDS.values())

_WORD_BYTES = XLEN // 8
BUS_REQUEST_FIELDS = {
    "we": 1,
    "sel": _WORD_BYTES,
    "adr": XLEN - (_WORD_BYTES - 1).bit_length(),
    "dat_w": XLEN,
}
"""Members of the bus in a transfer and their widths, lowest first, above the ticket."""

BUS_RESPONSE_FIELDS = {"err": 1, "dat_r": XLEN}
"""Members of the bus in its end and their widths, lowest first."""

_STATUS_BITS = RESPONSE_FIELDS["status"]
_STATUS_MASK = (1 << _STATUS_BITS) - 1
_STATUSES = {status.value: status for status in Status}


def _place(name: str) -> int:
    names = list(REQUEST_FIELDS)
    return 1 + sum(REQUEST_FIELDS[before] for before in names[: names.index(name)])


_KIND, _FUNCTION, _ADDRESS, _DATA = map(_place, ("kind", "function", "address", "data"))


def pack_request(request: Request, ticket: int) -> int:
    """The word of ``request``, which `check_submission` let through, under ``ticket``, 0 or 1."""
    kind, function, address, data = request.kind, request.function, request.address, request.data
    return ticket | kind << _KIND | function << _FUNCTION | address << _ADDRESS | data << _DATA


def pack_bus_request(*, write: bool, select: int, address: int, data: int, ticket: int) -> int:
    """The word of a transfer at the byte ``address`` under ``ticket``, 0 or 1."""
    word, shift = ticket, 1
    fields = (int(write), select, address // _WORD_BYTES, data)
    for value, width in zip(fields, BUS_REQUEST_FIELDS.values(), strict=True):
        if not 0 <= value < 1 << width:
            raise ValueError(f"a field of a transfer must be below {1 << width:#x}, not {value!r}")
        word |= value << shift
        shift += width
    return word


def unpack_response(word: int) -> Response:
    """The response that ``word`` stands for."""
    return Response(word >> _STATUS_BITS, _STATUSES[word & _STATUS_MASK])

"""What passes at the ports of the user-interrupt part of `rv64.soc`, cycle by cycle.

`watched` gives the system one more output, a row of words: the bus to the devices, then for each
hart its HartPort and its hart unit's reads of the sender table. What means nothing in a cycle is 0
there, so that rows are the same while nothing happens; they are told once, with how often.
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.soc import Soc
from rv64_verify.rtl import Rtl, build_library
from uintr.generate import verilog_text
from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN

__all__ = ["Devices", "PortRtl", "Row", "Unit", "watched"]

_MAIN = Path(__file__).with_name("port.cpp")
_ROWS = 4096


class Devices(NamedTuple):
    """The bus to the devices: a transfer, and how it ends."""

    asked: int
    write: int
    select: int
    address: int
    data: int
    ack: int
    err: int
    answer: int


class Unit(NamedTuple):
    """One hart: its HartPort, then its hart unit's reads of the sender table."""

    privilege: int
    valid: int
    ready: int
    kind: int
    function: int
    address: int
    data: int
    answered: int
    status: int
    answer: int
    interrupt: int
    supervisor_interrupt: int
    reads: int
    read_address: int
    ack: int
    err: int
    entry: int


class Row(NamedTuple):
    """So many cycles in which nothing of this changes."""

    cycles: int
    devices: Devices
    units: tuple[Unit, ...]


class _Watched(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """The system with the output; ports and names are the system's own."""

    def __init__(self, soc: Soc, fault: Signal | None) -> None:
        self._soc, self._fault = soc, fault
        words = len(Devices._fields) + len(Unit._fields) * len(soc.harts)
        ours: dict[str, Any] = {"watch": Out(XLEN * words)}
        if fault is not None:
            ours["fault"] = In(fault.shape())
        super().__init__({**dict(soc.signature.members), **ours})
        for name in soc.signature.members:
            setattr(soc, name, getattr(self, name))

    def elaborate(self, platform: Any) -> Module:
        m = self._soc.elaborate(platform)
        bus = m.submodules.decoder.bus
        asked = bus.cyc & bus.stb
        words: list[Any] = [
            *(asked, asked & bus.we, Mux(asked, bus.sel, 0), Mux(asked, bus.adr * WORD_BYTES, 0)),
            *(Mux(asked & bus.we, bus.dat_w, 0), bus.ack, bus.err),
            Mux(bus.ack & ~bus.we, bus.dat_r, 0),
        ]
        for number, hart in enumerate(self._soc.harts):
            port = hart.port
            request, response = port.request, port.response
            asks, answers = request.payload, response.payload
            words += [port.privilege, request.valid, request.ready]
            words += [
                Mux(request.valid, each, 0)
                for each in (asks.kind, asks.function, asks.address, asks.data)
            ]
            words += [
                response.valid,
                Mux(response.valid, answers.status, 0),
                Mux(response.valid, answers.data, 0),
                port.interrupt,
                port.supervisor_interrupt,
            ]
            reads = getattr(m.submodules, f"table_reader_{number}").reads
            reading = reads.cyc & reads.stb
            words += [reading, Mux(reading, reads.adr * WORD_BYTES, 0)]
            words += [reads.ack, reads.err, Mux(reads.ack, reads.dat_r, 0)]
        # Each is a word.
        m.d.comb += self.watch.eq(Cat((each | Const(0, XLEN))[:XLEN] for each in words))
        if self._fault is not None:
            m.d.comb += self._fault.eq(self.fault)
        return m


def watched(harts: int, fault: Signal | None = None) -> Path:
    """The library of a system whose ports are watched. If it was made wrong on purpose, ``fault``
    chooses what is wrong; it becomes an input."""
    text = verilog_text(_Watched(Soc(harts=harts), fault), name="soc")
    options = () if fault is None else ("-CFLAGS", "-DFAULTS")
    return build_library(text, harts, 4, main=_MAIN, fast="-O0", options=options)


class PortRtl(Rtl):
    """A system whose ports are watched; `rows` runs it after `start`."""

    def __init__(self, *, harts: int, memory_bytes: int, path: Path | None = None) -> None:
        path = watched(harts) if path is None else path
        super().__init__(harts=harts, memory_bytes=memory_bytes, path=path)
        self._harts = harts
        self._words = 1 + len(Devices._fields) + len(Unit._fields) * harts

    def rows(self) -> Iterator[Row]:
        """Every cycle, until the program ends or its time is over."""
        run = self._library.port_run
        buffer = (ctypes.c_uint64 * (self._words * _ROWS))()
        run.restype = ctypes.c_uint64
        run.argtypes = (ctypes.c_void_p, type(buffer), *[ctypes.c_uint64] * 2)
        first, each = 1 + len(Devices._fields), len(Unit._fields)
        while count := run(self._rtl, buffer, _ROWS, self._limit):
            for place in range(0, count * self._words, self._words):
                row = buffer[place : place + self._words]
                units = (row[first + each * hart :][:each] for hart in range(self._harts))
                yield Row(row[0], Devices(*row[1:first]), tuple(Unit(*unit) for unit in units))

    def set_fault(self, number: int) -> None:
        """Of a design made wrong on purpose: which of its faults there is; 0: none."""
        choose = self._library.port_fault
        choose.restype, choose.argtypes = None, (ctypes.c_void_p, ctypes.c_int)
        choose(self._rtl, number)

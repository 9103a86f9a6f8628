"""Stores on their way to memory."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from rv64.interfaces import WORD_ADDRESS_BITS
from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN

__all__ = ["DEPTH", "STORE", "StoreBuffer"]

DEPTH = 8
STORE = data.StructLayout({"address": WORD_ADDRESS_BITS, "mask": WORD_BYTES, "data": XLEN})


class StoreBuffer(wiring.Component):
    """A queue of eight: first in, first out, which is what makes the memory order TSO.

    A store that goes in in cycle t is at the other end from t + 1 on.

    Members
    -------
    input, output : streams of `STORE`; ``input.ready`` is a register
    empty : nothing waits; a register
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "input": In(stream.Signature(STORE)),
                "output": Out(stream.Signature(STORE)),
                "empty": Out(1, init=1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Look-up-table memory between two counters."""
        m = Module()
        m.submodules.stores = stores = memory.Memory(shape=STORE, depth=DEPTH, init=[])
        write, read = stores.write_port(), stores.read_port(domain="comb")
        first, last = Signal(range(DEPTH)), Signal(range(DEPTH))
        level, after = Signal(range(DEPTH + 1)), Signal(range(DEPTH + 1))
        ready = Signal(init=1)
        put = self.input.valid & self.input.ready
        take = self.output.valid & self.output.ready
        m.d.comb += [
            write.addr.eq(last),
            write.data.eq(self.input.payload),
            write.en.eq(put),
            read.addr.eq(first),
            self.output.payload.eq(read.data),
            self.output.valid.eq(~self.empty),
            self.input.ready.eq(ready),
            after.eq(level + put - take),
        ]
        m.d.sync += [
            last.eq(last + put),
            first.eq(first + take),
            level.eq(after),
            self.empty.eq(after == 0),
            ready.eq(after != DEPTH),
        ]
        return m

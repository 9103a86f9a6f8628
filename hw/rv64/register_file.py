"""The thirty-two registers."""

from typing import Any

from amaranth.hdl import Module, Mux, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from uintr.registers import XLEN

__all__ = ["RegisterFile"]


class RegisterFile(wiring.Component):
    """Two reads and one write a cycle; a read sees the write of the same cycle. Register 0 is 0.

    Members
    -------
    rs1, rs2, a, b : numbers, and what is in those registers, in the same cycle
    rd, write, data : number, whether to write, and what
    take : show ``data`` as both, whatever the numbers are
    words : the memory, for a debugger to see; register 0 of it means nothing
    """

    def __init__(self) -> None:
        self.words = memory.Memory(shape=unsigned(XLEN), depth=32, init=[])
        super().__init__(
            {
                "rs1": In(5),
                "rs2": In(5),
                "a": Out(XLEN),
                "b": Out(XLEN),
                "rd": In(5),
                "write": In(1),
                "data": In(XLEN),
                "take": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Look-up-table memory; the write goes round it."""
        m = Module()
        m.submodules.words = words = self.words
        write = words.write_port()
        m.d.comb += [
            write.addr.eq(self.rd),
            write.data.eq(self.data),
            write.en.eq(self.write & self.rd.any()),
        ]
        for number, value in ((self.rs1, self.a), (self.rs2, self.b)):
            read = words.read_port(domain="comb")
            m.d.comb += [
                read.addr.eq(number),
                value.eq(Mux(self.take | (write.en & (number == self.rd)), self.data, read.data)),
            ]
        return m

"""Properties of the sending side of a hart, whatever bus and controller answer.

* a post is presented only for an entry that was read without error, valid, with a vector below 64
  and a receiver below the number of receivers, and it is that vector and that receiver;
* the entry that is read is in the thread's own table, below its size, whatever the operand;
* all other operations are for the thread's own receiver, and only those that UIPI defines;
* a refused instruction presents no operation; every instruction is done exactly once;
* Wishbone: what is presented is held until the end of the transfer.
"""

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    ClockDomain,
    Const,
    Cover,
    Elaboratable,
    Module,
    Signal,
    Value,
)
from amaranth.lib import data

from uintr.interfaces import OperationFunction, layout
from uintr.registers import CSRS, ENTRIES_PER_PAGE, SENDER_ENTRY, VECTORS, Csr, Status, UipiFunction
from uintr.sender import Sender

__all__ = ["SenderSpec"]


class SenderSpec(Elaboratable):
    """Parameters
    ----------
    receivers : of the controller
    """

    def __init__(self, *, receivers: int) -> None:
        self.domain = ClockDomain("sync", reset_less=True)
        self._receivers = receivers

    def elaborate(self, platform: Any) -> Module:
        """A shadow that knows the instruction under way and what it has come to."""
        m = Module()
        m.domains.sync = self.domain
        m.submodules.dut = dut = Sender(receivers=self._receivers)
        bus, operation = dut.bus, dut.port.operation
        start = AnySeq(1)
        m.d.comb += [
            dut.start.eq(start),
            dut.function.eq(AnySeq(7)),
            dut.operand.eq(AnySeq(64)),
            dut.suist.as_value().eq(AnySeq(64)),
            dut.suirs.as_value().eq(AnySeq(64)),
            bus.ack.eq(AnySeq(1)),
            bus.err.eq(AnySeq(1)),
            bus.dat_r.eq(AnySeq(64)),
            operation.ready.eq(AnySeq(1)),
            dut.port.response.valid.eq(AnySeq(1)),
            dut.port.response.payload.eq(AnySeq(64)),
            Assume(~(bus.ack | bus.err) | bus.stb),
            Assume(~(bus.ack & bus.err)),
            Assume(~operation.ready | operation.valid),
        ]

        idle = Signal(init=1)
        sends = Signal()
        table = Signal(layout(CSRS[Csr.SUIST]))
        own = Signal(layout(CSRS[Csr.SUIRS]))
        index = Signal(64)
        m.d.comb += Assume(idle | ~dut.start)
        with m.If(dut.start):
            m.d.sync += [
                sends.eq(dut.function == UipiFunction.SEND),
                table.eq(dut.suist),
                own.eq(dut.suirs),
                index.eq(dut.operand),
                idle.eq(dut.done),
            ]
        with m.Elif(dut.done):
            m.d.sync += idle.eq(1)

        reading = Signal()  # the entry's transfer is under way
        read = Signal()  # a good entry was read for this instruction
        entry = Signal(layout(SENDER_ENTRY))
        operating = Signal()  # the operation was accepted, and is not yet answered
        found = data.View(layout(SENDER_ENTRY), bus.dat_r)
        fits = found.valid & (found.vector < VECTORS) & (found.receiver < self._receivers)
        with m.If(dut.start):
            m.d.sync += [
                reading.eq((dut.function == UipiFunction.SEND) & ~dut.done), read.eq(0)
            ]  # fmt: skip
        with m.Elif(reading & (bus.ack | bus.err)):
            m.d.sync += [reading.eq(0), read.eq(bus.ack & fits), entry.eq(bus.dat_r)]
        with m.If(dut.done):
            m.d.sync += operating.eq(0)
        with m.Elif(operation.valid & operation.ready):
            m.d.sync += operating.eq(1)
        with m.If(dut.done):
            m.d.sync += read.eq(0)

        entries = Cat(Const(0, (ENTRIES_PER_PAGE - 1).bit_length()), table.size)
        base = Cat(Const(0, (ENTRIES_PER_PAGE - 1).bit_length()), table.ppn)
        payload = operation.payload
        m.d.comb += [
            Assert(~(dut.done & idle & ~dut.start)),
            Assert(bus.stb == reading),
            Assert(bus.cyc == bus.stb),
            Assert(~bus.we),
            Assert(~(idle & (reading | read | operating))),
            Assert(~(operation.valid & (idle | reading | operating))),
            Assert(idle | reading | operation.valid | operating),
            Assert(~reading | sends),
            Assert(~operation.valid | (dut.posting == sends)),
            Assert(dut.awaiting == operating),
            Assert(dut.resting == idle),
            Assert(~operating | ~sends),
            Assert(~(reading & (read | operating))),
            Assert(~read | (sends & operation.valid)),
            Assert(~dut.rejected | (dut.done & (dut.answer.status != Status.OK))),
        ]
        with m.If(reading):
            m.d.comb += [
                Assert(table.en),
                Assert(index < entries),
                Assert(Value.cast(bus.adr) == (base + index)[: len(bus.adr)]),
            ]
        with m.If(operation.valid & sends):
            m.d.comb += [
                Assert(read),
                Assert(entry.valid & (entry.vector < VECTORS) & (entry.receiver < self._receivers)),
                Assert(payload.function == OperationFunction.SEND),
                Assert(payload.receiver == entry.receiver),
                Assert(payload.data == entry.vector),
            ]
        with m.If(operation.valid & ~sends):
            m.d.comb += [
                Assert(own.en),
                Assert(payload.receiver == own.index),
                Assert(payload.receiver < self._receivers),
                Assert(
                    Value.cast(payload.function).matches(
                        OperationFunction.READ_HIGH,
                        OperationFunction.WRITE_HIGH,
                        OperationFunction.WRITE_ACTIVE,
                    )
                ),
            ]
        with m.If(dut.done & (dut.answer.status != Status.OK)):
            m.d.comb += Assert(~operation.valid)
        m.d.comb += [
            Cover(operation.valid & sends & operation.ready & (payload.receiver != 0)),
            Cover(dut.done & operating),
            Cover(dut.done & (dut.answer.status == Status.BUS)),
            Cover(dut.done & (dut.answer.status == Status.RECEIVER) & reading),
        ]
        return m

"""Properties of the sending side of a hart, whatever bus and controller answer.

* a post is presented only for an entry that was read without error, valid, with a vector below 64
  and a receiver below the number of receivers, and it is that vector and that receiver;
* the entry is one of the thread's own table, below its size, whatever the operand;
* an entry that is not read for this very instruction was the last that was read at this index, of
  the same table, and nothing was invalidated since;
* all other operations are for the thread's own receiver, and only those that UIPI defines;
* what is refused, and with which status, is exactly what the page on the hardware says; all else
  goes on, so a valid SEND posts;
* a refused instruction presents no operation; without a token every SEND is refused;
* every instruction is done exactly once, and is, when it is not, waiting for its transfer, for the
  acceptance of its operation, or for its answer;
* Wishbone: what is presented is held until the end of the transfer.
"""

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Module,
    Mux,
    Signal,
    Value,
)
from amaranth.lib import data

from uintr.entry_cache import INDEX_BITS
from uintr.interfaces import OperationFunction, layout
from uintr.registers import (
    ALL_FEATURES,
    CACHE_ENTRIES,
    CSRS,
    ENTRIES_PER_PAGE,
    SENDER_ENTRY,
    VECTORS,
    Csr,
    Feature,
    Status,
    UipiFunction,
)
from uintr.sender import Sender
from uintr_formal.specification import Specification

__all__ = ["SenderSpec"]

_ENTRY_BITS = (ENTRIES_PER_PAGE - 1).bit_length()
_PLACE_BITS = (CACHE_ENTRIES - 1).bit_length()


class SenderSpec(Specification):
    """Parameters
    ----------
    receivers : of the controller
    features, early : of the sender
    """

    def __init__(
        self, *, receivers: int, features: Feature = ALL_FEATURES, early: bool = False
    ) -> None:
        super().__init__()
        self._receivers = receivers
        self._features = features
        self._early = early

    def specify(self, m: Module) -> None:
        """A shadow that knows the instruction under way and what it has come to."""
        m.submodules.dut = dut = Sender(
            receivers=self._receivers, features=self._features, early=self._early
        )
        bus, operation = dut.bus, dut.port.operation
        for signal in (dut.start, dut.function, dut.operand, dut.suist, dut.suirs, dut.open,
                       dut.caches, dut.invalidate, bus.ack, bus.err, bus.dat_r, operation.ready,
                       dut.port.response.valid, dut.port.response.payload):  # fmt: skip
            m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
        m.d.comb += [
            Assume(~(bus.ack | bus.err) | bus.stb),
            Assume(~(bus.ack & bus.err)),
            Assume(~operation.ready | operation.valid),
        ]

        idle = Signal(init=1)
        sends = Signal()
        table = Signal(layout(CSRS[Csr.SUIST]))
        own = Signal(layout(CSRS[Csr.SUIRS]))
        index = Signal(64)
        opened = Signal()
        m.d.comb += Assume(idle | ~dut.start)
        with m.If(dut.start):
            m.d.sync += [
                sends.eq(dut.function == UipiFunction.SEND),
                table.eq(dut.suist),
                own.eq(dut.suirs),
                index.eq(dut.operand),
                opened.eq(dut.open),
                idle.eq(dut.done),
            ]
        with m.Elif(dut.done):
            m.d.sync += idle.eq(1)
        # The table changes only between instructions, and invalidates.
        suist_before = Signal(64)
        changes = Signal(init=1)
        m.d.sync += [suist_before.eq(dut.suist), changes.eq(idle & ~dut.start & dut.invalidate)]
        m.d.comb += Assume(changes | (dut.suist.as_value() == suist_before))

        # One index, whichever it is: what was read there last, since the last invalidation.
        watched = AnyConst(64)
        known = Signal()
        known_entry = Signal(layout(SENDER_ENTRY))
        known_table = Signal(layout(CSRS[Csr.SUIST]))

        reading = Signal()  # the entry's transfer is under way
        fetched = Signal()  # a good entry is there, and its post is not accepted
        entry = Signal(layout(SENDER_ENTRY))
        operating = Signal()  # the operation was accepted, and is not yet answered
        found = data.View(layout(SENDER_ENTRY), bus.dat_r)
        fits = found.valid & (found.vector < VECTORS) & (found.receiver < self._receivers)
        hit = dut.cache.hit if dut.cache is not None else Const(0)
        early = reading & bus.ack & fits & self._early
        with m.If(dut.start & (dut.function == UipiFunction.SEND) & ~dut.done):
            m.d.sync += [reading.eq(~hit), fetched.eq(hit), entry.eq(known_entry)]
        with m.If(reading & (bus.ack | bus.err)):
            m.d.sync += [reading.eq(0), fetched.eq(bus.ack & fits & ~dut.done), entry.eq(bus.dat_r)]
            with m.If(index == watched):
                m.d.sync += [
                    known.eq(bus.ack & fits),
                    known_entry.eq(bus.dat_r),
                    known_table.eq(table),
                ]
        with m.If(dut.invalidate):
            m.d.sync += known.eq(0)
        with m.If(dut.done):
            m.d.sync += [operating.eq(0), fetched.eq(0)]
        with m.Elif(operation.valid & operation.ready):
            m.d.sync += operating.eq(1)

        entries = Cat(Const(0, _ENTRY_BITS), table.size)
        base = Cat(Const(0, _ENTRY_BITS), table.ppn)
        payload = operation.payload
        m.d.comb += [
            Assert(~(dut.done & idle & ~dut.start)),
            Assert(bus.stb == reading),
            Assert(bus.cyc == bus.stb),
            Assert(~bus.we),
            Assert(~(idle & (reading | fetched | operating))),
            Assert(~(operation.valid & (idle | operating))),
            Assert(~(operation.valid & reading) | early),
            Assert(idle | reading | operation.valid | operating),
            Assert(~reading | sends),
            Assert(~operation.valid | (dut.posting == (sends & ~reading))),
            Assert(dut.awaiting == operating),
            Assert(dut.resting == idle),
            Assert(idle | (table.as_value() == dut.suist.as_value())),
            Assert(~operating | ~sends),
            Assert(~(reading & (fetched | operating))),
            Assert(~fetched | (sends & operation.valid)),
            Assert(~dut.rejected | (dut.done & (dut.answer.status != Status.OK))),
            Assert(dut.posted == (operation.valid & operation.ready & sends)),
            Assert(~(reading | fetched) | (table.en & (index < entries))),
        ]
        if Feature.THROTTLE in self._features:
            m.d.comb += Assert(~(reading | fetched) | opened)
        with m.If(reading):
            m.d.comb += Assert(Value.cast(bus.adr) == (base + index)[: len(bus.adr)])
        with m.If(early):
            m.d.comb += self._is_post(operation, found)
        with m.If(operation.valid & sends & ~reading):
            m.d.comb += Assert(fetched)
        with m.If(fetched & (index == watched)):
            m.d.comb += [
                Assert(entry.valid & (entry.vector < VECTORS) & (entry.receiver < self._receivers)),
                *self._is_post(operation, entry),
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
        self._statuses(m, dut, reading, found)
        if dut.cache is not None:
            self._kept(m, dut, watched, known, known_entry, known_table, reading, index)
        m.d.comb += [
            Cover(operation.valid & sends & operation.ready & (payload.receiver != 0)),
            Cover(dut.done & operating),
            Cover(dut.done & (dut.answer.status == Status.BUS)),
            Cover(dut.done & (dut.answer.status == Status.RECEIVER) & reading),
        ]
        if Feature.THROTTLE in self._features:
            m.d.comb += Cover(dut.done & (dut.answer.status == Status.THROTTLED))
        if self._early:
            m.d.comb += [Cover(early & dut.posted), Cover(early & ~dut.posted)]

    def _statuses(self, m: Module, dut: Sender, reading: Any, found: Any) -> None:
        """What is refused, and how; all else is not refused, so a valid SEND posts."""
        entries = Cat(Const(0, _ENTRY_BITS), dut.suist.size)
        closed = ~dut.open if Feature.THROTTLE in self._features else Const(0)
        sends = dut.function == UipiFunction.SEND
        at_once: list[tuple[Any, Status]] = [
            (sends & ~dut.suist.en, Status.DISABLED),
            (sends & (dut.operand >= entries), Status.INDEX),
            (sends & closed, Status.THROTTLED),
            (dut.function > max(UipiFunction), Status.ILLEGAL),
            (~sends & ~dut.suirs.en, Status.DISABLED),
            (~sends & (dut.suirs.index >= self._receivers), Status.RECEIVER),
        ]
        of_entry: list[tuple[Any, Status]] = [
            (dut.bus.err, Status.BUS),
            (~found.valid, Status.INVALID),
            (found.vector >= VECTORS, Status.VECTOR),
            (found.receiver >= self._receivers, Status.RECEIVER),
        ]
        for when, reasons, others in (
            (dut.start, at_once, ~dut.done),
            (reading & (dut.bus.ack | dut.bus.err), of_entry, ~dut.rejected),
        ):
            expected, refused = Signal(Status), Signal()
            for reason, status in reversed(reasons):
                with m.If(reason):
                    m.d.comb += [refused.eq(1), expected.eq(status)]
            with m.If(when & refused):
                m.d.comb += [Assert(dut.done), Assert(dut.answer.status == expected)]
                m.d.comb += Assert(dut.rejected == (sends if when is dut.start else 1))
            with m.Elif(when):
                m.d.comb += [Assert(others), Assert(~dut.done | dut.posted)]

    @staticmethod
    def _is_post(operation: Any, entry: Any) -> list[Any]:
        """The operation that is presented is the post that the entry stands for."""
        return [
            Assert(operation.valid),
            Assert(operation.payload.function == OperationFunction.SEND),
            Assert(operation.payload.receiver == entry.receiver),
            Assert(operation.payload.data == entry.vector),
        ]

    def _kept(
        self, m: Module, dut: Sender, watched: Any, known: Any, entry: Any, table: Any,
        reading: Any, index: Any,
    ) -> None:  # fmt: skip
        """What the cache holds for the watched index is known, good, and of this very table."""
        cache: Any = dut.cache
        entries = Cat(Const(0, _ENTRY_BITS), table.size)
        with m.If(known):
            m.d.comb += [
                Assert(entry.valid & (entry.vector < VECTORS) & (entry.receiver < self._receivers)),
                Assert(table.as_value() == dut.suist.as_value()),
                Assert(table.en & (watched < entries)),
            ]
        for place in range(CACHE_ENTRIES):
            here = cache.entries[place]
            number = Cat(Const(place, _PLACE_BITS), here.tag)
            with m.If(cache.valid[place] & (number == watched)):
                m.d.comb += [
                    Assert(known),
                    Assert(~reading | (index != watched)),  # it would have been found
                    Assert(here.receiver == entry.receiver),
                    Assert(here.vector == entry.vector),
                ]
        forgot = Signal()
        m.d.sync += forgot.eq(dut.invalidate)
        m.d.comb += Assert(~(forgot & cache.hit))  # what the control page relies on
        with m.If(reading):
            m.d.comb += Assert(cache.index == index[:INDEX_BITS])
        used = Signal()
        again = Signal()
        with m.If(dut.start & (dut.operand == watched) & cache.hit & ~dut.done):
            m.d.comb += [used.eq(dut.function == UipiFunction.SEND), Assert(~used | known)]
        with m.If(dut.invalidate & known & Mux(reading, index != watched, 1)):
            m.d.sync += again.eq(1)
        m.d.comb += [Cover(used), Cover(again & used)]

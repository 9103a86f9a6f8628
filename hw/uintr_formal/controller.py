"""Properties of the controller.

Said in words, for every receiver, hart, vector and port at once:

* *conservation*: a pending bit is set exactly by the post of its vector and by write-OR, cleared
  exactly by the read of its word and by slot reset, and changed by nothing else;
* *line*: each line is exactly the OR over the records that the contract defines, one cycle after
  the record was written (latency 2: in that cycle's successor, without a further one); each counter
  is the number of such records;
* *answer*: every operation is answered on its port ``latency`` cycles after it was accepted, with
  the word that its record had, and there is no other answer;
* *quiet*: without operations under way no record and no counter changes.
"""

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Array,
    Assert,
    Assume,
    Cat,
    ClockDomain,
    Const,
    Cover,
    Elaboratable,
    Module,
    Mux,
    Signal,
    Value,
)

from uintr.controller import Controller, Inside
from uintr.interfaces import OPERATION, OperationFunction
from uintr.registers import VECTORS, Feature

__all__ = ["ControllerSpec", "Observed"]


class Observed(Controller):
    """The controller with all its records in sight."""

    def __init__(self, **shape: Any) -> None:
        super().__init__(**shape)
        self.receivers: int = shape["receivers"]
        self.record = self._record
        self.seen = [
            Signal(self._record.shape, name=f"seen_{number}") for number in range(self.receivers)
        ]
        self.inside: Inside

    def _observe(self, m: Module, inside: Inside) -> None:
        self.inside = inside
        for number, seen in enumerate(self.seen):
            port = inside.records.read_port(domain="comb")
            m.d.comb += [port.addr.eq(number), seen.eq(port.data)]


class ControllerSpec(Elaboratable):
    """All properties of one shape.

    Parameters
    ----------
    dut : the controller
    harts, latency, features : its shape

    Members
    -------
    domain : the clock domain; there is no reset but the initial state
    """

    def __init__(self, dut: Observed, *, harts: int, latency: int, features: Feature) -> None:
        self.domain = ClockDomain("sync", reset_less=True)
        self._dut = dut
        self._harts = harts
        self._latency = latency
        self._features = features

    def elaborate(self, platform: Any) -> Module:
        """Environment, shadow state, assertions."""
        m = Module()
        m.domains.sync = self.domain
        # Elaborated here and now, so that its inside can be spoken of.
        m.submodules.dut = self._dut.elaborate(platform)
        self._environment(m)
        self._records(m)
        self._answers(m)
        return m

    def _environment(self, m: Module) -> None:
        """Streams keep what they present, and present only what there is."""
        dut = self._dut
        allowed = [OperationFunction(number) for number in range(7)]
        allowed += [OperationFunction.RESET_SLOT] * (Feature.SLOT_RESET in self._features)
        if Feature.MASK in self._features:
            allowed += [OperationFunction.READ_MASK, OperationFunction.WRITE_MASK]
        allowed += [OperationFunction.CLAIM] * (Feature.NOTIFY in self._features)
        m.d.comb += dut.notify_hart.eq(AnySeq(len(dut.notify_hart)))
        for port in dut.ports:
            operation = port.operation
            m.d.comb += [
                operation.valid.eq(AnySeq(1)),
                operation.payload.as_value().eq(AnySeq(OPERATION.size)),
            ]
            payload = Signal(OPERATION)
            held = Signal()
            m.d.sync += [payload.eq(operation.payload), held.eq(operation.valid & ~operation.ready)]
            m.d.comb += [
                Assume(operation.payload.receiver < dut.receivers),
                Assume(Value.cast(operation.payload.function).matches(*allowed)),
            ]
            with m.If(held):
                m.d.comb += [
                    Assume(operation.valid),
                    Assume(operation.payload.as_value() == payload.as_value()),
                ]

    def _records(self, m: Module) -> None:
        dut, seen = self._dut, self._dut.seen
        inside = dut.inside
        clean = [
            inside.swept | (Const(number, 16) < inside.sweep) for number in range(dut.receivers)
        ]
        # Conservation, of a symbolic bit of a symbolic receiver.
        receiver = AnyConst(range(max(2, dut.receivers)))
        vector = AnyConst(range(VECTORS))
        m.d.comb += Assume(receiver < dut.receivers)
        word = Array(record.pending for record in seen)[receiver]
        bit = word.bit_select(vector, 1)
        expected = Signal()
        function, data = Value.cast(inside.operation.function), inside.operation.data
        mine = inside.executing & (inside.operation.receiver == receiver)
        posted = (function == OperationFunction.SEND) & (data == vector)
        written = (function == OperationFunction.WRITE_HIGH) & data.bit_select(vector, 1)
        cleared = function.matches(OperationFunction.READ_HIGH, OperationFunction.RESET_SLOT)
        with m.If(mine & (posted | written)):
            m.d.sync += expected.eq(1)
        with m.Elif(mine & cleared):
            m.d.sync += expected.eq(0)
        with m.If(Array(clean)[receiver]):
            m.d.comb += Assert(bit == expected)
        with m.Else():
            m.d.comb += Assert(~expected)
        m.d.comb += Cover(Array(clean)[receiver] & expected & (vector == VECTORS - 1))

        # What the counters rest on.
        m.d.comb += [
            Assert(~inside.executing | inside.swept),
            Assert(~inside.executing | (inside.operation.receiver < dut.receivers)),
        ]
        with m.If(inside.executing):
            current = Array(record.as_value() for record in seen)[inside.operation.receiver]
            m.d.comb += Assert(Value.cast(inside.before) == current)
        for record, known in zip(seen, clean, strict=True):
            unmasked = record.pending & ~(record.mask if dut.record.mask else 0)
            with m.If(known):
                m.d.comb += [
                    Assert(record.wants == unmasked.any()),
                    Assert(record.hartid <= self._harts),
                ]
        self._lines(m, clean)

    def _raises(self, record: Any, hart: int, supervisor: bool) -> Any:
        """The contract's words for it, not the design's."""
        unmasked = record.pending & ~(record.mask if self._dut.record.mask else 0)
        kind = record.supervisor if self._dut.record.supervisor else Const(0, 1)
        return unmasked.any() & record.active & (record.hartid == hart) & (kind == supervisor)

    def _lines(self, m: Module, clean: list[Any]) -> None:
        dut = self._dut
        inside = dut.inside
        kinds = [(False, dut.line)]
        if dut.record.supervisor:
            kinds.append((True, dut.supervisor_line))
        place = 0
        for supervisor, line in kinds:
            for hart in range(self._harts):
                raises = [
                    known & self._raises(record, hart, supervisor)
                    for record, known in zip(dut.seen, clean, strict=True)
                ]
                total = sum((Cat(each, Const(0, 8)) for each in raises), Const(0, 8))
                count = inside.counters.counts[place]
                if self._latency == 2:
                    m.d.comb += Assert(count == total)
                    due = Cat(*raises).any()
                else:
                    join, leave = inside.counters.join[place], inside.counters.leave[place]
                    m.d.comb += [
                        Assert(count + join == total + leave),
                        Assert(~(join & leave)),
                    ]
                    due = Signal(name=f"due_{place}")
                    m.d.sync += due.eq(Cat(*raises).any())
                if not (supervisor and dut.record.notify):
                    m.d.comb += Assert(line[hart] == due)
                m.d.comb += Cover(line[hart])
                place += 1

        # Quiet: with nothing under way, nothing changes.
        state = Cat(*(record.as_value() for record in dut.seen), *inside.counters.counts)
        before = Signal(len(state))
        was_idle = Signal()
        m.d.sync += [before.eq(state), was_idle.eq(dut.idle)]
        with m.If(was_idle):
            m.d.comb += Assert(before == state)

    def _answers(self, m: Module) -> None:
        """Exactly one answer, in exactly ``latency`` cycles."""
        dut = self._dut
        for number, port in enumerate(dut.ports):
            due: Any = port.operation.valid & port.operation.ready
            for stage in range(self._latency):
                later = Signal(name=f"answer_due_{number}_{stage}")
                m.d.sync += later.eq(due)
                due = later
            m.d.comb += Assert(port.response.valid == due)
            m.d.comb += Cover(port.response.valid & port.response.payload.any())
        m.d.comb += Assert(
            sum((Mux(port.operation.ready, 1, 0) for port in dut.ports), Const(0, 8)) <= 1
        )

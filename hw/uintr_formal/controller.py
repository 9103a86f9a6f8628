"""Properties of the controller.

Said in words, for every receiver, hart, vector and port at once:

* *conservation*: the record of a symbolic receiver is at every moment what the contract makes of
  the operations for it, in the order of their acceptance: all 64 pending bits, so none is lost or
  invented in any interleaving of posts, reads that clear, write-ORs, slot resets and mask changes;
  after a slot reset nothing of the former owner is left;
* *line*: a line is exactly the OR over the records that the contract defines, in the cycle in which
  the operation is answered: then the old hart's line no longer contains a receiver that moved;
* *counter*: together with what is about to be counted it is the number of such receivers;
* *answer*: every operation is answered on its port ``latency`` cycles after it was accepted, with
  what the contract says of the record, and there is no other answer;
* *notification*: exactly one for each time that an absent receiver begins to have something
  unmasked; it stands in the ring of the claim queue exactly once until it is claimed, and the ring
  holds nothing else and never more than there are receivers;
* *quiet*: when the controller is idle and nothing is asked, no record, counter, pointer or stage
  changes.

What the records' memory reads from a place that is being written is anything: so nothing rests on
it. The records may hold anything before they are cleared. The arbiter may choose any port that
asks; that it does choose one, and fairly, is proven of it alone.
"""

from itertools import pairwise
from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Array,
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

from uintr.interfaces import OPERATION, OperationFunction
from uintr.registers import Feature
from uintr_formal.observed import Due, Observed
from uintr_formal.record_model import model_record
from uintr_formal.specification import Specification

__all__ = ["ControllerSpec"]


class ControllerSpec(Specification):
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
        super().__init__()
        self._dut = dut
        self._harts = harts
        self._latency = latency
        self._features = features

    def specify(self, m: Module) -> None:
        """Environment, model, assertions."""
        # Elaborated here and now, so that its inside can be spoken of.
        m.submodules.dut = self._dut.elaborate(None)
        inside = self._dut.inside
        clean = [
            inside.swept | (Const(number, 17) < inside.sweep)
            for number in range(self._dut.receivers)
        ]
        self._environment(m)
        due = self._under_way(m)
        self._sweep(m)
        self._records(m, due[-1], clean)
        model_record(m, self._dut, due[-1], clean, self._harts)
        self._lines(m, clean)
        if inside.queue is not None:
            self._queue(m, clean)
        self._quiet(m)

    def _allowed(self, operation: Any) -> Value:
        """There is such an operation, with these features."""
        functions = [OperationFunction(number) for number in range(7)]
        functions += [OperationFunction.RESET_SLOT] * (Feature.SLOT_RESET in self._features)
        if Feature.MASK in self._features:
            functions += [OperationFunction.READ_MASK, OperationFunction.WRITE_MASK]
        functions += [OperationFunction.CLAIM] * (Feature.NOTIFY in self._features)
        return Value.cast(operation.function).matches(*functions)

    def _environment(self, m: Module) -> None:
        """Streams keep what they present, and present only what there is."""
        dut = self._dut
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
                Assume(self._allowed(operation.payload)),
                Cover(held & operation.ready),
            ]
            with m.If(held):
                m.d.comb += [
                    Assume(operation.valid),
                    Assume(operation.payload.as_value() == payload.as_value()),
                ]

    def _under_way(self, m: Module) -> list[Due]:
        """What was accepted, a cycle a stage up to the one that writes back; and the answers."""
        dut, inside = self._dut, self._dut.inside
        due = [
            Due(
                Signal(name=f"due_{stage}"),
                Signal(len(dut.ports), name=f"due_{stage}_port"),
                Signal(OPERATION, name=f"due_{stage}_operation"),
                Signal(name=f"due_{stage}_empty"),
            )
            for stage in range(self._latency)
        ]
        for number, port in enumerate(dut.ports):
            with m.If(port.operation.valid & port.operation.ready):
                m.d.comb += [
                    due[0].valid.eq(1),
                    due[0].port.eq(1 << number),
                    due[0].operation.eq(port.operation.payload),
                ]
        m.d.comb += Assert(
            sum((Mux(port.operation.ready, 1, 0) for port in dut.ports), Const(0, 8)) <= 1
        )
        addressed = 1 if self._latency == 4 else 0
        for step, (this, after) in enumerate(pairwise(due)):
            m.d.sync += [
                after.valid.eq(this.valid),
                after.port.eq(this.port),
                after.operation.eq(this.operation),
                after.empty.eq(this.empty),
            ]
            if step == addressed and inside.queue is not None:
                claims = this.operation.function == OperationFunction.CLAIM
                m.d.sync += after.empty.eq(claims & ~inside.queue.valid)
                with m.If(claims):
                    m.d.sync += after.operation.receiver.eq(inside.queue.head)

        for this in due[1:]:
            with m.If(this.valid):
                m.d.comb += [
                    Assert(self._allowed(this.operation)),
                    Assert(this.port.any() & ~(this.port & (this.port - 1)).any()),
                ]

        # The pipeline holds the same.
        decoded = [(inside.addressing, due[addressed]), (inside.fetching, due[addressed + 1])]
        for stage, this in decoded:
            claims = this.operation.function == OperationFunction.CLAIM
            chosen = claims if stage is inside.addressing else Const(0, 1)
            with m.If(this.valid):
                m.d.comb += [
                    Assert(Value.cast(stage.what.function) == Value.cast(this.operation.function)),
                    Assert(stage.what.data == this.operation.data),
                    Assert(chosen | (stage.receiver == this.operation.receiver)),
                ]
        with m.If(due[-1].valid):
            m.d.comb += Assert(inside.executing.receiver == due[-1].operation.receiver)
        for stage, this in (*decoded, (inside.executing, due[-1])):
            m.d.comb += Assert(stage.valid == this.valid)
            with m.If(this.valid):
                m.d.comb += Assert(stage.port == this.port)

        # Exactly one answer, in its cycle, on its port.
        answered = Signal(len(dut.ports))
        m.d.sync += answered.eq(Mux(due[-1].valid, due[-1].port, 0))
        for number, port in enumerate(dut.ports):
            m.d.comb += [
                Assert(port.response.valid == answered[number]),
                Cover(port.response.valid & port.response.payload.any()),
            ]
        return due

    def _sweep(self, m: Module) -> None:
        """While the records are cleared nothing is under way."""
        dut, inside = self._dut, self._dut.inside
        stages = (inside.addressing, inside.fetching, inside.executing)
        m.d.comb += Assert(inside.sweep < dut.receivers)
        with m.If(~inside.swept):
            m.d.comb += [
                Assert(~Cat(stage.valid for stage in stages).any()),
                Assert(Value.cast(inside.after) == 0),
            ]
            if self._latency > 2:
                erases = dut.record.change.const(dut.record.erases()).as_value()
                m.d.comb += Assert(Value.cast(inside.executing.what) == erases)
            if inside.queue is not None:
                m.d.comb += Assert(inside.queue.first == inside.queue.last)

    def _unmasked(self, record: Any) -> Any:
        return record.pending & ~(record.mask if self._dut.record.mask else 0)

    def _records(self, m: Module, due: Due, clean: list[Any]) -> None:
        """What an operation sees is what was written last; what a record says of itself is true."""
        dut, inside = self._dut, self._dut.inside
        receiver = due.operation.receiver
        current = Signal(dut.record.shape, name="current")
        m.d.comb += current.eq(Array(record.as_value() for record in dut.seen)[receiver])
        with m.If(due.valid & (receiver < dut.receivers)):
            m.d.comb += Assert(Value.cast(inside.before) == current.as_value())
        with m.If(due.valid):
            m.d.comb += Assert((receiver < dut.receivers) | due.empty)
        m.d.comb += Cover(dut.collided & inside.fetching.valid & current.pending.any())
        if self._latency > 2 and not self._features:
            # With extensions the solver takes longer with it than with more steps without.
            self._between(m, due)
        for record, known in zip(dut.seen, clean, strict=True):
            with m.If(known):
                m.d.comb += [
                    Assert(record.wants == self._unmasked(record).any()),
                    Assert(record.hartid <= self._harts),
                ]

    def _between(self, m: Module, due: Due) -> None:
        """What the stages hold between reading and changing: so that few steps of induction do."""
        dut, inside = self._dut, self._dut.inside
        fetching, executing = inside.fetching, inside.executing
        # What was decoded belongs to the operation.
        ahead, change = Signal(dut.record.ahead), Signal(dut.record.change)
        dut.record.look_ahead(m, due.operation.data, ahead)
        dut.record.decode(m, due.operation, ahead, change)
        with m.If(due.valid & due.empty):
            m.d.comb += change.eq(dut.record.change.const(dut.record.keeps_all()))
        with m.If(due.valid):
            m.d.comb += Assert(Value.cast(executing.what) == change.as_value())
        # What was read, or else was written last, is the record, unless it is being changed.
        was_valid, was_receiver = Signal(), Signal.like(executing.receiver)
        was = Signal.like(inside.after)
        m.d.sync += [
            was_valid.eq(executing.valid),
            was_receiver.eq(executing.receiver),
            was.eq(inside.after),
        ]
        fetched = Signal.like(inside.after)
        with m.If(was_valid & (was_receiver == fetching.receiver)):
            m.d.comb += fetched.eq(was)
        with m.Else():
            m.d.comb += fetched.eq(dut.read)
        changing = executing.valid & (executing.receiver == fetching.receiver)
        with m.If(fetching.valid & ~changing & (fetching.receiver < dut.receivers)):
            m.d.comb += Assert(
                fetched.as_value()
                == Array(record.as_value() for record in dut.seen)[fetching.receiver]
            )

    def _raises(self, record: Any, hart: int, supervisor: bool) -> Any:
        """The contract's words for it, not the design's."""
        kind = record.supervisor if self._dut.record.supervisor else Const(0, 1)
        return (
            self._unmasked(record).any()
            & record.active
            & (record.hartid == hart)
            & (kind == supervisor)
        )

    def _lines(self, m: Module, clean: list[Any]) -> None:
        dut = self._dut
        counters = dut.inside.counters
        kinds = [(False, dut.line)]
        if dut.record.supervisor:
            kinds.append((True, dut.supervisor_line))
        told: Any = Const(0, 1)
        if dut.record.notify:
            told = Cat(
                known & record.queued for record, known in zip(dut.seen, clean, strict=True)
            ).any()
        place = 0
        for supervisor, line in kinds:
            for hart in range(self._harts):
                # What is counted is the design's word, which for each receiver is the contract's:
                # a solver need not look through the contract in order to count.
                raises = []
                for record, known in zip(dut.seen, clean, strict=True):
                    contributes = known & dut.record.contributes(
                        record, hart, supervisor=supervisor
                    )
                    raises.append(contributes)
                    m.d.comb += Assert(
                        contributes == (known & self._raises(record, hart, supervisor))
                    )
                self._count(m, place, raises)
                due = Cat(*raises).any()
                if supervisor:
                    due |= told & (dut.notify_hart == hart)
                m.d.comb += [Assert(line[hart] == due), Cover(line[hart])]
                place += 1
        if dut.record.notify:
            waiting = [known & record.queued for record, known in zip(dut.seen, clean, strict=True)]
            self._count(m, place, waiting)
        m.d.comb += Assert((counters.leaving & counters.joining) == 0)
        if not dut.record.supervisor and not dut.record.notify:
            m.d.comb += Assert(dut.supervisor_line == 0)

    def _count(self, m: Module, place: int, raises: list[Any]) -> None:
        counters = self._dut.inside.counters
        total = sum((Cat(each, Const(0, 8)) for each in raises), Const(0, 8))
        m.d.comb += Assert(
            counters.counts[place] + counters.joining[place] == total + counters.leaving[place]
        )

    def _queue(self, m: Module, clean: list[Any]) -> None:
        """A receiver is listed exactly when it stands in the ring or its claim is under way."""
        dut, inside = self._dut, self._dut.inside
        queue = inside.queue
        assert queue is not None
        bits = len(queue.first)
        stands = Signal(bits)
        m.d.comb += stands.eq(queue.last - queue.first)
        taken = []
        for place in range(len(dut.ring)):
            ahead = Signal(bits - 1, name=f"ahead_{place}")
            m.d.comb += ahead.eq(place - queue.first)
            taken.append(ahead < stands)
        due = [(inside.fetching.valid, inside.fetching.what.function == OperationFunction.CLAIM,
                inside.fetching.receiver)]  # fmt: skip
        if self._latency > 2:
            due.append((inside.executing.valid, inside.executing.what.claims,
                        inside.executing.receiver))  # fmt: skip
        empty = Signal()
        m.d.sync += empty.eq(~queue.valid)  # what the claim found that is fetching now
        m.d.comb += [
            Assert(stands <= dut.receivers),
            Assert((stands == 0) | (queue.head == Array(dut.ring)[queue.first[:-1]])),
            Cover(stands == 2),
        ]
        for used, number in zip(taken, dut.ring, strict=True):
            m.d.comb += Assert(~used | (number < dut.receivers))
        for receiver, (record, known) in enumerate(zip(dut.seen, clean, strict=True)):
            places = [
                *(
                    used & (number == receiver)
                    for used, number in zip(taken, dut.ring, strict=True)
                ),
                due[0][0] & due[0][1] & ~empty & (due[0][2] == receiver),
                *(valid & claims & (number == receiver) for valid, claims, number in due[1:]),
            ]
            total = sum((Cat(each, Const(0, 8)) for each in places), Const(0, 8))
            m.d.comb += [
                Assert(total == (known & record.listed)),
                Assert(~(known & record.queued) | record.listed),
            ]

    def _quiet(self, m: Module) -> None:
        """With nothing under way and nothing asked, nothing changes."""
        dut, inside = self._dut, self._dut.inside
        parts = [record.as_value() for record in dut.seen]
        parts += [*inside.counters.counts, inside.counters.leaving, inside.counters.joining]
        for stage in (inside.fetching, inside.executing):
            parts += [stage.valid, stage.port, stage.receiver, Value.cast(stage.what)]
        parts += [Value.cast(inside.before), Value.cast(inside.after)]
        parts += [inside.swept, inside.sweep, dut.idle, dut.line]
        if inside.queue is not None:
            parts += [inside.queue.first, inside.queue.last, inside.queue.head, *dut.ring]
        state = Cat(*parts)
        before = Signal(len(state))
        was_idle = Signal()
        asked = Cat(port.operation.valid for port in dut.ports).any()
        m.d.sync += [before.eq(state), was_idle.eq(dut.idle & ~asked)]
        with m.If(was_idle):
            m.d.comb += Assert(before == state)
        m.d.comb += Cover(was_idle & dut.line.any())

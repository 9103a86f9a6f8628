"""What the contract makes of operations for one receiver, beside the controller that does it."""

from typing import Any

from amaranth.asserts import AnyConst
from amaranth.hdl import (
    Array,
    Assert,
    Assume,
    Cover,
    Module,
    Mux,
    Signal,
    Value,
)
from amaranth.lib import data

from uintr.interfaces import OperationFunction, layout
from uintr.record import CLAIM_STALE
from uintr.registers import ACTIVE, CLAIM, LOW, VECTORS, XLEN
from uintr_formal.observed import Due, Observed

__all__ = ["model_record"]


def model_record(m: Module, dut: Observed, due: Due, clean: list[Any], harts: int) -> None:
    """The record of one symbolic receiver, as the contract has it, and its answers.

    Parameters
    ----------
    due : the operation that writes back
    clean : of each receiver, whether its record has been cleared
    """
    parts = dut.record
    mine = AnyConst(range(max(2, dut.receivers)))
    m.d.comb += Assume(mine < dut.receivers)
    stored = Signal(parts.shape, name="stored")
    m.d.comb += stored.eq(Array(record.as_value() for record in dut.seen)[mine])

    low = Signal(layout(LOW), name="model_low")
    pending = Signal(VECTORS, name="model_pending")
    mask = Signal(VECTORS, name="model_mask")
    queued = Signal(name="model_queued")
    fields = [("active", low.active), ("pending", pending)]
    fields += [(name, getattr(low, name)) for name in ("mode", "hartid")]
    fields += [("supervisor", low.supervisor)] * parts.supervisor
    fields += [("notify", low.notify)] * parts.notify
    fields += [("mask", mask)] * parts.mask + [("queued", queued)] * parts.notify
    # The model has nothing beside what is stored.
    known = Signal(layout(LOW), name="known_low")
    m.d.comb += [
        getattr(known, name).eq(value)
        for name, value in fields
        if name not in ("pending", "mask", "queued")
    ]
    m.d.comb += Assert(known.as_value() == low.as_value())
    for extension, value in ((parts.mask, mask), (parts.notify, queued)):
        if not extension:
            m.d.comb += Assert(value == 0)
    for name, value in fields:
        with m.If(Array(clean)[mine]):
            m.d.comb += Assert(getattr(stored, name) == value)
        with m.Else():
            m.d.comb += Assert(value == 0)

    function, word = due.operation.function, due.operation.data
    turn = due.valid & ~due.empty & (due.operation.receiver == mine)
    next_low = Signal(layout(LOW), name="next_low")
    next_pending = Signal(VECTORS, name="next_pending")
    next_mask = Signal(VECTORS, name="next_mask")
    next_queued = Signal(name="next_queued")
    answer = Signal(XLEN, name="model_answer")
    written = data.View(layout(LOW), word)
    claim = Signal(layout(CLAIM), name="model_claim")
    absent = Signal()
    m.d.comb += [
        next_low.eq(low),
        next_pending.eq(pending),
        next_mask.eq(mask),
        next_queued.eq(queued),
        claim.valid.eq(1),
        claim.receiver.eq(mine),
    ]
    with m.Switch(Value.cast(function)):
        with m.Case(OperationFunction.SEND), m.If(word < VECTORS):
            m.d.comb += next_pending.eq(pending | (1 << word[:6]))
        with m.Case(OperationFunction.READ_LOW):
            m.d.comb += answer.eq(low)
        with m.Case(OperationFunction.WRITE_LOW):
            m.d.comb += [next_low.active.eq(written.active), next_low.mode.eq(written.mode)]
            m.d.comb += next_low.hartid.eq(Mux(written.hartid < harts, written.hartid, harts))
            if parts.supervisor:
                m.d.comb += next_low.supervisor.eq(written.supervisor)
            if parts.notify:
                m.d.comb += next_low.notify.eq(written.notify)
        with m.Case(OperationFunction.READ_HIGH):
            m.d.comb += [answer.eq(pending), next_pending.eq(0)]
        with m.Case(OperationFunction.WRITE_HIGH):
            m.d.comb += next_pending.eq(pending | word)
        with m.Case(OperationFunction.READ_ACTIVE):
            m.d.comb += answer.eq(low.active)
        with m.Case(OperationFunction.WRITE_ACTIVE):
            m.d.comb += next_low.active.eq(data.View(layout(ACTIVE), word).active)
        with m.Case(OperationFunction.RESET_SLOT):
            m.d.comb += [
                next_low.eq(0), next_pending.eq(0), next_mask.eq(0), next_queued.eq(0)
            ]  # fmt: skip
        with m.Case(OperationFunction.READ_MASK):
            m.d.comb += answer.eq(mask)
        with m.Case(OperationFunction.WRITE_MASK):
            m.d.comb += next_mask.eq(word)
        with m.Case(OperationFunction.CLAIM):
            m.d.comb += [
                answer.eq(Mux(queued, claim.as_value(), 1 << CLAIM_STALE)),
                next_queued.eq(0),
            ]
    m.d.comb += absent.eq(
        ~(pending & ~mask).any()
        & (next_pending & ~next_mask).any()
        & next_low.notify
        & ~next_low.active
    )
    with m.If(turn):
        m.d.sync += [
            low.eq(next_low),
            pending.eq(next_pending),
            mask.eq(next_mask),
            queued.eq(next_queued | absent),
        ]
    expected = Signal(XLEN)
    answered, nothing = Signal(), Signal()
    m.d.sync += [
        expected.eq(answer),
        answered.eq(turn),
        nothing.eq(due.valid & due.empty),
    ]
    with m.If(answered | nothing):
        m.d.comb += Assert(dut.ports[0].response.payload == Mux(nothing, 0, expected))
    m.d.comb += [
        Cover(turn & next_pending[VECTORS - 1] & Array(clean)[mine]),
        Cover(turn & (function == OperationFunction.READ_HIGH) & answer.any()),
        Cover(turn & (low.hartid != next_low.hartid) & pending.any() & low.active),
    ]
    if parts.notify:
        m.d.comb += [
            Cover(answered & expected[XLEN - 1]),
            Cover(answered & expected[CLAIM_STALE]),
            Cover(nothing),
        ]
    if parts.mask:
        m.d.comb += Cover(turn & (pending & mask).any() & (next_mask != mask))

"""A receiver's record: its fields, and what each operation makes of it."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data

from uintr.interfaces import OperationFunction, layout
from uintr.registers import ACTIVE, CLAIM, HIGH, LOW, MASK, VECTORS, Feature

__all__ = ["CLAIM_STALE", "Decoder", "Record"]

CLAIM_STALE = 62
"""Bit of a CLAIM operation's answer: the slot was reset since it was queued, so ask again."""


class Decoder:
    """What an operation means for a pending word, known before the record is.

    Parameters
    ----------
    m : module to add to
    operation : a signal of `OPERATION`

    Members
    -------
    bits : bits that are or-ed into the pending word
    some : there are such bits
    """

    def __init__(self, m: Module, operation: Any, *, suffix: str = "") -> None:
        self.bits = Signal(VECTORS, name=f"bits{suffix}")
        self.some = Signal(name=f"some{suffix}")
        number_bits = (VECTORS - 1).bit_length()
        half = number_bits // 2
        high = Signal(VECTORS >> half, name=f"vector_high{suffix}")
        low = Signal(1 << half, name=f"vector_low{suffix}")
        is_send = operation.function == OperationFunction.SEND
        is_or = Signal(name=f"is_or{suffix}")
        exists = is_send & ~operation.data[number_bits:].any()
        m.d.comb += [
            is_or.eq(operation.function == OperationFunction.WRITE_HIGH),
            high.eq(Mux(exists, 1 << operation.data[half:number_bits], 0)),
            low.eq(1 << operation.data[:half]),
            self.some.eq(exists | (is_or & operation.data.any())),
        ]
        for vector in range(VECTORS):
            posted = high[vector >> half] & low[vector & (1 << half) - 1]
            m.d.comb += self.bits[vector].eq(posted | (is_or & operation.data[vector]))


class Record:
    """Shape of a record, and its changes.

    Fields: ``pending``; ``wants``, high exactly when some pending bit is not masked; ``active``,
    ``mode``, ``hartid`` as in LOW; and with their features ``supervisor``, ``mask``, ``notify``,
    ``queued`` (the receiver's notification waits to be claimed) and ``listed`` (its number stands
    in the ring of the queue; stays when a slot reset takes ``queued`` away, so that a receiver
    never stands there twice).

    Parameters
    ----------
    harts : number of harts; also the value of ``hartid`` that stands for every other one
    features : extensions
    """

    def __init__(self, *, harts: int, features: Feature) -> None:
        self._harts = harts
        self.supervisor = Feature.SUPERVISOR in features
        self.mask = Feature.MASK in features
        self.notify = Feature.NOTIFY in features
        self.slot_reset = Feature.SLOT_RESET in features
        fields: dict[str, Any] = {
            "pending": VECTORS,
            "wants": 1,
            "active": 1,
            "mode": 1,
            **({"supervisor": 1} if self.supervisor else {}),
            **({"notify": 1, "queued": 1, "listed": 1} if self.notify else {}),
            "hartid": range(harts + 1),
            **({"mask": VECTORS} if self.mask else {}),
        }
        self._names = tuple(fields)
        self.shape = data.StructLayout(fields)

    def contributes(self, record: Any, hart: int, *, supervisor: bool) -> Any:
        """The record raises that line of that hart."""
        kind = record.supervisor if self.supervisor else Const(0, 1)
        return record.wants & record.active & (record.hartid == hart) & (kind == supervisor)

    def execute(
        self, m: Module, operation: Any, bits: Any, some: Any, before: Any, after: Any, answer: Any
    ) -> None:
        """What ``operation`` makes of ``before``, and what it answers. ``bits`` and ``some`` are
        those of the operation's `Decoder`.
        """
        low = data.View(layout(LOW), operation.data)
        clear = Signal()
        erase = Signal()
        # The new fields, each a signal of its own: what one needs of another is no loop then.
        new = {name: Signal.like(getattr(before, name), name=f"new_{name}") for name in self._names}
        m.d.comb += [signal.eq(getattr(before, name)) for name, signal in new.items()]
        m.d.comb += [
            clear.eq(operation.function == OperationFunction.READ_HIGH),
            new["pending"].eq(Mux(clear, 0, before.pending) | bits),
        ]

        with m.Switch(operation.function):
            with m.Case(OperationFunction.WRITE_LOW):
                m.d.comb += [
                    new["active"].eq(low.active),
                    new["mode"].eq(low.mode),
                    new["hartid"].eq(Mux(self._exists(low.hartid), low.hartid, self._harts)),
                ]
                if self.supervisor:
                    m.d.comb += new["supervisor"].eq(low.supervisor)
                if self.notify:
                    m.d.comb += new["notify"].eq(low.notify)
            with m.Case(OperationFunction.WRITE_ACTIVE):
                m.d.comb += new["active"].eq(data.View(layout(ACTIVE), operation.data).active)
            if self.mask:
                with m.Case(OperationFunction.WRITE_MASK):
                    m.d.comb += new["mask"].eq(data.View(layout(MASK), operation.data).vectors)
            if self.slot_reset:
                with m.Case(OperationFunction.RESET_SLOT):
                    m.d.comb += erase.eq(1)

        if self.mask:
            m.d.comb += new["wants"].eq((new["pending"] & ~new["mask"]).any())
        else:
            m.d.comb += new["wants"].eq((before.wants & ~clear) | some)
        if self.notify:
            with m.If(operation.function == OperationFunction.CLAIM):
                m.d.comb += [new["queued"].eq(0), new["listed"].eq(0)]
            with m.Elif(new["wants"] & ~before.wants & new["notify"] & ~new["active"]):
                m.d.comb += [new["queued"].eq(1), new["listed"].eq(1)]

        for name, signal in new.items():
            kept = name == "listed"
            m.d.comb += getattr(after, name).eq(signal if kept else Mux(erase, 0, signal))

        self._answer(m, operation, before, answer)

    def _exists(self, hartid: Any) -> Any:
        """``hartid`` is below the number of harts; without a comparison of all its bits."""
        bits = (self._harts - 1).bit_length()
        exists = ~hartid[bits:].any()
        return exists if self._harts == 1 << bits else exists & (hartid[:bits] < self._harts)

    def _answer(self, m: Module, operation: Any, before: Any, answer: Any) -> None:
        low = data.View(layout(LOW), answer)
        with m.Switch(operation.function):
            with m.Case(OperationFunction.READ_HIGH):
                m.d.comb += data.View(layout(HIGH), answer).pending.eq(before.pending)
            with m.Case(OperationFunction.READ_LOW):
                m.d.comb += [
                    low.active.eq(before.active),
                    low.mode.eq(before.mode),
                    low.hartid.eq(before.hartid),
                ]
                if self.supervisor:
                    m.d.comb += low.supervisor.eq(before.supervisor)
                if self.notify:
                    m.d.comb += low.notify.eq(before.notify)
            with m.Case(OperationFunction.READ_ACTIVE):
                m.d.comb += data.View(layout(ACTIVE), answer).active.eq(before.active)
            if self.mask:
                with m.Case(OperationFunction.READ_MASK):
                    m.d.comb += data.View(layout(MASK), answer).vectors.eq(before.mask)
            if self.notify:
                with m.Case(OperationFunction.CLAIM):
                    claim = data.View(layout(CLAIM), answer)
                    with m.If(before.queued):
                        m.d.comb += [
                            claim.valid.eq(1),
                            claim.receiver.eq(operation.receiver),
                        ]
                    with m.Else():
                        m.d.comb += answer[CLAIM_STALE].eq(1)

"""A receiver's record: its fields, and what each operation makes of it."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data

from uintr.compare import below
from uintr.interfaces import OperationFunction, layout
from uintr.registers import ACTIVE, CLAIM, LOW, MASK, VECTORS, XLEN, Feature

__all__ = ["CLAIM_STALE", "Record"]

CLAIM_STALE = 62
"""Bit of a CLAIM operation's answer: the slot was reset since it was queued, so ask again."""


_NUMBER_BITS = (VECTORS - 1).bit_length()
_STRIDE = 16
"""So many bits of an operation's data are looked at together, ahead of decoding."""


class Record:
    """Shape of a record, and its changes.

    Fields: ``pending``; ``wants``, high exactly when some pending bit is not masked; ``active``,
    ``mode``, ``hartid`` as in LOW; and with their features ``supervisor``, ``mask``, ``notify``,
    ``queued`` (the receiver's notification waits to be claimed) and ``listed`` (its number stands
    in the ring of the queue; stays when a slot reset takes ``queued`` away, so that a receiver
    never stands there twice).

    An operation is decoded before the record is there, into a *change*: of each field, whether it
    is kept, and what is or-ed into it then. So a bit of the record passes one AND and one OR.

    Parameters
    ----------
    harts : number of harts; also the value of ``hartid`` that stands for every other one
    features : extensions

    Members
    -------
    shape : layout of a record
    change : layout of a change: ``bits`` that are set in the pending word, whether there are
        ``some``, the pending word is cleared (``clear``; then there are none); other fields of
        ``low`` and ``mask`` are set; ``keeps_*``: the field stays; ``answers_*``: it is answered
    ahead : layout of what is known of the data before: some bit is ``above`` those of a vector's
        number; the hart ``exists``
    """

    def __init__(self, *, harts: int, features: Feature) -> None:
        self._harts = harts
        self.supervisor = Feature.SUPERVISOR in features
        self.mask = Feature.MASK in features
        self.notify = Feature.NOTIFY in features
        self.slot_reset = Feature.SLOT_RESET in features
        low: dict[str, Any] = {
            "mode": 1,
            **({"supervisor": 1} if self.supervisor else {}),
            **({"notify": 1} if self.notify else {}),
            "hartid": range(harts + 1),
        }
        self._low = tuple(low)
        self.shape = data.StructLayout(
            {
                "pending": VECTORS,
                "wants": 1,
                "active": 1,
                **low,
                **({"queued": 1, "listed": 1} if self.notify else {}),
                **({"mask": VECTORS} if self.mask else {}),
            }
        )
        flags = ["some", "clears", "keeps_low", "keeps_active", "answers_pending", "answers_low",
                 "answers_active"]  # fmt: skip
        flags += ["keeps_mask", "answers_mask"] * self.mask
        flags += ["keeps_queued", "keeps_listed", "claims"] * self.notify
        self.change = data.StructLayout(
            {
                "bits": VECTORS,
                **dict.fromkeys(flags, 1),
                "active": 1,
                **low,
                **({"mask": VECTORS} if self.mask else {}),
            }
        )

        self.ahead = data.StructLayout({"above": -(-(XLEN - _NUMBER_BITS) // _STRIDE), "exists": 1})

    def erases(self) -> dict[str, int]:
        """The change that makes every field zero."""
        return {"clears": 1}

    def keeps_all(self) -> dict[str, int]:
        """The change that does nothing, and answers 0."""
        return {name: 1 for name in self.change.members if name.startswith("keeps_")}

    def contributes(self, record: Any, hart: int, *, supervisor: bool) -> Any:
        """The record raises that line of that hart."""
        return record.wants & self.may_contribute(record, hart, supervisor=supervisor)

    def may_contribute(self, record: Any, hart: int, *, supervisor: bool) -> Any:
        """The record raises that line of that hart if it ``wants``."""
        kind = record.supervisor if self.supervisor else Const(0, 1)
        return record.active & (record.hartid == hart) & (kind == supervisor)

    def look_ahead(self, m: Module, word: Any, ahead: Any) -> None:
        """What decoding needs to know of an operation's data, ``ahead`` of it if there is time."""
        hartid = data.View(layout(LOW), word).hartid
        m.d.comb += [
            ahead.above.eq(
                Cat(word[at : at + _STRIDE].any() for at in range(_NUMBER_BITS, XLEN, _STRIDE))
            ),
            ahead.exists.eq(self._exists(hartid)),
        ]

    def decode(self, m: Module, operation: Any, ahead: Any, change: Any) -> None:
        """``operation`` (its function, its data) as a ``change``."""
        word = operation.data
        is_ = {each: Signal(name=f"is_{each.name.lower()}") for each in OperationFunction}
        for each, signal in is_.items():
            if each.value >> len(operation.function) == 0:
                m.d.comb += signal.eq(operation.function == each)
        resets = is_[OperationFunction.RESET_SLOT] if self.slot_reset else Const(0, 1)
        ors = is_[OperationFunction.WRITE_HIGH]
        self._decode_post(m, word, ahead.above.any(), is_[OperationFunction.SEND], ors, change)

        writes = is_[OperationFunction.WRITE_LOW]
        low = data.View(layout(LOW), word)
        active = data.View(layout(ACTIVE), word).active
        activates = is_[OperationFunction.WRITE_ACTIVE]
        m.d.comb += [
            change.clears.eq(is_[OperationFunction.READ_HIGH] | resets),
            change.keeps_low.eq(~(writes | resets)),
            change.keeps_active.eq(~(writes | resets | activates)),
            change.active.eq((writes & low.active) | (activates & active)),
            change.answers_pending.eq(is_[OperationFunction.READ_HIGH]),
            change.answers_low.eq(is_[OperationFunction.READ_LOW]),
            change.answers_active.eq(is_[OperationFunction.READ_ACTIVE]),
        ]
        for name in self._low:
            field = getattr(low, name)
            if name == "hartid":
                field = Mux(ahead.exists, field, self._harts)
            with m.If(writes):
                m.d.comb += getattr(change, name).eq(field)
        if self.mask:
            masks = is_[OperationFunction.WRITE_MASK]
            m.d.comb += [
                change.keeps_mask.eq(~(masks | resets)),
                change.answers_mask.eq(is_[OperationFunction.READ_MASK]),
            ]
            with m.If(masks):
                m.d.comb += change.mask.eq(data.View(layout(MASK), word).vectors)
        if self.notify:
            claims = is_[OperationFunction.CLAIM]
            m.d.comb += [
                change.claims.eq(claims),
                change.keeps_queued.eq(~(claims | resets)),
                change.keeps_listed.eq(~claims),
            ]

    def _decode_post(
        self, m: Module, word: Any, above: Any, sends: Any, ors: Any, change: Any
    ) -> None:
        """The bits of SEND and of write-OR."""
        half = _NUMBER_BITS // 2
        high = Signal(VECTORS >> half)
        low = Signal(1 << half)
        m.d.comb += [
            high.eq(Mux(sends & ~above, 1 << word[half:_NUMBER_BITS], 0)),
            low.eq(1 << word[:half]),
            change.some.eq(Mux(sends, ~above, ors & (above | word[:_NUMBER_BITS].any()))),
        ]
        m.d.comb += [
            change.bits[vector].eq(
                (high[vector >> half] & low[vector & (1 << half) - 1]) | (ors & word[vector])
            )
            for vector in range(VECTORS)
        ]

    def _exists(self, hartid: Any) -> Any:
        """``hartid`` is below the number of harts; without a comparison of all its bits."""
        return below(hartid, self._harts)

    def execute(self, m: Module, change: Any, before: Any, after: Any) -> None:
        """What ``change`` makes of ``before``.

        No part of ``after`` is read here: a vector of which a bit depends on another one is a loop
        to simulators.
        """
        merged = Signal(VECTORS)
        pending = Signal(VECTORS)
        active = Signal()
        wants = Signal()
        m.d.comb += [
            merged.eq(before.pending | change.bits),
            pending.eq(Mux(change.clears, 0, merged)),
            active.eq((before.active & change.keeps_active) | change.active),
            after.pending.eq(pending),
            after.active.eq(active),
            after.wants.eq(wants),
        ]
        low = {}
        for name in self._low:
            kept = Mux(change.keeps_low, getattr(before, name), 0)
            low[name] = kept | getattr(change, name)
            m.d.comb += getattr(after, name).eq(low[name])
        if self.mask:
            mask = Signal(VECTORS)
            m.d.comb += [
                mask.eq(Mux(change.keeps_mask, before.mask, 0) | change.mask),
                after.mask.eq(mask),
                wants.eq((pending & ~mask).any()),
            ]
        else:
            m.d.comb += wants.eq((before.wants & ~change.clears) | change.some)
        if self.notify:
            # Whether anything is unmasked is known last.
            absent = Signal()
            m.d.comb += [
                absent.eq(low["notify"] & ~active & ~before.wants),
                after.queued.eq((before.queued & change.keeps_queued) | (absent & wants)),
                after.listed.eq((before.listed & change.keeps_listed) | (absent & wants)),
            ]

    def answers(self, m: Module, change: Any, receiver: Any, before: Any) -> list[tuple[Any, Any]]:
        """The words of which one is answered, each behind the condition for it."""
        low = Signal(layout(LOW), name="answer_low")
        active = Signal(layout(ACTIVE), name="answer_active")
        m.d.comb += [
            low.active.eq(before.active),
            *(getattr(low, name).eq(getattr(before, name)) for name in self._low),
            active.active.eq(before.active),
        ]
        words = [
            # A word that is cleared has no bits set in the same operation: so the merged one, which
            # is needed anyhow, is the one before.
            (change.answers_pending, before.pending | change.bits),
            (change.answers_low, low.as_value()),
            (change.answers_active, active.as_value()),
        ]
        if self.mask:
            words.append((change.answers_mask, before.mask))
        if self.notify:
            claim = Signal(layout(CLAIM), name="answer_claim")
            m.d.comb += [claim.valid.eq(1), claim.receiver.eq(receiver)]
            answer = Mux(before.queued, claim.as_value(), 1 << CLAIM_STALE)
            words.append((change.claims, answer))
        return words

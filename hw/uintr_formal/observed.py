"""The controller with its inside in sight, for what is proven of it."""

from typing import Any, NamedTuple

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Module,
    Mux,
    Signal,
    Value,
)

from uintr.controller import Controller, Inside, Stage
from uintr_formal.arbiter import AnyChoice

__all__ = ["Due", "Observed"]


class Observed(Controller):
    """The controller with all its records, and the ring of its queue, in sight."""

    def __init__(self, **shape: Any) -> None:
        super().__init__(**shape)
        self.receivers: int = shape["receivers"]
        self.record = self._record
        self._arbiter = AnyChoice(count=shape["ports"])
        self.seen = [
            Signal(self._record.shape, name=f"seen_{number}") for number in range(self.receivers)
        ]
        self.ring: list[Value] = []
        self.collided = Signal()
        self.read: Any
        self.inside: Inside

    def _forward(
        self, m: Module, word: Any, addressing: Stage, fetching: Stage, executing: Stage,
        after: Any,
    ) -> Any:  # fmt: skip
        """The memory answers anything where it read what was being written."""
        m.d.sync += self.collided.eq(
            addressing.valid & executing.valid & (addressing.receiver == executing.receiver)
        )
        self.read = Signal.like(after, name="read")
        anything = AnySeq(self.record.shape.size)
        m.d.comb += self.read.eq(Mux(self.collided, anything, word.as_value()))
        return super()._forward(m, self.read, addressing, fetching, executing, after)

    def _observe(self, m: Module, inside: Inside) -> None:
        self.inside = inside
        for number, seen in enumerate(self.seen):
            port = inside.records.read_port(domain="comb")
            m.d.comb += [port.addr.eq(number), seen.eq(port.data)]
        if inside.queue is not None:
            for place in range(inside.queue.ring.depth):
                port = inside.queue.ring.read_port(domain="comb")
                m.d.comb += port.addr.eq(place)
                self.ring.append(port.data)


class Due(NamedTuple):
    """What the contract knows of an operation under way; ``empty``: a claim that found nothing."""

    valid: Signal
    port: Signal
    operation: Any
    empty: Signal

"""How fast one hart may post: a bucket of tokens."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.interfaces import layout
from uintr.registers import THROTTLE

__all__ = ["Throttle"]


class Throttle(wiring.Component):
    """A full bucket holds ``burst`` tokens. A post takes one; while the bucket is not full, one
    comes back every ``period`` cycles. What happens in a cycle is seen from the next one on.

    The post that takes the first token of a full bucket, accepted in cycle p, starts the clock: a
    token is back, and ``open`` shows it, from p + ``period`` + 1 on; the next one comes ``period``
    cycles later, and so on until the bucket is full. Then the clock stands still, so that a hart
    that has not posted for a while costs no time that cannot be jumped.

    One cycle in which

    * a token is taken and one comes back: both happen;
    * ``write`` and anything else: the bucket is full afterwards, whoever posts;
    * ``write`` and ``refused``: cleared first, so the count is 1 afterwards.

    Members
    -------
    write, data : the register THROTTLE is written
    posted : a post was accepted
    refused : a post was refused because ``open`` was low
    open : there is a token, or no budget
    resting : the clock stands still
    word : the register
    missing, left, count : tokens that are not in the bucket, cycles until one of them comes back,
        refusals; for a specification to see
    """

    def __init__(self) -> None:
        self.missing = Signal(THROTTLE.field("burst").width)
        self.left = Signal(THROTTLE.field("period").width)
        self.count = Signal(THROTTLE.field("count").width)
        super().__init__(
            {
                "write": In(1),
                "data": In(layout(THROTTLE)),
                "posted": In(1),
                "refused": In(1),
                "open": Out(1),
                "resting": Out(1),
                "word": Out(layout(THROTTLE)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Bucket and clock, the counter, then the write, which wins."""
        m = Module()
        period, burst = (
            Signal(THROTTLE.field(name).width, name=name) for name in ("period", "burst")
        )
        missing, left, count = self.missing, self.left, self.count
        limited = Signal()
        returns = Signal()
        takes = Signal()
        m.d.comb += [
            limited.eq(period.any()),
            self.open.eq(~limited | (missing < burst)),
            self.resting.eq(~missing.any()),
            returns.eq(missing.any() & (left == 1)),
            takes.eq(self.posted & limited),
            self.word.period.eq(period),
            self.word.burst.eq(burst),
            self.word.count.eq(count),
        ]
        m.d.sync += missing.eq(missing + takes - returns)
        with m.If(returns | (takes & self.resting)):
            m.d.sync += left.eq(period)
        with m.Elif(~self.resting):
            m.d.sync += left.eq(left - 1)

        base = Mux(self.write, 0, count)
        m.d.sync += count.eq(Mux(self.refused & ~base.all(), base + 1, base))
        with m.If(self.write):
            m.d.sync += [period.eq(self.data.period), burst.eq(self.data.burst), missing.eq(0)]
        return m

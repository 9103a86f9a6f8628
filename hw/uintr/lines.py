"""Counters of contributing receivers, and the interrupt lines that follow from them."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.registers import MAX_RECEIVERS

__all__ = ["LineCounters"]


class LineCounters(wiring.Component):
    """One counter a line: how many receivers raise it.

    A change told in cycle c is seen on ``line`` in c+1, and in the counter, which is a cycle
    behind, in c+2: a line needs no more than whether the counter is above one, and what is about to
    be counted. A receiver joins at most one line and leaves at most one in a cycle; both may be in
    the same cycle.

    Parameters
    ----------
    receivers : how many there are to count
    names : what each counter is called in generated text

    Members
    -------
    before, after, wants : one bit a line: the receiver that changes raised it; it raises it now, if
        it ``wants``. What it wants is known last, so it meets the others behind a register
    line : one bit a line: some receiver raises it
    counts : the counters
    leaving, joining : what is about to be counted; never both
    """

    def __init__(self, *, receivers: int, names: tuple[str, ...]) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        lines = len(names)
        self.counts = [Signal(range(receivers + 1), name=f"count_{name}") for name in names]
        self.leaving, self.joining = Signal(lines), Signal(lines)
        super().__init__(
            {"before": In(lines), "after": In(lines), "wants": In(lines), "line": Out(lines)}
        )

    def elaborate(self, platform: Any) -> Module:
        """One step up or down a cycle."""
        m = Module()
        raised, may, wants = (
            Signal.like(told, name=f"{name}_told")
            for name, told in (
                ("before", self.before),
                ("after", self.after),
                ("wants", self.wants),
            )
        )
        m.d.sync += [raised.eq(self.before), may.eq(self.after), wants.eq(self.wants)]
        m.d.comb += [
            self.leaving.eq(raised & ~(may & wants)),
            self.joining.eq(~raised & may & wants),
        ]
        for place, count in enumerate(self.counts):
            leaving, joining = self.leaving[place], self.joining[place]
            # One adder does both: minus one is all ones.
            with m.If(leaving | joining):
                m.d.sync += count.eq(count + (leaving.replicate(len(count) - 1) << 1 | 1))
            m.d.comb += self.line[place].eq(joining | count[1:].any() | (count[0] & ~leaving))
        return m

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
    leave, join : one bit a line: a receiver no longer raises it, or now raises it; never both
    line : one bit a line: some receiver raises it
    counts : the counters
    leaving, joining : what is about to be counted
    """

    def __init__(self, *, receivers: int, names: tuple[str, ...]) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        lines = len(names)
        self.counts = [Signal(range(receivers + 1), name=f"count_{name}") for name in names]
        self.leaving, self.joining = Signal(lines), Signal(lines)
        super().__init__({"leave": In(lines), "join": In(lines), "line": Out(lines)})

    def elaborate(self, platform: Any) -> Module:
        """One step up or down a cycle."""
        m = Module()
        m.d.sync += [self.leaving.eq(self.leave), self.joining.eq(self.join)]
        for place, count in enumerate(self.counts):
            leaving, joining = self.leaving[place], self.joining[place]
            # One adder does both: minus one is all ones.
            with m.If(leaving | joining):
                m.d.sync += count.eq(count + (leaving.replicate(len(count) - 1) << 1 | 1))
            m.d.comb += self.line[place].eq(joining | count[1:].any() | (count[0] & ~leaving))
        return m

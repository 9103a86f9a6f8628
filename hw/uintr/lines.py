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

    A counter changes at the end of the cycle in which it is told of a change; ``line`` is a
    function of the counters, so it follows in the next cycle. A receiver joins at most one line and
    leaves at most one in a cycle; both may be in the same cycle.

    Parameters
    ----------
    lines : how many
    receivers : how many there are to count
    names : what each counter is called in generated text

    Members
    -------
    counts : the counters
    leave, join : one bit a line: a receiver no longer raises it, or now raises it; never both
    line : one bit a line: some receiver raises it
    """

    def __init__(self, *, receivers: int, names: tuple[str, ...]) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        lines = len(names)
        self.counts = [Signal(range(receivers + 1), name=f"count_{name}") for name in names]
        super().__init__({"leave": In(lines), "join": In(lines), "line": Out(lines)})

    def elaborate(self, platform: Any) -> Module:
        """One step up or down a cycle."""
        m = Module()
        for place, count in enumerate(self.counts):
            leave = self.leave[place]
            # One adder does both: minus one is all ones.
            with m.If(leave | self.join[place]):
                m.d.sync += count.eq(count + (leave.replicate(len(count) - 1) << 1 | 1))
            m.d.comb += self.line[place].eq(count.any())
        return m

"""The clock of the system under test, cycle by cycle, on the word of a host."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LIMIT_BITS", "RunController"]

LIMIT_BITS = 24
"""Width of the number of cycles of one run."""


class RunController(wiring.Component):
    """Gives the system one clock cycle at a time until there is something to see.

    ``enable`` is a register, since it goes to every register of the system. A run takes three
    cycles of the board for one of the system: ``enable`` is high in the first; in the second the
    system shows what that edge produced, and it is sampled; in the third it is decided whether the
    run goes on. It ends after ``limit`` cycles of the system, and, unless
    ``exact``, after the first that produced a response, changed an interrupt line, or made the
    system quiescent when it was not before (`rel4.machine.device.Device.run`).

    Parameters
    ----------
    lines : interrupt lines to watch, at least 1

    Members
    -------
    start : begin; ``limit``, ``calm`` and ``exact`` are sampled with it. Ignored while ``busy``.
    limit : 0 counts as 2**24
    calm : the system is quiescent and has no new input
    exact : do not stop early
    free : let the clock run while no run is under way, from the next cycle of the board
    single : the next cycle is one of the system; with ``free`` it is one anyway
    forget : the system was reset; its interrupt lines are taken to be low
    responding, interrupts, quiescent : from the system
    enable : the system's clock enable
    busy : a run is under way
    stepped : cycles of this run, or of the last one
    seen_interrupts, seen_quiescent : as of the last cycle of a run
    """

    def __init__(self, *, lines: int) -> None:
        if lines < 1:
            raise ValueError(f"lines must be at least 1, not {lines!r}")
        super().__init__(
            {
                "start": In(1),
                "limit": In(LIMIT_BITS),
                "calm": In(1),
                "exact": In(1),
                "free": In(1),
                "single": In(1),
                "forget": In(1),
                "responding": In(1),
                "interrupts": In(lines),
                "quiescent": In(1),
                "enable": Out(1),
                "busy": Out(1),
                "stepped": Out(LIMIT_BITS),
                "seen_interrupts": Out(lines),
                "seen_quiescent": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Step, look, decide."""
        m = Module()
        left = Signal(LIMIT_BITS)
        calm = Signal()
        exact = Signal()
        stop = Signal()
        with m.If(self.forget):
            m.d.sync += self.seen_interrupts.eq(0)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("REST"))
            with m.State("REST"):
                m.d.sync += self.enable.eq(self.free | self.single | self.start)
                with m.If(self.start):
                    m.d.sync += [
                        left.eq(self.limit),
                        calm.eq(self.calm),
                        exact.eq(self.exact),
                        self.stepped.eq(0),
                    ]
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.sync += [
                    self.enable.eq(0),
                    left.eq(left - 1),
                    self.stepped.eq(self.stepped + 1),
                ]
                m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += [
                    stop.eq(
                        self.responding
                        | (self.interrupts != self.seen_interrupts)
                        | (self.quiescent & ~calm)
                    ),
                    calm.eq(self.quiescent),
                    self.seen_interrupts.eq(self.interrupts),
                    self.seen_quiescent.eq(self.quiescent),
                ]
                m.next = "DECIDE"
            with m.State("DECIDE"):
                with m.If((left == 0) | (stop & ~exact)):
                    m.next = "REST"
                with m.Else():
                    m.d.sync += self.enable.eq(1)
                    m.next = "STEP"
        return m

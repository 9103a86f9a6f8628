"""What the hart's unit tests share."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from amaranth.sim import Simulator

__all__ = ["ONES", "clocked", "extended", "simulate_combinational"]

ONES = (1 << 64) - 1

Bench = Callable[[Any], Awaitable[None]]


def simulate_combinational(dut: Any, bench: Bench) -> None:
    """Run ``bench`` on a block without a clock."""
    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


def clocked(dut: Any, *benches: Bench, background: Sequence[Bench] = ()) -> None:
    """Run until the benches have returned, beside those in the background, which never do."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for bench in background:
        simulator.add_testbench(bench, background=True)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def extended(value: int, bits: int = 64) -> int:
    """``value`` as a signed number of ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value

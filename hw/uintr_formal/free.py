"""Inputs that may be anything, and what a signal was a cycle ago."""

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Module, Signal, Value

__all__ = ["ago", "free"]


def free(m: Module, *signals: Any) -> None:
    """Let each be anything in any cycle."""
    for signal in signals:
        m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))


def ago(m: Module, value: Any, name: str, init: int = 0) -> Signal:
    """What ``value`` was one cycle ago."""
    value = Value.cast(value)
    register = Signal(len(value), name=f"{name}_ago", init=init)
    m.d.sync += register.eq(value)
    return register

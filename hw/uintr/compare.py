"""Comparison with a number that does not change."""

from typing import Any

from amaranth.hdl import Const, Value

__all__ = ["below"]


def below(value: Any, limit: int) -> Value:
    """``value < limit``. Bits that must all be 0 for it stay out of the carry chain."""
    value = Value.cast(value)
    bits = (limit - 1).bit_length()
    fits = ~value[bits:].any() if len(value) > bits else Const(1, 1)
    if limit == 1 << bits:
        return fits
    return fits & (value[:bits] < limit)

"""Canonical addresses."""

from typing import Any

from amaranth.hdl import Value

from uintr.intel.registers import CANONICAL_BITS

__all__ = ["canonical"]


def canonical(address: Any) -> Value:
    """The upper bits of the 64-bit byte ``address`` are all equal."""
    upper = Value.cast(address)[CANONICAL_BITS - 1 :]
    return upper.all() | ~upper.any()

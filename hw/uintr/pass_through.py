"""Ports of a block as ports of the block around it."""

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Module
from amaranth.lib.wiring import Out, connect, flipped

__all__ = ["pass_through"]


def pass_through(m: Module, outer: Any, inner: Any, *, omit: Collection[str]) -> None:
    """Connect each member of ``inner`` that is not in ``omit`` to the like one of ``outer``."""
    for name, member in inner.signature.members.items():
        if name in omit:
            continue
        ours, its = getattr(outer, name), getattr(inner, name)
        if member.is_port:
            m.d.comb += ours.eq(its) if member.flow is Out else its.eq(ours)
        elif member.dimensions:
            for one, other in zip(ours, its, strict=True):
                connect(m, flipped(one), other)
        else:
            connect(m, flipped(ours), its)

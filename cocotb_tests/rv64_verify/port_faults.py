"""`rv64.soc` made wrong on purpose between a hart and the user-interrupt part, to see that the
comparison with the reference notices.

All faults are in one design, in which an input selects one; with 0 it is the system as it is.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from rv64 import soc
from rv64_verify.port_watch import watched
from uintr_formal.bug import replaced

__all__ = ["FAULTS", "faulty"]


def _late(m: Module, signal: Any) -> Signal:
    """What it was one cycle before."""
    before = Signal(signal.shape())
    m.d.sync += before.eq(signal)
    return before


def _late_answer(m: Module, outer: Any, inner: Any) -> list[Any]:
    answer, told = outer.hart.response, inner.hart.response
    pairs = (
        (answer.valid, told.valid),
        (answer.payload.status, told.payload.status),
        (answer.payload.data, told.payload.data),
    )
    return [to.eq(_late(m, of)) for to, of in pairs]


def _late_operation(m: Module, outer: Any, inner: Any) -> list[Any]:
    ours, theirs = outer.port.operation, inner.port.operation
    seen = Signal()
    m.d.sync += seen.eq(theirs.valid & ~(theirs.ready & theirs.valid))
    return [ours.valid.eq(theirs.valid & seen), theirs.ready.eq(ours.ready & seen)]


Fault = Callable[[Module, Any, Any], list[Any]]

_OF_UNIT: dict[str, Fault] = {
    "an answer comes a cycle late": _late_answer,
    "an answer has another value": lambda m, outer, inner: [
        outer.hart.response.payload.data.eq(inner.hart.response.payload.data ^ 1)
    ],
    "an answer has another status": lambda m, outer, inner: [
        outer.hart.response.payload.status.eq(inner.hart.response.payload.status ^ 4)
    ],
    "a request is taken a cycle late": lambda m, outer, inner: [
        outer.hart.request.ready.eq(
            ready := inner.hart.request.ready & _late(m, outer.hart.request.valid)
        ),
        inner.hart.request.valid.eq(outer.hart.request.valid & ready),
    ],
    "the user line is a cycle late": lambda m, outer, inner: [inner.line.eq(_late(m, outer.line))],
    "the supervisor line is a cycle late": lambda m, outer, inner: [
        inner.supervisor_line.eq(_late(m, outer.supervisor_line))
    ],
    "a post is a cycle late": _late_operation,
    "the privilege is a cycle late": lambda m, outer, inner: [
        inner.hart.privilege.eq(_late(m, outer.hart.privilege))
    ],
    "the next entry is read": lambda m, outer, inner: [outer.bus.adr.eq(inner.bus.adr + 1)],
    "an entry is read a cycle late": lambda m, outer, inner: [
        outer.bus.stb.eq(inner.bus.stb & _late(m, inner.bus.stb))
    ],
}
_OF_BRIDGE: dict[str, Fault] = {
    "the controller's registers are a cycle late": _late_operation,
    "the controller's registers have another value": lambda m, outer, inner: [
        outer.bus.dat_r.eq(inner.bus.dat_r ^ 1)
    ],
}
FAULTS = (*_OF_UNIT, *_OF_BRIDGE)
"""By name; the first is number 1."""


class _Around(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A block with faults at its ports."""

    def __init__(self, inner: Any, fault: Signal, faults: dict[str, Fault]) -> None:
        self._inner, self._fault, self._faults = inner, fault, faults
        super().__init__(inner.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.inner = inner = self._inner
        connect(m, flipped(self), inner)
        for name, fault in self._faults.items():
            statements = fault(m, self, inner)
            with m.If(self._fault == 1 + FAULTS.index(name)):
                m.d.comb += statements
        return m


def faulty(harts: int) -> Path:
    """The library of the design with all of them."""
    fault = Signal(range(1 + len(FAULTS)))

    def around(faults: dict[str, Fault]) -> Callable[[Any], Any]:
        return lambda block: lambda **shape: _Around(block(**shape), fault, faults)

    with (
        replaced(soc, "HartUnit", around(_OF_UNIT))(),
        replaced(soc, "ControllerBridge", around(_OF_BRIDGE))(),
    ):
        return watched(harts, fault)

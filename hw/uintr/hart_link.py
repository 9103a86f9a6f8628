"""What joins a hart unit to the controller, as ports of blocks of their own."""

from typing import Any

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.interfaces import OPERATION
from uintr.registers import XLEN, Feature, Status

__all__ = ["HartLink", "connect_operations"]


class HartLink(wiring.Signature):
    """Seen from the hart unit. Ports of the same name on both sides belong together.

    The way to the controller stands as ``operation`` and ``response``, since a response that is
    always taken has no ready signal, which a port of a top must be.

    Parameters
    ----------
    features : of both sides; what they lack needs no wires

    Members
    -------
    operation : stream of `OPERATION`
    response : valid for one cycle for each operation, with its word
    line : the hart's user line
    supervisor_line : its supervisor line (SUPERVISOR or NOTIFY)
    rejected, cause : a UIPI SEND is refused in this cycle, and why (REJECTED or THROTTLE)
    posted : the post of a UIPI SEND is accepted in this cycle (THROTTLE)
    open : the hart's throttle has a token (THROTTLE)
    posting : a post waits whose entry was there before (SLOT_RESET or ENTRY_CACHE)
    invalidate : kept entries must be forgotten (ENTRY_CACHE)
    caches : entries are to be kept (ENTRY_CACHE)
    """

    def __init__(self, features: Feature) -> None:
        members: dict[str, Any] = {
            "operation": Out(stream.Signature(OPERATION)),
            "response": In(wiring.Signature({"valid": Out(1), "payload": Out(XLEN)})),
            "line": In(1),
        }
        for wanted, more in (
            (Feature.SUPERVISOR | Feature.NOTIFY, {"supervisor_line": In(1)}),
            (Feature.REJECTED | Feature.THROTTLE, {"rejected": Out(1), "cause": Out(Status)}),
            (Feature.THROTTLE, {"posted": Out(1), "open": In(1)}),
            (Feature.SLOT_RESET | Feature.ENTRY_CACHE, {"posting": Out(1)}),
            (Feature.ENTRY_CACHE, {"invalidate": In(1), "caches": In(1)}),
        ):
            if wanted & features:
                members |= more
        super().__init__(members)


def connect_operations(m: Any, source: Any, target: Any) -> None:
    """``operation`` and ``response`` of the one who operates, to those of the one who is told."""
    m.d.comb += [
        target.operation.valid.eq(source.operation.valid),
        target.operation.payload.eq(source.operation.payload),
        source.operation.ready.eq(target.operation.ready),
        source.response.valid.eq(target.response.valid),
        source.response.payload.eq(target.response.payload),
    ]

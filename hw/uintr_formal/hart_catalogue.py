"""The proofs of hart units, bus and whole system."""

from functools import partial

from uintr.registers import Feature
from uintr_formal.axi_lite import AxiLiteBridgeSpec, AxiLiteManagerSpec
from uintr_formal.half_words import HalfWordsSpec
from uintr_formal.hart_unit import HartUnitSpec
from uintr_formal.prove import Proof
from uintr_formal.quiet import QuietSpec
from uintr_formal.receiver import ReceiverSpec
from uintr_formal.rejected import RejectedSpec
from uintr_formal.reset import ResetSpec
from uintr_formal.sender import SenderSpec
from uintr_formal.throttle import ThrottleSpec
from uintr_formal.wiring import WiringSpec
from uintr_formal.wishbone import BusSpec, TargetsSpec

__all__ = ["HART_PROOFS"]

_COVER = "every case happens"
_SENDER = "posts only of own valid entries, kept ones included; refused without effect; done once"
_HART = "each request answered once, within 2 cycles of its own; answers not mixed up"
_TARGETS = "each transfer ended once, errors included, within 3 cycles of its own"
_ALL = partial(SenderSpec, receivers=512)
_PLAIN = partial(SenderSpec, receivers=512, features=Feature(0))
_EARLY = partial(SenderSpec, receivers=512, early=True)

HART_PROOFS: tuple[Proof, ...] = (
    Proof("receiver", "uip, ustatus, trap condition, uret, privileges", ReceiverSpec, 2),
    Proof("receiver cover", _COVER, ReceiverSpec, 8, "cover"),
    Proof("sender", _SENDER, _ALL, 2),
    Proof("sender cover", _COVER, _ALL, 10, "cover"),
    Proof("sender plain", f"{_SENDER} (no extension)", _PLAIN, 2),
    Proof("sender early", f"{_SENDER} (posts in the cycle of the entry)", _EARLY, 2),
    Proof("sender early cover", _COVER, _EARLY, 10, "cover"),
    Proof(
        "throttle", "never more posts than the budget; a token comes back in time", ThrottleSpec, 2
    ),
    Proof("throttle cover", _COVER, ThrottleSpec, 10, "cover"),
    *(
        Proof(f"hart unit latency {latency}", _HART, partial(HartUnitSpec, latency=latency), 2)
        for latency in (2, 3, 4)
    ),
    Proof("hart unit cover", _COVER, partial(HartUnitSpec, latency=3), 12, "cover"),
    Proof(
        "rejected",
        "each refusal counts, in all bits; it stays at the highest value",
        RejectedSpec,
        2,
    ),
    Proof("rejected cover", _COVER, RejectedSpec, 6, "cover"),
    Proof(
        "wiring", "each hart unit is connected to what is its own", partial(WiringSpec, harts=2), 1
    ),
    *(
        Proof(
            f"reset latency {latency}",
            "a reset in the middle: nothing goes on, and all is swept again",
            partial(ResetSpec, latency=latency),
            2,
        )
        for latency in (2, 3, 4)
    ),
    Proof("reset cover", _COVER, partial(ResetSpec, latency=3), 12, "cover"),
    Proof(
        "axi manager", "ended as the transfer's own channel answers; held", AxiLiteManagerSpec, 2
    ),
    Proof("axi manager cover", _COVER, AxiLiteManagerSpec, 8, "cover"),
    Proof("axi bridge", "answered once, with what the bus said; held", AxiLiteBridgeSpec, 2),
    Proof("axi bridge cover", _COVER, AxiLiteBridgeSpec, 8, "cover"),
    Proof("half words", "no word in part; a high half only behind its low half", HalfWordsSpec, 2),
    Proof("half words cover", _COVER, HalfWordsSpec, 8, "cover"),
    Proof("bus", "transfers held, each ended once and for its owner", partial(BusSpec, count=3), 2),
    Proof("bus cover", "each initiator is served", partial(BusSpec, count=3), 8, "cover"),
    *(
        Proof(
            f"targets latency {latency} wait states {wait}",
            _TARGETS,
            partial(TargetsSpec, latency=latency, wait_states=wait),
            depth,
        )
        for latency, wait, depth in ((3, 0, 4), (2, 2, 4), (4, 0, 6))
    ),
    Proof("targets cover", _COVER, partial(TargetsSpec, latency=3, wait_states=2), 14, "cover"),
    *(
        Proof(
            f"system quiet latency {latency}",
            "quiescent and nobody asks: no register changes, no memory is written",
            partial(QuietSpec, latency=latency),
            depth,
            quick=False,
        )
        for latency, depth in ((2, 4), (3, 4), (4, 6))
    ),
    Proof("system quiet cover", _COVER, partial(QuietSpec, latency=3), 16, "cover"),
)

"""All proofs there are, and the broken designs that they have to notice."""

from collections.abc import Callable
from functools import partial
from typing import Any

from amaranth.hdl import Cat, Mux, Signal

from uintr.arbiter import RoundRobin
from uintr.controller import Controller
from uintr.interfaces import OperationFunction
from uintr.record import Record
from uintr.registers import ALL_FEATURES, Feature
from uintr_formal.arbiter import ArbiterSpec
from uintr_formal.bug import Bug, also, elaborated, replaced
from uintr_formal.controller import ControllerSpec
from uintr_formal.hart_bugs import HART_BUGS
from uintr_formal.hart_catalogue import HART_PROOFS
from uintr_formal.intel_catalogue import INTEL_BUGS, INTEL_PROOFS
from uintr_formal.observed import Observed
from uintr_formal.prove import Proof

__all__ = ["BUGS", "PROOFS", "PROPERTIES", "Bug"]


def _controller(
    harts: int, receivers: int, latency: int, features: Feature, *, ports: int | None = None
) -> Callable[[], Any]:
    def make() -> Any:
        dut = Observed(
            harts=harts, receivers=receivers, ports=ports or harts + 1, latency=latency,
            features=features,
        )  # fmt: skip
        return ControllerSpec(dut, harts=harts, latency=latency, features=features)

    return make


_CONTROLLER = "pending bits conserved; line = OR, counter = number; answers exact; quiet"
_DEPTH = {2: 2, 3: 2, 4: 3}
_EXTENDED_DEPTH = {2: 4, 3: 5, 4: 6}

PROOFS: tuple[Proof, ...] = (
    *(
        Proof(
            f"controller latency {latency} {name}",
            f"{_CONTROLLER} (4 receivers, 2 harts, 64 vectors)",
            _controller(2, 4, latency, features),
            depths[latency],
        )
        for latency in (2, 3, 4)
        for name, features, depths in (
            ("plain", Feature(0), _DEPTH),
            ("extended", ALL_FEATURES, _EXTENDED_DEPTH),
        )
    ),
    *(
        Proof(
            f"controller latency {latency} {name} cover",
            "every assumption of these can be met",
            _controller(2, 4, latency, features),
            14,
            "cover",
        )
        for latency, name, features in ((3, "extended", ALL_FEATURES), (4, "plain", Feature(0)))
    ),
    Proof(
        "controller 16 receivers",
        f"{_CONTROLLER} (16 receivers, 4 harts, 64 vectors)",
        _controller(4, 16, 3, Feature(0)),
        _DEPTH[3],
        quick=False,
    ),
    Proof(
        "controller 9 ports",
        f"{_CONTROLLER} (4 receivers, 2 harts, 64 vectors, 9 ports in groups, latency 4)",
        _controller(2, 4, 4, Feature(0), ports=9),
        _DEPTH[4],
        quick=False,
    ),
    *(
        proof
        for count in (3, 5, 9, 17, 65)  # up to 8 pairs are compared, else groups are searched
        for proof in (
            Proof(
                f"arbiter {count}",
                f"the grant of the search; passed over by at most {count - 1} grants",
                partial(ArbiterSpec, count=count),
                2,
                quick=count < 65,
            ),
            Proof(
                f"arbiter {count} cover",
                "the bound is reached",
                partial(ArbiterSpec, count=count),
                max(12, count + 4),
                "cover",
                quick=count < 65,
            ),
        )
    ),
    *HART_PROOFS,
    *INTEL_PROOFS,
)


_PLAIN_CONTROLLER = "controller latency {} plain"
_EXTENDED_CONTROLLER = "controller latency {} extended"
_LATENCIES = (2, 3, 4)
_CONTROLLERS = (
    *(_PLAIN_CONTROLLER.format(latency) for latency in _LATENCIES),
    "controller 16 receivers",
    "controller 9 ports",
    *(_EXTENDED_CONTROLLER.format(latency) for latency in _LATENCIES),
)
_EXTENDED_CONTROLLERS = tuple(_EXTENDED_CONTROLLER.format(latency) for latency in _LATENCIES)
_ARBITERS = tuple(f"arbiter {count}" for count in (3, 5, 9, 17, 65))
_SENDERS = ("sender", "sender plain", "sender early")
_HART_UNITS = tuple(f"hart unit latency {latency}" for latency in _LATENCIES)
_QUIET = tuple(f"system quiet latency {latency}" for latency in _LATENCIES)
_TARGETS = tuple(proof.name for proof in HART_PROOFS if proof.name.startswith("targets latency"))

PROPERTIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("no bit lost or invented: posts, reads that clear, write-ORs", _CONTROLLERS),
    ("the same with slot resets and mask changes", _EXTENDED_CONTROLLERS),
    ("a line is exactly the OR, in the cycle of the answer", _CONTROLLERS),
    ("a counter, with what is about to be counted, is the number", _CONTROLLERS),
    ("after an answered change of hart the old line is without the receiver", _CONTROLLERS),
    ("after a slot reset nothing of the former owner is left", _EXTENDED_CONTROLLERS),
    ("absent receiver: one notification a transition; none lost, none more", _EXTENDED_CONTROLLERS),
    ("every operation answered once, on its port, in its cycle, with its word", _CONTROLLERS),
    ("idle and nothing asked: nothing changes", (*_CONTROLLERS, *_ARBITERS, *_QUIET)),
    ("one grant if somebody asks, to one who asks", _ARBITERS),
    ("a request is passed over by at most n - 1 grants", _ARBITERS),
    ("refused UIPI has no effect; only own valid entries below the limit", _SENDERS),
    ("every UIPI ends once, bus errors too; Wishbone held", _SENDERS),
    ("after an invalidation no kept entry of before is used", ("sender", "sender early")),
    ("never more posts than the budget; a token comes back in time", ("throttle",)),
    ("uip, ustatus, trap condition, uret; the line is never latched", ("receiver",)),
    ("every request of a hart answered once, within a bound", _HART_UNITS),
    ("bus: transfers held, each ended once and for its owner", ("bus", *_TARGETS)),
    ("bus: a turn that is counted is a transfer, so nobody waits for more than n - 1", ("bus",)),
    ("CSR, TRAP, URET, LOAD: the answer's data is the receiver's, or the bus's", _HART_UNITS),
    ("which status a refusal has; a valid SEND posts", _SENDERS),
    ("what is written to THROTTLE is what it does", ("throttle",)),
    ("REJECTED counts in all its bits", ("rejected",)),
    ("each hart's lines, posts and answers are its own", ("wiring",)),
    ("a reset in the middle", tuple(f"reset latency {latency}" for latency in _LATENCIES)),
    ("AXI4-Lite: an error is an error, on either channel", ("axi manager", "axi bridge")),
    ("no word is written or read in part", ("half words",)),
)
"""What is proven, in words, and which proofs do."""


def _lost_vector(right: Any) -> Any:
    def wrong(self: Any, m: Any, change: Any, before: Any, after: Any) -> None:
        kept = Signal(self.change, name="kept")
        m.d.comb += kept.eq(change)
        m.d.comb += kept.bits.eq(change.bits & ~(1 << 17))
        right(self, m, kept, before, after)

    return wrong


def _blind_line(right: Any) -> Any:
    """The counters do not hear of a receiver that has the highest vector alone."""

    def wrong(self: Any, record: Any, hart: int, **more: Any) -> Any:
        return Mux(
            record.active & (record.pending == 1 << 63), 0, right(self, record, hart, **more)
        )

    return wrong


def _no_forwarding(right: Any) -> Any:
    def wrong(self: Any, m: Any, word: Any, *more: Any) -> Any:
        right(self, m, word, *more)
        stored = Signal.like(more[-1], name="unforwarded")
        m.d.sync += stored.eq(word)
        return stored

    return wrong


def _swallowed_answer(right: Any) -> Any:
    def wrong(self: Any, m: Any, executing: Any, answers: Any) -> Any:
        heard = executing.valid & ~executing.what.bits[5]
        return right(self, m, executing._replace(valid=heard), answers)

    return wrong


def _kept_mask(right: Any) -> Any:
    """A slot reset leaves the mask of the former owner."""

    def wrong(self: Any, m: Any, operation: Any, ahead: Any, change: Any) -> None:
        right(self, m, operation, ahead, change)
        with m.If(operation.function == OperationFunction.RESET_SLOT):
            m.d.comb += change.keeps_mask.eq(1)

    return wrong


def _listed_twice(right: Any) -> Any:
    """A receiver that is reset while it waits is forgotten to stand in the ring."""

    def wrong(self: Any, m: Any, operation: Any, ahead: Any, change: Any) -> None:
        right(self, m, operation, ahead, change)
        with m.If(operation.function == OperationFunction.RESET_SLOT):
            m.d.comb += change.keeps_listed.eq(0)

    return wrong


@also
def _stuck_round_robin(self: Any, m: Any) -> None:
    m.d.sync += [bit.eq(0) for bit in self.overtakes.values()]


@also
def _lowest_group(self: Any, m: Any) -> None:
    """The lowest group that asks is chosen, wherever the last grant was."""
    asks = Signal(len(self.groups))
    m.d.comb += [
        asks.eq(Cat(self.requests[group].any() for group in self.groups)),
        self.chosen.eq(asks & -asks),
    ]


_EXTENDED = _EXTENDED_CONTROLLER.format(3)

BUGS: tuple[Bug, ...] = (
    Bug(
        "vector 17 is lost", _PLAIN_CONTROLLER.format(3), replaced(Record, "execute", _lost_vector)
    ),
    Bug(
        "a line misses vector 63",
        _PLAIN_CONTROLLER.format(2),
        replaced(Record, "contributes", _blind_line),
    ),
    Bug(
        "no forwarding",
        _PLAIN_CONTROLLER.format(4),
        replaced(Controller, "_forward", _no_forwarding),
    ),
    Bug(
        "answers are lost",
        _PLAIN_CONTROLLER.format(3),
        replaced(Controller, "_respond", _swallowed_answer),
    ),
    Bug("a slot reset keeps the mask", _EXTENDED, replaced(Record, "decode", _kept_mask)),
    Bug("a receiver is queued twice", _EXTENDED, replaced(Record, "decode", _listed_twice)),
    elaborated("the lowest port wins", "arbiter 5", RoundRobin, _stuck_round_robin),
    elaborated("the lowest group wins", "arbiter 9", RoundRobin, _lowest_group),
    *HART_BUGS,
    *INTEL_BUGS,
)

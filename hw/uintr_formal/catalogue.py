"""All proofs there are, and the broken designs that they have to notice."""

from collections.abc import Callable
from functools import partial
from typing import Any

from amaranth.hdl import Mux, Signal

from uintr.arbiter import RoundRobin
from uintr.controller import Controller
from uintr.record import Decoder, Record
from uintr.registers import ALL_FEATURES, VECTORS, Feature
from uintr_formal.arbiter import ArbiterSpec
from uintr_formal.bug import Bug
from uintr_formal.bug import replaced as _replace
from uintr_formal.controller import ControllerSpec, Observed
from uintr_formal.hart_catalogue import HART_BUGS, HART_PROOFS
from uintr_formal.intel_catalogue import INTEL_BUGS, INTEL_PROOFS
from uintr_formal.prove import Proof

__all__ = ["BUGS", "PROOFS", "Bug"]


def _controller(harts: int, receivers: int, latency: int, features: Feature) -> Callable[[], Any]:
    def make() -> Any:
        dut = Observed(
            harts=harts, receivers=receivers, ports=harts + 1, latency=latency, features=features
        )
        return ControllerSpec(dut, harts=harts, latency=latency, features=features)

    return make


_CONTROLLER = "pending bits conserved; line = OR, counter = number; answers exact; quiet"
_DEPTH = {2: 2, 3: 3, 4: 5}

PROOFS: tuple[Proof, ...] = (
    *(
        Proof(
            f"controller latency {latency} {name}",
            f"{_CONTROLLER} (4 receivers, 2 harts, 64 vectors)",
            _controller(2, 4, latency, features),
            _DEPTH[latency],
        )
        for latency in (2, 3, 4)
        for name, features in (("plain", Feature(0)), ("extended", ALL_FEATURES))
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
    *(
        proof
        for count in (3, 5)
        for proof in (
            Proof(
                f"arbiter {count}",
                f"one grant at most; passed over by at most {count - 1} grants",
                partial(ArbiterSpec, count=count),
                2,
            ),
            Proof(
                f"arbiter {count} cover",
                "the bound is reached",
                partial(ArbiterSpec, count=count),
                12,
                "cover",
            ),
        )
    ),
    *HART_PROOFS,
    *INTEL_PROOFS,
)


def _lost_vector(right: Any) -> Any:
    def wrong(self: Any, m: Any, operation: Any, **more: Any) -> None:
        right(self, m, operation, **more)
        kept = Signal(VECTORS, name="kept")
        m.d.comb += kept.eq(self.bits & ~(1 << 17))
        self.bits = kept

    return wrong


def _blind_line(right: Any) -> Any:
    """The counters do not hear of a receiver that has the highest vector alone."""

    def wrong(self: Any, record: Any, hart: int, **more: Any) -> Any:
        return Mux(
            record.active & (record.pending == 1 << 63), 0, right(self, record, hart, **more)
        )

    return wrong


def _no_forwarding(right: Any) -> Any:
    def wrong(self: Any, m: Any, write: Any, read: Any, *more: Any) -> Any:
        right(self, m, write, read, *more)
        stored = Signal.like(more[-1], name="unforwarded")
        m.d.sync += stored.eq(read.data)
        return stored

    return wrong


def _swallowed_answer(right: Any) -> Any:
    def wrong(self: Any, m: Any, executing: Any, port: Any, answer: Any) -> Any:
        return right(self, m, executing & ~answer[5], port, answer)

    return wrong


def _stuck_round_robin(right: Any) -> Any:
    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        m.d.sync += self.behind.eq(0)
        return m

    return wrong


_PLAIN = "controller latency {} plain"

BUGS: tuple[Bug, ...] = (
    Bug("vector 17 is lost", _PLAIN.format(3), _replace(Decoder, "__init__", _lost_vector)),
    Bug("a line misses vector 63", _PLAIN.format(2), _replace(Record, "contributes", _blind_line)),
    Bug("no forwarding", _PLAIN.format(4), _replace(Controller, "_forward", _no_forwarding)),
    Bug("answers are lost", _PLAIN.format(3), _replace(Controller, "_respond", _swallowed_answer)),
    Bug("the lowest port wins", "arbiter 5", _replace(RoundRobin, "elaborate", _stuck_round_robin)),
    *HART_BUGS,
    *(
        Bug(name, proof, _replace(owner, "elaborate", make))
        for name, proof, owner, make in INTEL_BUGS
    ),
)

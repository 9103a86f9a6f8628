"""The proofs of hart units, bus and whole system, and the broken designs they have to notice."""

from functools import partial
from typing import Any

from uintr.bridge import ControllerBridge
from uintr.control_page import ControlPage
from uintr.controller import Controller
from uintr.entry_cache import EntryCache
from uintr.receiver import Receiver
from uintr.registers import Csr, Feature, RequestKind
from uintr.sender import Sender
from uintr.throttle import Throttle
from uintr.wishbone import BusArbiter, BusDecoder
from uintr_formal.bug import Bug, replaced
from uintr_formal.hart_unit import HartUnitSpec
from uintr_formal.prove import Proof
from uintr_formal.quiet import QuietSpec
from uintr_formal.receiver import ReceiverSpec
from uintr_formal.sender import SenderSpec
from uintr_formal.throttle import ThrottleSpec
from uintr_formal.wishbone import BusSpec, TargetsSpec

__all__ = ["HART_BUGS", "HART_PROOFS"]

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
        for latency, depth in ((2, 4), (3, 4), (4, 5))
    ),
    Proof("system quiet cover", _COVER, partial(QuietSpec, latency=3), 16, "cover"),
)


def _latched_line(right: Any) -> Any:
    """The defect of the published RTL: an access to uip may take the line for the software bit."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        with m.If(self.start & self.line & (self.request.kind == RequestKind.CSR)):
            m.d.sync += self.words[Csr.UIP][0].eq(1)
        return m

    return wrong


def _unchecked_entry(right: Any) -> Any:
    """The defect of the published RTL: the entry's valid bit is not looked at."""

    def wrong(self: Any, m: Any, operation: Any) -> None:
        with m.If(self.bus.dat_r[0]):
            right(self, m, operation)
        with m.Else():
            m.next = "POST"

    return wrong


def _loose_tag(right: Any) -> Any:
    """The highest bit of the index is not compared, so another entry may be found."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        place = self.index[:2]
        for number, entry in enumerate(self.entries):
            with m.If((place == number) & self.valid[number]):
                m.d.comb += self.hit.eq(entry.tag[:-1] == self.index[2:-1])
        return m

    return wrong


def _deaf_cache(right: Any) -> Any:
    """An invalidation in the cycle in which an entry arrives is lost."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        with m.If(self.fill):
            m.d.sync += self.valid.bit_select(self.index[:2], 1).eq(1)
        return m

    return wrong


def _one_post(right: Any) -> Any:
    """Not more than one post is known to be on its way."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        with m.If(self.posted):
            m.d.sync += self.unclaimed.eq(1)
        return m

    return wrong


def _free_token(right: Any) -> Any:
    """A post that is accepted just when a token comes back costs nothing."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        with m.If(self.posted & ~self.write & self.missing.any() & (self.left == 1)):
            m.d.sync += self.missing.eq(self.missing - 1)
        return m

    return wrong


def _no_drain(right: Any) -> Any:
    """A transfer is handed over in the first cycle, and once more after it has ended."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        m.d.comb += self.operates.eq(self.bus.cyc & self.bus.stb & self.bus.we)
        return m

    return wrong


def _silent_error(right: Any) -> Any:
    """An address of no target is not answered, as in the published RTL."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        m.d.comb += self.bus.err.eq(0)
        return m

    return wrong


def _presented_twice(right: Any) -> Any:
    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        m.d.comb += self.port.operation.valid.eq(self.wanted | self.operates)
        return m

    return wrong


def _everybody_ends(right: Any) -> Any:
    """The end of a transfer is shown to all who ask."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        for each in self.initiators:
            m.d.comb += each.ack.eq(self.bus.ack & each.stb)
        return m

    return wrong


def _impatient(right: Any) -> Any:
    """The controller says that it is idle whatever it does, the sweep included."""

    def wrong(self: Any, platform: Any) -> Any:
        m = right(self, platform)
        m.d.comb += self.idle.eq(1)
        return m

    return wrong


HART_BUGS: tuple[Bug, ...] = (
    Bug("the line is latched", "receiver", replaced(Receiver, "elaborate", _latched_line)),
    Bug("an invalid entry is used", "sender", replaced(Sender, "_check_entry", _unchecked_entry)),
    Bug("a cache finds another entry", "sender", replaced(EntryCache, "elaborate", _loose_tag)),
    Bug("an invalidation is lost", "sender", replaced(EntryCache, "elaborate", _deaf_cache)),
    Bug(
        "a post's answer is taken for another",
        "hart unit latency 3",
        replaced(Sender, "elaborate", _one_post),
    ),
    Bug("a post without token", "throttle", replaced(Throttle, "elaborate", _free_token)),
    Bug("everybody's transfer ends", "bus", replaced(BusArbiter, "elaborate", _everybody_ends)),
    Bug(
        "an operation is presented twice",
        "targets latency 3 wait states 0",
        replaced(ControllerBridge, "elaborate", _presented_twice),
    ),
    Bug(
        "posts are not waited for",
        "targets latency 3 wait states 0",
        replaced(ControlPage, "elaborate", _no_drain),
    ),
    Bug(
        "no answer from nowhere",
        "targets latency 3 wait states 0",
        replaced(BusDecoder, "elaborate", _silent_error),
    ),
    Bug(
        "the controller is never busy",
        "system quiet latency 3",
        replaced(Controller, "elaborate", _impatient),
    ),
)

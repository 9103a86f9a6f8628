"""Broken designs that the proofs of hart units, bus and whole system have to notice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.hdl import Cat, Mux, Signal

from uintr.axi_lite import AxiLiteManager
from uintr.bridge import ControllerBridge
from uintr.control_page import ControlPage
from uintr.controller import Controller
from uintr.entry_cache import EntryCache
from uintr.half_words import HalfWords
from uintr.hart_unit import HartUnit
from uintr.receiver import Receiver
from uintr.registers import Csr, RequestKind
from uintr.rejected import RejectedCounter
from uintr.sender import Sender
from uintr.system import System
from uintr.throttle import Throttle
from uintr.wishbone import BusArbiter, BusDecoder
from uintr_formal.bug import Bug, also, elaborated, replaced

__all__ = ["HART_BUGS"]


@also
def _latched_line(self: Any, m: Any) -> None:
    """The defect of the published RTL: an access to uip may take the line for the software bit."""
    with m.If(self.start & self.line & (self.request.kind == RequestKind.CSR)):
        m.d.sync += self.words[Csr.UIP][0].eq(1)


def _unchecked_entry(right: Any) -> Any:
    """The defect of the published RTL: the entry's valid bit is not looked at."""

    def wrong(self: Any, m: Any, operation: Any) -> None:
        with m.If(self.bus.dat_r[0]):
            right(self, m, operation)
        with m.Else():
            m.next = "POST"

    return wrong


@also
def _loose_tag(self: Any, m: Any) -> None:
    """The highest bit of the index is not compared, so another entry may be found."""
    place = self.index[:2]
    for number, entry in enumerate(self.entries):
        with m.If((place == number) & self.valid[number]):
            m.d.comb += self.hit.eq(entry.tag[:-1] == self.index[2:-1])


@also
def _deaf_cache(self: Any, m: Any) -> None:
    """An invalidation in the cycle in which an entry arrives is lost."""
    with m.If(self.fill):
        m.d.sync += self.valid.bit_select(self.index[:2], 1).eq(1)


@also
def _one_post(self: Any, m: Any) -> None:
    """Not more than one post is known to be on its way."""
    with m.If(self.posted):
        m.d.sync += self.unclaimed.eq(1)


@also
def _free_token(self: Any, m: Any) -> None:
    """A post that is accepted just when a token comes back costs nothing."""
    with m.If(self.posted & ~self.write & self.missing.any() & (self.left == 1)):
        m.d.sync += self.missing.eq(self.missing - 1)


@also
def _no_drain(self: Any, m: Any) -> None:
    """A transfer is handed over in the first cycle, and once more after it has ended."""
    m.d.comb += self.operates.eq(self.bus.cyc & self.bus.stb & self.bus.we)


@also
def _silent_error(self: Any, m: Any) -> None:
    """An address of no target is not answered, as in the published RTL."""
    m.d.comb += self.bus.err.eq(0)


@also
def _first_word(self: Any, m: Any) -> None:
    """Whatever is read, the word of the first target is answered."""
    m.d.comb += self.bus.dat_r.eq(self.targets[0].dat_r)


@also
def _presented_twice(self: Any, m: Any) -> None:
    m.d.comb += self.port.operation.valid.eq(self.wanted | self.operates)


@also
def _everybody_ends(self: Any, m: Any) -> None:
    """The end of a transfer is shown to all who ask."""
    for each in self.initiators:
        m.d.comb += each.ack.eq(self.bus.ack & each.stb)


@contextmanager
def _forgotten_throttle(*, hides: bool = True) -> Iterator[None]:
    """The control page rests whatever its budgets do. They begin with a token that is on its way
    back, which no run of a few cycles comes to; with ``hides`` false that alone is so.
    """
    page, begin = ControlPage.elaborate, Throttle.__init__

    def restless(self: Any) -> None:
        begin(self)
        self.missing = Signal(len(self.missing), init=1, name="missing")
        self.left = Signal(len(self.left), init=5, name="left")

    def wrong(self: Any, platform: Any) -> Any:
        m = page(self, platform)
        if hides:
            m.d.comb += self.resting.eq(1)
        return m

    # No type fits: a design is broken by replacing a method, and mended again below.
    Throttle.__init__, ControlPage.elaborate = restless, wrong  # type: ignore[method-assign]
    try:
        yield
    finally:
        Throttle.__init__, ControlPage.elaborate = begin, page  # type: ignore[method-assign]


@also
def _impatient(self: Any, m: Any) -> None:
    """The controller says that it is idle whatever it does, the sweep included."""
    m.d.comb += self.idle.eq(1)


@also
def _errors_are_good(self: Any, m: Any) -> None:
    """Every response ends the transfer well."""
    m.d.comb += [self.bus.ack.eq(self.axi.bvalid | self.axi.rvalid), self.bus.err.eq(0)]


@also
def _bresp_alone(self: Any, m: Any) -> None:
    """A read ends well whatever its own response says."""
    ends, good = self.axi.bvalid | self.axi.rvalid, self.axi.bresp == 0
    m.d.comb += [self.bus.ack.eq(ends & good), self.bus.err.eq(ends & ~good)]


def _counting(start: int, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A counter of refusals that has come to ``start``, and goes on as ``step`` says."""

    def make(right: Any) -> Any:
        def wrong(self: Any, platform: Any) -> Any:
            m = right(self, platform)
            count = Signal(32, init=start)
            with m.If(self.refused):
                m.d.sync += count.eq(step(Mux(self.clear, 0, count)))
            with m.Elif(self.clear):
                m.d.sync += count.eq(0)
            m.d.comb += self.word.count.eq(count)
            return m

        return wrong

    return make


def _no_carry(count: Any) -> Any:
    return Cat((count[:16] + 1)[:16], count[16:])


@also
def _neighbours_posts(self: Any, m: Any) -> None:
    """The budget of hart 0 pays for what hart 1 posts."""
    m.d.comb += m.submodules.control_page.posted[0].eq(m.submodules.hart_unit_1.posted)


@also
def _lost_answer_bit(self: Any, m: Any) -> None:
    with m.If(self.receiver.start):
        m.d.sync += self.hart.response.payload.data[40].eq(0)


@also
def _both_lines(self: Any, m: Any) -> None:
    """The supervisor line interrupts the user too."""
    m.d.comb += self.receiver.line.eq(self.line | self.supervisor_line)


def _swept_once(right: Any) -> Any:
    """What was swept once is thought to be clean after every reset."""

    def wrong(self: Any, m: Any, swept: Any) -> Any:
        ever = Signal(reset_less=True)
        with m.If(swept):
            m.d.sync += ever.eq(1)
        with m.If(ever):
            m.d.sync += swept.eq(1)
        return right(self, m, swept)

    return wrong


@also
def _forgotten_turns(self: Any, m: Any) -> None:
    """The round robin does not hear whose turn was taken."""
    m.d.comb += self.round_robin.advance.eq(0)


@also
def _narrow_period(self: Any, m: Any) -> None:
    m.d.comb += self.word.period[23].eq(0)


@also
def _low_half_for_ever(self: Any, m: Any) -> None:
    """A low half is kept whatever comes between it and its high half."""
    with m.If(self.holds):
        m.d.sync += self.holds.eq(1)


HART_BUGS: tuple[Bug, ...] = (
    elaborated("an AXI error is taken for OK", "axi manager", AxiLiteManager, _errors_are_good),
    elaborated("AXI: BRESP alone", "axi manager", AxiLiteManager, _bresp_alone),
    elaborated(
        "refusals do not carry into bit 16",
        "rejected",
        RejectedCounter,
        _counting(0xFFFF, _no_carry),
    ),
    elaborated(
        "refusals wrap",
        "rejected",
        RejectedCounter,
        _counting(0xFFFF_FFFF, lambda count: count + 1),
    ),
    elaborated("a budget pays for another", "wiring", System, _neighbours_posts),
    elaborated("bit 40 of a CSR answer is lost", "hart unit latency 3", HartUnit, _lost_answer_bit),
    elaborated(
        "the supervisor line interrupts the user", "hart unit latency 3", HartUnit, _both_lines
    ),
    Bug(
        "a second reset does not sweep",
        "reset latency 3",
        replaced(Controller, "_grant", _swept_once),
    ),
    elaborated("turns are forgotten", "bus", BusArbiter, _forgotten_turns),
    elaborated("a period loses a bit", "throttle", Throttle, _narrow_period),
    elaborated("a low half is never forgotten", "half words", HalfWords, _low_half_for_ever),
    elaborated("the line is latched", "receiver", Receiver, _latched_line),
    Bug("an invalid entry is used", "sender", replaced(Sender, "_check_entry", _unchecked_entry)),
    elaborated("a cache finds another entry", "sender", EntryCache, _loose_tag),
    elaborated("an invalidation is lost", "sender", EntryCache, _deaf_cache),
    elaborated("a post's answer is taken for another", "hart unit latency 3", Sender, _one_post),
    elaborated("a post without token", "throttle", Throttle, _free_token),
    elaborated("everybody's transfer ends", "bus", BusArbiter, _everybody_ends),
    elaborated(
        "an operation is presented twice",
        "targets latency 3 wait states 0",
        ControllerBridge,
        _presented_twice,
    ),
    elaborated(
        "posts are not waited for", "targets latency 3 wait states 0", ControlPage, _no_drain
    ),
    elaborated("another target's word", "targets latency 3 wait states 0", BusDecoder, _first_word),
    elaborated(
        "no answer from nowhere", "targets latency 3 wait states 0", BusDecoder, _silent_error
    ),
    Bug("a throttle is forgotten", "system quiet latency 3", _forgotten_throttle),
    elaborated("the controller is never busy", "system quiet latency 3", Controller, _impatient),
)

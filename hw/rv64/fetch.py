"""The first stage: instructions out of the cache, one at a time, whatever their length."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rv64.cache import FRAME_BITS, INDEX_BITS, LINE_WORDS, CacheArray
from rv64.encoding import FAULT, Cause
from rv64.expand import FORMS, forms
from rv64.interfaces import BusPort
from rv64.tlb import SPACE, Tlb
from rv64.walker import WalkPort
from uintr.registers import XLEN

__all__ = ["FETCHED", "Fetch"]

FETCHED = data.StructLayout(
    {
        "valid": 1,
        "pc": XLEN,
        "raw": 32,  # as it stands in memory; a compressed one has zeros above
        "form": FORMS,  # which compressed one it is, one-hot; 0 if it is none that exists
        "next": XLEN,  # address behind it
        "fault": FAULT,
        "fault_above": 1,  # the fault is in its second half
    }
)
"""What the second stage gets."""

_WORD_OFFSET = 3
_HALVES = ("held_low", "shown_low", "low", "high")
_PLACE_BITS = LINE_WORDS.bit_length() - 1


class Fetch(wiring.Component):
    """Fetches words of eight bytes ahead, and hands on one instruction a cycle.

    A redirection in cycle t presents its target to the cache in t; the word is there in t + 1, and
    its instruction in ``fetched`` in t + 2. In t + 1 ``fetched`` is not valid. An instruction of 32
    bits at the end of a word takes a cycle more, unless the word before was fetched as well.

    A word that misses is fetched as a line, a page that misses is walked for; both go on when a
    redirection comes, and what they bring is kept. Instructions come from main memory alone.

    Parameters
    ----------
    ways : of the cache, 4 KiB each
    reset_vector : where the first instruction is

    Members
    -------
    redirect, target : instructions come from there; what was fetched is forgotten
    fetched, ready : an instruction; it is taken at the end of this cycle
    space, user : whose addresses, and the code runs in user mode
    walk : asks for a translation
    bus : fetches lines
    tlb : the lookaside buffer, for the walker to fill
    invalidate, invalidated : forget the cache: held until ``invalidated``, for one cycle
    miss : a line is asked for in this cycle
    """

    def __init__(self, *, ways: int, reset_vector: int) -> None:
        self._reset_vector = reset_vector
        self.tlb = Tlb()
        self._ways = ways
        super().__init__(
            {
                "redirect": In(1),
                "target": In(XLEN),
                "fetched": Out(FETCHED),
                "ready": In(1),
                "space": In(SPACE),
                "user": In(1),
                "walk": Out(WalkPort()),
                "bus": Out(BusPort()),
                "invalidate": In(1),
                "invalidated": Out(1),
                "miss": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Look a word up, cut an instruction out, and see to what is missing."""
        m = Module()
        m.submodules.tlb = tlb = self.tlb
        m.submodules.cache = cache = CacheArray(ways=self._ways, snooped=False)

        pc = Signal(XLEN, init=self._reset_vector)  # of the next instruction to hand on
        address = Signal(XLEN, init=self._reset_vector)  # of the word that the cache shows
        # Up to two words before, the first of which has something left. Whether there is room for
        # one more is known without what happens in this cycle.
        held, second = Signal(XLEN), Signal(XLEN)
        holds, full = Signal(), Signal()
        walk_fault = Signal()
        walk_access = Signal()
        running = Signal()
        advance = Signal()

        # The word that the cache shows.
        page_fault = ~tlb.rights.execute | (self.space.translated & (tlb.rights.user != self.user))
        present, bad = Signal(), Signal()
        bad_cause = Mux(
            Mux(walk_fault, walk_access, ~page_fault), Cause.FETCH_ACCESS, Cause.FETCH_PAGE
        )
        good = ~page_fault & tlb.rights.may_execute
        m.d.comb += [
            tlb.address.eq(address),
            tlb.space.eq(self.space),
            cache.frame.eq(tlb.frame),
            present.eq(running & tlb.hit & good & cache.hit & ~walk_fault),
            bad.eq(running & (walk_fault | (tlb.hit & ~good))),
        ]

        # The instruction at pc, from what is held and what is shown. The latter comes late: so each
        # half is or-ed from both, and what is held does not wait for it.
        place = pc[1:_WORD_OFFSET]
        ends, last = place >= 2, place == 3  # it ends the word if it is long; it does at any rate
        first_held, last_held = [held[16 * each :][:16] for each in range(4)], second[:16]
        first_shown = [cache.word[16 * each :][:16] for each in range(4)]

        def chosen(halves: list[Any], condition: Any) -> Any:
            """The half at pc, or else 0."""
            here = [(condition & (place == each)).replicate(16) for each in range(len(halves))]
            return reduce(or_, (a & b for a, b in zip(halves, here, strict=True)))

        held_low, shown_low, low, high = (Signal(16, name=name) for name in _HALVES)
        behind = Signal(XLEN)
        held_long, shown_long, compressed = Signal(), Signal(), Signal()
        available, faults = Signal(), Signal()
        m.d.comb += [
            held_low.eq(chosen(first_held, holds)),
            shown_low.eq(chosen(first_shown, ~holds)),
            low.eq(held_low | shown_low),
            high.eq(
                chosen(first_held[1:], holds)
                | chosen(first_shown[1:], ~holds)
                | last_held & (last & full).replicate(16)
                | first_shown[0] & (last & ~full).replicate(16)
            ),
            held_long.eq(held_low[:2].all()),
            shown_long.eq(shown_low[:2].all()),
            compressed.eq(~held_long & ~shown_long),
            behind.eq(Cat(pc[0], Mux(compressed, pc[1:] + 1, pc[1:] + 2))),
            available.eq(
                Mux(
                    holds,
                    full | present | ~(last & held_long),
                    present & ~(last & shown_long),
                )
            ),
            faults.eq(bad & (~holds | (last & held_long & ~full))),
        ]
        fetched = self.fetched
        with m.If(self.ready):
            m.d.sync += [
                fetched.valid.eq(available | faults),
                fetched.pc.eq(pc),
                fetched.raw.eq(Cat(low, high & (~compressed).replicate(16))),
                fetched.form.eq(Cat(condition for condition, _ in forms(low))),
                fetched.next.eq(behind),
                fetched.fault.valid.eq(faults),
                fetched.fault.cause.eq(bad_cause),
                fetched.fault_above.eq(holds),
            ]

        # While there is room, the word goes into a register, and the next one is looked up; that is
        # done before it is known whether this one is there, since a miss ends in a new lookup.
        uses_up = self.ready & (last | (ends & held_long)) & (full | present | ~(last & held_long))
        uses_all = self.ready & (last | (ends & shown_long)) & ~(last & shown_long)
        m.d.comb += advance.eq(present & ~full)
        with m.If(self.ready & available):
            m.d.sync += pc.eq(behind)
        with m.If(~full):
            m.d.sync += second.eq(cache.word)
        with m.If(~holds):
            m.d.sync += [held.eq(cache.word), holds.eq(present & ~uses_all)]
        with m.Elif(uses_up):
            m.d.sync += [held.eq(Mux(full, second, cache.word)), full.eq(0)]
            m.d.sync += holds.eq(full | present)
        with m.Elif(present):
            m.d.sync += full.eq(1)
        following = Signal(XLEN - _WORD_OFFSET)
        m.d.comb += following.eq(address[_WORD_OFFSET:] + 1)
        with m.If(advance):
            m.d.sync += address[_WORD_OFFSET:].eq(following)
        m.d.comb += [
            cache.index.eq(Mux(running, following, address[_WORD_OFFSET:])),
            cache.read.eq(self.redirect | ~full | ~running),
        ]
        with m.If(self.redirect):
            m.d.sync += [
                pc.eq(self.target),
                address.eq(Cat(Const(0, _WORD_OFFSET), self.target[_WORD_OFFSET:])),
                holds.eq(0),
                full.eq(0),
                walk_fault.eq(0),
                fetched.valid.eq(0),
            ]
            m.d.comb += cache.index.eq(self.target[_WORD_OFFSET:])

        self._misses(m, cache, tlb, running, good, walk_fault, walk_access, address)
        return m

    def _misses(
        self,
        m: Module,
        cache: CacheArray,
        tlb: Tlb,
        running: Any,
        good: Any,
        walk_fault: Any,
        walk_access: Any,
        address: Any,
    ) -> None:
        """Walks, lines, and the sweep. Each ends in a cycle in which the word is looked up anew."""
        line = Signal(len(self.bus.address) - _PLACE_BITS)
        place = Signal(range(LINE_WORDS))
        victim = Signal(range(self._ways))
        wanted = Signal(XLEN)
        void, superseded = Signal(), Signal()
        with m.If(self.redirect):
            m.d.sync += superseded.eq(1)
        m.d.comb += [
            self.walk.address.eq(wanted),
            self.walk.space.eq(self.space),
            self.bus.line.eq(1),
            self.bus.address.eq(Cat(Const(0, _PLACE_BITS), line)),
            cache.write_index.eq(Cat(place, line[: INDEX_BITS - _PLACE_BITS])),
            cache.write_data.eq(self.bus.read_data),
            cache.write_mask.eq(~0),
            cache.tag_line.eq(line),
            cache.tag_frame.eq(line[-FRAME_BITS:]),
            cache.tag_valid.eq(1),
        ]
        with m.FSM(init="SWEEP"):
            with m.State("SWEEP"), m.If(~cache.sweeping):
                m.d.comb += self.invalidated.eq(1)
                m.next = "AGAIN"

            with m.State("AGAIN"):
                m.next = "RUN"

            with m.State("RUN"):
                m.d.comb += running.eq(1)
                m.d.sync += [place.eq(0), wanted.eq(address), superseded.eq(0)]
                m.d.sync += void.eq(self.redirect)
                with m.If(self.invalidate):
                    m.d.comb += cache.sweep.eq(1)
                    m.next = "SWEEP_BEGINS"
                with m.Elif(~walk_fault):
                    with m.If(~tlb.hit):
                        m.next = "WALK"
                    with m.Elif(good & ~cache.hit):
                        m.d.sync += line.eq(
                            Cat(address[_WORD_OFFSET + _PLACE_BITS : 12], tlb.frame)
                        )
                        m.next = "LINE"

            with m.State("SWEEP_BEGINS"):
                m.next = "SWEEP"

            # What is void at once is not even asked for.
            with m.State("WALK"):
                m.d.comb += self.walk.wanted.eq(~void)
                with m.If(void):
                    m.next = "AGAIN"
                with m.If(self.walk.done):
                    with m.If(~superseded & ~self.redirect):  # its address is still the one
                        m.d.sync += [
                            walk_fault.eq(self.walk.fault),
                            walk_access.eq(self.walk.access),
                        ]
                    m.next = "AGAIN"

            with m.State("LINE"):
                m.d.comb += self.bus.valid.eq(~void)
                with m.If(void):
                    m.next = "AGAIN"
                with m.Elif(self.bus.grant):
                    m.d.comb += self.miss.eq(1)
                    m.next = "WORDS"

            with m.State("WORDS"):
                with m.If(self.bus.beat):
                    m.d.comb += cache.write_ways.eq(1 << victim)
                    m.d.sync += place.eq(place + 1)
                with m.If(self.bus.last):
                    m.d.comb += cache.tag_ways.eq(1 << victim)
                    if self._ways > 1:
                        m.d.sync += victim.eq(victim + 1)
                    m.next = "AGAIN"

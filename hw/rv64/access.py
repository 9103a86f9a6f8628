"""The fourth stage: what an access finds in lookaside buffer and data cache."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rv64.align import LoadAlign, StoreAlign
from rv64.cache import INDEX_BITS, LINE_WORDS, CacheArray
from rv64.encoding import FAULT, Atomic, Cause, Kind
from rv64.execute import EXECUTED
from rv64.interfaces import SnoopPort
from rv64.memory_map import PHYSICAL_BITS
from rv64.tlb import SPACE, Tlb
from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN

__all__ = ["Access", "work"]

_PAGE_BITS = 12
_SAME = ("pc", "raw", "kind", "funct3", "rd", "interrupted", "b", "rs1", "rs2", "a", "next")
_PLACE_BITS = LINE_WORDS.bit_length() - 1
_WORD_OFFSET = 3


def work(ways: int) -> data.StructLayout:
    """What the last stage gets."""
    return data.StructLayout(
        {
            "valid": 1,
            "pc": XLEN,
            "raw": 32,
            "kind": Kind,
            "funct3": 3,
            "rd": 5,
            "interrupted": 1,
            "complete": 1,  # nothing is left to do but to write the result
            "stores": 1,  # nothing but to store in main memory
            "value": XLEN,  # the result, or the operand
            "virtual": XLEN,  # the address, which is also the value of a fault
            "fault": FAULT,
            "walk": 1,  # the page has to be walked for, and the instruction begun anew
            "device": 1,
            "address": PHYSICAL_BITS,
            "word": XLEN,  # to store, in its place
            "mask": WORD_BYTES,
            "b": XLEN,
            "hits": ways,  # a store: the way of the cache that its word is in
            # For the trace alone:
            "rs1": 5,
            "rs2": 5,
            "a": XLEN,
            "next": XLEN,
        }
    )


class Access(wiring.Component):
    """Looks an access up, and changes nothing: whatever has an effect is the last stage's.

    In every cycle the cache is asked: for the access that comes from the third stage, or for the
    one here while the last stage holds it. So what is found here is never older than the
    instruction ahead, which is what keeps loads in order.

    A load gets what it needs from stores that are on their way into the cache: from the one in the
    last stage, and from the one that left it a cycle ago. A load that finds its word is complete.

    Members
    -------
    executed : from the third stage; a register
    hold, next_address : the last stage holds; address of the access in the third stage
    finished : what the last stage shall do; combinational
    space, user, sum, mxr : whose addresses; the access is user code's; mstatus's bits
    tlb, cache : for walker and memory unit to fill
    store, last : a store leaves the last stage in this cycle; that stage
    snoop, snoop_address : somebody writes, or this hart behind the cache's back
    fill, place, done, fill_data : a word of the line of ``last`` arrives; it is the last one
    """

    def __init__(self, *, ways: int) -> None:
        self._ways = ways
        self.tlb = Tlb(ways=2)
        self.cache = CacheArray(ways=ways, snooped=True)
        super().__init__(
            {
                "executed": In(EXECUTED),
                "hold": In(1),
                "next_address": In(XLEN),
                "finished": Out(work(ways)),
                "space": In(SPACE),
                "user": In(1),
                "sum": In(1),
                "mxr": In(1),
                "store": In(1),
                "last": In(work(ways)),
                "snoop": In(SnoopPort()),
                "fill": In(1),
                "place": In(range(LINE_WORDS)),
                "done": In(1),
                "fill_data": In(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Translate, look up, merge with stores, align; then who writes the cache."""
        m = Module()
        m.submodules.tlb = tlb = self.tlb
        m.submodules.cache = cache = self.cache
        executed, finished, last = self.executed, self.finished, self.last
        kind, address = executed.kind, executed.result

        # Translation, and what it allows.
        is_load = (kind == Kind.LOAD) | ((kind == Kind.ATOMIC) & (executed.raw[27:] == Atomic.LR))
        accesses = kind.matches(Kind.LOAD, Kind.STORE, Kind.ATOMIC)
        physical = Cat(address[:_PAGE_BITS], tlb.frame)
        m.d.comb += [tlb.address.eq(address), tlb.space.eq(self.space)]
        # Each way is judged before it is known which one hits.
        page_good, good, in_memory = Signal(2), Signal(2), Signal(2)
        for way in range(2):
            rights = tlb.rights_of[way]
            of_user = Mux(self.user, rights.user, ~rights.user | self.sum)
            readable = rights.read | (self.mxr & rights.execute)
            m.d.comb += [
                page_good[way].eq(
                    ~self.space.translated
                    | (of_user & Mux(is_load, readable, rights.write & rights.dirty))
                ),
                good[way].eq(
                    page_good[way]
                    & Mux(is_load, rights.may_read, rights.may_write)
                    & ~((kind == Kind.ATOMIC) & rights.device)
                ),
                in_memory[way].eq(good[way] & ~rights.device),
            ]

        # The stores that the cache does not show yet.
        m.submodules.store_align = store_align = StoreAlign()
        m.submodules.load_align = load_align = LoadAlign()
        m.d.comb += [
            store_align.value.eq(executed.b),
            store_align.offset.eq(address[:_WORD_OFFSET]),
            store_align.size.eq(executed.funct3[:2]),
        ]
        # They are the same word if they are at the same index of the same way: nothing has to be
        # known of the translation.
        index = address[_WORD_OFFSET:_PAGE_BITS]
        before_hits = Signal(self._ways)
        before_index = Signal(INDEX_BITS)
        before_mask = Signal(WORD_BYTES)
        before_word = Signal(XLEN)
        m.d.sync += before_hits.eq(last.hits & self.store.replicate(self._ways))
        with m.If(self.store):
            m.d.sync += [
                before_index.eq(last.address[_WORD_OFFSET:]),
                before_mask.eq(last.mask),
                before_word.eq(last.word),
            ]

        def in_way(hits: Any) -> Any:
            return hits[0] if self._ways == 1 else (hits & cache.hits).any()

        same_last = in_way(last.hits) & (last.address[_WORD_OFFSET:_PAGE_BITS] == index)
        same_before = in_way(before_hits) & (before_index == index)
        merged = Signal(XLEN)
        for byte in range(WORD_BYTES):
            place = slice(8 * byte, 8 * byte + 8)
            newer = same_last & last.mask[byte]
            newest = Mux(newer, last.word[place], before_word[place])
            stored = newer | (same_before & before_mask[byte])
            m.d.comb += merged[place].eq(Mux(stored, newest, cache.word[place]))
        m.d.comb += [
            load_align.word.eq(merged),
            load_align.offset.eq(address[:_WORD_OFFSET]),
            load_align.funct3.eq(executed.funct3),
        ]

        # What comes of it.
        proper = tlb.proper & ~store_align.misaligned
        may = (tlb.hits & in_memory).any() & proper
        found = may & cache.hit
        m.d.comb += [
            finished.valid.eq(executed.valid),
            finished.complete.eq(~executed.fault.valid & (kind < Kind.LOAD)),
            finished.value.eq(Mux(kind == Kind.LOAD, load_align.value, executed.result)),
            finished.fault.eq(executed.fault),
            finished.device.eq(tlb.rights.device),
            finished.address.eq(physical),
            finished.word.eq(store_align.word),
            finished.mask.eq(store_align.mask),
            finished.hits.eq(
                cache.hits & (executed.valid & (kind == Kind.STORE)).replicate(self._ways)
            ),
            finished.virtual.eq(executed.result),
        ]
        for name in _SAME:
            m.d.comb += finished[name].eq(executed[name])
        with m.If(accesses & ~executed.fault.valid):
            m.d.comb += finished.walk.eq(~tlb.hit & ~store_align.misaligned)
            with m.If(store_align.misaligned):
                m.d.comb += [
                    finished.fault.valid.eq(1),
                    finished.fault.cause.eq(
                        Mux(is_load, Cause.LOAD_MISALIGNED, Cause.STORE_MISALIGNED)
                    ),
                ]
            with m.Elif((tlb.hits & ~good).any() & tlb.proper):
                m.d.comb += [
                    finished.fault.valid.eq(1),
                    finished.fault.cause.eq(
                        Mux(
                            (tlb.hits & page_good).any(),
                            Mux(is_load, Cause.LOAD_ACCESS, Cause.STORE_ACCESS),
                            Mux(is_load, Cause.LOAD_PAGE, Cause.STORE_PAGE),
                        )
                    ),
                ]
            with m.If((kind == Kind.LOAD) & found):
                m.d.comb += finished.complete.eq(1)
            with m.If(kind == Kind.STORE):
                m.d.comb += finished.stores.eq(may)

        # Who asks the cache, and who writes it: a store, or a line for the last stage.
        victim = Signal(range(self._ways))
        line = last.address[_WORD_OFFSET + _PLACE_BITS : _PAGE_BITS]
        m.d.comb += [
            cache.read.eq(1),
            cache.index.eq(Mux(self.hold, address, self.next_address)[_WORD_OFFSET:]),
            cache.frame.eq(tlb.frames[1]),
            cache.other_frame.eq(tlb.frames[0]),
            cache.is_other.eq(tlb.hits[0]),
            cache.snoop.eq(self.snoop.valid),
            cache.snoop_address.eq(self.snoop.address),
            cache.tag_line.eq(line),
            cache.tag_frame.eq(last.address[_PAGE_BITS:]),
            cache.tag_valid.eq(1),
        ]
        with m.If(self.fill):
            m.d.comb += [
                cache.write_ways.eq(1 << victim),
                cache.write_index.eq(Cat(self.place, line)),
                cache.write_mask.eq(~0),
                cache.write_data.eq(self.fill_data),
            ]
            with m.If(self.done):
                m.d.comb += cache.tag_ways.eq(1 << victim)
                if self._ways > 1:
                    m.d.sync += victim.eq(victim + 1)
        with m.Else():
            m.d.comb += [
                cache.write_ways.eq(last.hits & self.store.replicate(self._ways)),
                cache.write_index.eq(last.address[_WORD_OFFSET : _WORD_OFFSET + INDEX_BITS]),
                cache.write_mask.eq(last.mask),
                cache.write_data.eq(last.word),
            ]
        return m

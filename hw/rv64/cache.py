"""The arrays of one cache: tags and words, looked up by virtual index and physical frame."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rv64.interfaces import WORD_ADDRESS_BITS
from rv64.memory_map import PHYSICAL_BITS
from uintr.arbiter import select
from uintr.interfaces import WORD_BYTES
from uintr.registers import PAGE_BYTES, XLEN

__all__ = ["FRAME_BITS", "INDEX_BITS", "LINE_WORDS", "CacheArray"]

LINE_WORDS = 4
_OFFSET_BITS = LINE_WORDS.bit_length() - 1
INDEX_BITS = (PAGE_BYTES // WORD_BYTES - 1).bit_length()
"""Of a word within a page, and so within a way: no index is longer than what paging leaves alone,
so two names of one word are in one place."""
_LINE_BITS = INDEX_BITS - _OFFSET_BITS
FRAME_BITS = PHYSICAL_BITS - (PAGE_BYTES - 1).bit_length()

_TAG = data.StructLayout({"valid": 1, "frame": FRAME_BITS})


class CacheArray(wiring.Component):
    """One or more ways of 4 KiB, in lines of four words.

    What stands at ``index`` in cycle t is looked up in t + 1, where ``frame`` says which page is
    meant: ``hit`` and ``word`` answer in t + 1, with what was written before the end of t - 1. It
    does not change while it is looked at: an ``index`` is presented in every cycle, or ``read`` is
    low and the answer stays.

    A snooped write in cycle b has its line invalidated from lookups in b + 3 on.

    Parameters
    ----------
    ways : 4 KiB each
    snooped : there are others who write

    Members
    -------
    read, index, frame : look up
    other_frame, is_other : the page that is meant instead; whether it is, which may come late
    hit, hits, word : it is there; in which way, one-hot; the word
    write_ways, write_index, write_mask, write_data : write a word, in no or one way
    tag_ways, tag_line, tag_frame, tag_valid : write a tag, in no or one way
    snoop, snoop_address : somebody writes to this word
    sweep, sweeping : invalidate everything, a line a cycle; it is under way. Begins with reset, too
    """

    def __init__(self, *, ways: int, snooped: bool) -> None:
        self._ways = ways
        self._snooped = snooped
        super().__init__(
            {
                "read": In(1),
                "index": In(INDEX_BITS),
                "frame": In(FRAME_BITS),
                "other_frame": In(FRAME_BITS),
                "is_other": In(1),
                "hit": Out(1),
                "hits": Out(ways),
                "word": Out(XLEN),
                "write_ways": In(ways),
                "write_index": In(INDEX_BITS),
                "write_mask": In(WORD_BYTES),
                "write_data": In(XLEN),
                "tag_ways": In(ways),
                "tag_line": In(_LINE_BITS),
                "tag_frame": In(FRAME_BITS),
                "tag_valid": In(1),
                "snoop": In(1),
                "snoop_address": In(WORD_ADDRESS_BITS),
                "sweep": In(1),
                "sweeping": Out(1, init=1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Sweep, then each way."""
        m = Module()

        line = Signal(_LINE_BITS)
        with m.If(self.sweep):
            m.d.sync += [self.sweeping.eq(1), line.eq(0)]
        with m.Elif(self.sweeping):
            m.d.sync += line.eq(line + 1)
            with m.If(line.all()):
                m.d.sync += self.sweeping.eq(0)

        words = []
        for way in range(self._ways):
            store = memory.Memory(shape=unsigned(XLEN), depth=LINE_WORDS << _LINE_BITS, init=[])
            m.submodules[f"words_{way}"] = store
            read = store.read_port()
            write = store.write_port(granularity=8)
            m.d.comb += [
                read.addr.eq(self.index),
                read.en.eq(self.read),
                write.addr.eq(self.write_index),
                write.data.eq(self.write_data),
                write.en.eq(Mux(self.write_ways[way], self.write_mask, 0)),
            ]
            words.append(read.data)
            self._tags(m, way, line)
        m.d.comb += [
            self.hit.eq(self.hits.any()),
            self.word.eq(words[0] if self._ways == 1 else select(self.hits, words)),
        ]
        return m

    def _tags(self, m: Module, way: int, line: Any) -> None:
        """The tags of one way: lookup, snoop, and who writes."""
        store = memory.Memory(shape=_TAG, depth=1 << _LINE_BITS, init=[])
        m.submodules[f"tags_{way}"] = store
        read = store.read_port()
        write = store.write_port()
        m.d.comb += [
            read.addr.eq(self.index[_OFFSET_BITS:]),
            read.en.eq(self.read),
            self.hits[way].eq(
                read.data.valid
                & Mux(
                    self.is_other,
                    read.data.frame == self.other_frame,
                    read.data.frame == self.frame,
                )
            ),
        ]

        # Invalidations come before fills. Both cannot meet: the bus is the filler's.
        with m.If(self.sweeping):
            m.d.comb += [write.en.eq(1), write.addr.eq(line)]
        with m.Else():
            m.d.comb += [
                write.en.eq(self.tag_ways[way]),
                write.addr.eq(self.tag_line),
                write.data.valid.eq(self.tag_valid),
                write.data.frame.eq(self.tag_frame),
            ]
        if self._snooped:
            snoop = store.read_port()
            seen = Signal()
            address = Signal(WORD_ADDRESS_BITS)
            m.d.comb += snoop.addr.eq(self.snoop_address[_OFFSET_BITS:INDEX_BITS])
            m.d.comb += snoop.en.eq(self.snoop)
            m.d.sync += [seen.eq(self.snoop), address.eq(self.snoop_address)]
            # Not beside the sweep, which needs the port, clears everything, and keeps fills out.
            same = snoop.data.valid & (snoop.data.frame == address[INDEX_BITS:])
            with m.If(seen & same & ~self.sweeping):
                m.d.comb += [
                    write.en.eq(1),
                    write.addr.eq(address[_OFFSET_BITS:INDEX_BITS]),
                    write.data.valid.eq(0),
                ]

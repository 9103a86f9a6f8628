"""The sender-table entries that a hart's last UIPI SENDs have read."""

from typing import Any

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.registers import CACHE_ENTRIES, ENTRIES_PER_PAGE, SENDER_ENTRY, VECTORS

__all__ = ["INDEX_BITS", "EntryCache"]

INDEX_BITS = (4095 * ENTRIES_PER_PAGE - 1).bit_length()
"""Of an index below the largest size of a table."""

_PLACE_BITS = (CACHE_ENTRIES - 1).bit_length()
_VECTOR_BITS = (VECTORS - 1).bit_length()


class EntryCache(wiring.Component):
    """Entries by their index in the table, an index's place being its lowest bits.

    ``hit``, ``receiver`` and ``vector`` follow ``index`` in the same cycle. What is filled in a
    cycle is there from the next one on; ``invalidate`` in the same cycle wins.

    Members
    -------
    index : entry that is looked for or filled
    hit, receiver, vector : it is there, and what it says
    fill, fill_receiver, fill_vector : keep this; only of an entry that passed all checks
    invalidate : forget all
    valid, entries : what is kept, for a specification to see
    """

    def __init__(self) -> None:
        receiver = SENDER_ENTRY.field("receiver").width
        self._shape = data.StructLayout(
            {"tag": INDEX_BITS - _PLACE_BITS, "receiver": receiver, "vector": _VECTOR_BITS}
        )
        self.valid = Signal(CACHE_ENTRIES)
        self.entries = [
            Signal(self._shape, name=f"entry_{place}") for place in range(CACHE_ENTRIES)
        ]
        super().__init__(
            {
                "index": In(INDEX_BITS),
                "hit": Out(1),
                "receiver": Out(receiver),
                "vector": Out(_VECTOR_BITS),
                "fill": In(1),
                "fill_receiver": In(receiver),
                "fill_vector": In(_VECTOR_BITS),
                "invalidate": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Look up, fill, forget."""
        m = Module()
        place, tag = self.index[:_PLACE_BITS], self.index[_PLACE_BITS:]
        found = Array(self.entries)[place]
        m.d.comb += [
            self.hit.eq(self.valid.bit_select(place, 1) & (found.tag == tag)),
            self.receiver.eq(found.receiver),
            self.vector.eq(found.vector),
        ]
        with m.If(self.fill):
            m.d.sync += [
                self.valid.bit_select(place, 1).eq(1),
                found.tag.eq(tag),
                found.receiver.eq(self.fill_receiver),
                found.vector.eq(self.fill_vector),
            ]
        with m.If(self.invalidate):
            m.d.sync += self.valid.eq(0)
        return m

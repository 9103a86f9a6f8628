"""Translations that a walk has found."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rv64.cache import FRAME_BITS
from uintr.registers import XLEN

__all__ = ["ENTRIES", "RIGHTS", "SPACE", "Tlb", "VPN_BITS"]

ENTRIES = 16
_INDEX_BITS = 4
VPN_BITS = 27
_PAGE_BITS = 12

SPACE = data.StructLayout({"translated": 1, "machine": 1, "asid": 16})
"""Whose addresses they are: by page tables or not; of machine mode, which PMP treats its own way;
and which address space."""

RIGHTS = data.StructLayout(
    {
        "read": 1,
        "write": 1,
        "execute": 1,
        "user": 1,
        "dirty": 1,
        "may_read": 1,  # PMP and the kind of memory
        "may_write": 1,
        "may_execute": 1,
        "device": 1,  # not main memory: neither cached nor read ahead
    }
)
"""What a page table allows, and what PMP and the address itself do."""

_ENTRY = data.StructLayout(
    {"vpn": VPN_BITS - _INDEX_BITS, "space": SPACE, "frame": FRAME_BITS, "rights": RIGHTS}
)


class Tlb(wiring.Component):
    """Sixteen pages of 4 KiB a way, each in the place that its number gives it; larger pages come
    in pieces.

    The place is an exclusive or of parts of the page number, since what a program uses often lies
    at equal places of large blocks. Addresses that nothing translates are here too, with themselves
    as the translation: what PMP and the memory map have to say is then found in one place, and
    looked up in one way.

    ``hit``, ``frame`` and ``rights`` follow ``address`` and ``space`` in the same cycle. A fill or
    flush in cycle t is seen in t + 1; a flush wins. Fills go to the ways in turn.

    Parameters
    ----------
    ways : 1 or 2

    Members
    -------
    address, space : look up. An address whose upper bits are not the sign of the lower ones, or
        zero where nothing is translated, is never there
    hit, frame, rights : the answer
    frames, rights_of, hits : and what each way has to say, frames and rights without waiting for
        what hits, and ``hits`` for improper addresses too
    proper : the address is one that can be there
    fill, fill_vpn, fill_space, fill_frame, fill_rights : keep this page
    flush : forget all
    """

    def __init__(self, *, ways: int = 1) -> None:
        self._ways = ways
        super().__init__(
            {
                "address": In(XLEN),
                "space": In(SPACE),
                "hit": Out(1),
                "frame": Out(FRAME_BITS),
                "frames": Out(FRAME_BITS).array(self._ways),
                "rights_of": Out(RIGHTS).array(self._ways),
                "hits": Out(self._ways),
                "proper": Out(1),
                "rights": Out(RIGHTS),
                "fill": In(1),
                "fill_vpn": In(VPN_BITS),
                "fill_space": In(SPACE),
                "fill_frame": In(FRAME_BITS),
                "fill_rights": In(RIGHTS),
                "flush": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Look-up-table memory, and a bit for each entry."""
        m = Module()
        vpn = self.address[_PAGE_BITS : _PAGE_BITS + VPN_BITS]
        above = self.address[_PAGE_BITS + VPN_BITS - 1 :]
        place, fill_place = self._place(vpn), self._place(self.fill_vpn)
        turn = Signal(range(self._ways))
        hits, entries = [], []
        for way in range(self._ways):
            store = memory.Memory(shape=_ENTRY, depth=ENTRIES, init=[])
            m.submodules[f"entries_{way}"] = store
            read, write = store.read_port(domain="comb"), store.write_port()
            valid = Signal(ENTRIES, name=f"valid_{way}")
            m.d.comb += [
                read.addr.eq(place),
                write.addr.eq(fill_place),
                write.en.eq(self.fill & (turn == way)),
                write.data.vpn.eq(self.fill_vpn[_INDEX_BITS:]),
                write.data.space.eq(self.fill_space),
                write.data.frame.eq(self.fill_frame),
                write.data.rights.eq(self.fill_rights),
            ]
            with m.If(self.flush):
                m.d.sync += valid.eq(0)
            with m.Elif(write.en):
                m.d.sync += valid.bit_select(fill_place, 1).eq(1)
            m.d.comb += [
                self.frames[way].eq(read.data.frame),
                self.rights_of[way].eq(read.data.rights),
            ]
            entries.append(read.data)
            hits.append(
                valid.bit_select(place, 1)
                & (read.data.vpn == vpn[_INDEX_BITS:])
                & (read.data.space.as_value() == self.space.as_value())
            )
        if self._ways > 1:
            with m.If(self.fill):
                m.d.sync += turn.eq(~turn)

        m.d.comb += [
            self.hits.eq(Cat(hits)),
            self.proper.eq(~above.any() | (self.space.translated & above.all())),
            self.hit.eq(Cat(hits).any() & self.proper),
            self.frame.eq(entries[-1].frame),
            self.rights.eq(entries[-1].rights),
        ]
        for hit, entry in zip(hits[:-1], entries[:-1], strict=True):
            with m.If(hit):
                m.d.comb += [self.frame.eq(entry.frame), self.rights.eq(entry.rights)]
        return m

    @staticmethod
    def _place(vpn: Any) -> Any:
        """Which of the sixteen; with the tag it tells the whole number."""
        return vpn[:4] ^ vpn[4:8] ^ vpn[8:12] ^ vpn[16:20]

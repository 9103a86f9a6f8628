"""The page-table walker: fills both translation lookaside buffers."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, Signature

from rv64.cache import FRAME_BITS
from rv64.interfaces import WORD_ADDRESS_BITS
from rv64.tlb import RIGHTS, SPACE, VPN_BITS
from uintr.registers import XLEN

__all__ = ["PTE", "WalkPort", "Walker"]

_PAGE_BITS = 12
_LEVEL_BITS = 9
_TABLES = 3

PTE = data.StructLayout(
    {
        "valid": 1,
        "read": 1,
        "write": 1,
        "execute": 1,
        "user": 1,
        "global": 1,
        "accessed": 1,
        "dirty": 1,
        "software": 2,
        "ppn": 44,
        "reserved": 10,
    }
)
"""A page-table entry of Sv39."""


class WalkPort(Signature):
    """Who asks for a translation, seen from there.

    Members
    -------
    wanted, address, space : held until ``done``
    done : it is in the lookaside buffer, or ``fault``
    fault, access : there is none: an access fault, or else a page fault
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "wanted": Out(1),
                "address": Out(XLEN),
                "space": Out(SPACE),
                "done": In(1),
                "fault": In(1),
                "access": In(1),
            }
        )


class Walker(wiring.Component):
    """Looks a page up in memory, and what PMP and the memory map say of it.

    What makes an access illegal by its kind (read, write, user) is not the walker's: it is asked
    of the entry that it fills in. An entry that was not accessed before is a page fault, like one
    that is not valid: software sets those bits (Svade).

    A walk reads up to three words over the bus, which is coherent. Data comes before instructions.

    Parameters
    ----------
    ram_frame : page number of the beginning of main memory; below are devices

    Members
    -------
    data, fetch : who asks
    root : page number of the page table
    ram_pages : size of main memory in pages
    start, frame, machine, checked, allowed : to and from `Pmp`
    read, address, granted, beat, error, read_data : a word over the bus
    fill, vpn, space, to_frame, rights : for both buffers
    to_data : it is for the data side
    flush : what is under way may be old: it is not kept, and its owner asks again
    begins : a walk of page tables begins in this cycle
    """

    def __init__(self, *, ram_frame: int) -> None:
        self._ram_frame = ram_frame
        super().__init__(
            {
                "data": In(WalkPort()),
                "fetch": In(WalkPort()),
                "root": In(44),
                "ram_pages": In(FRAME_BITS + 1),
                "start": Out(1),
                "frame": Out(FRAME_BITS),
                "machine": Out(1),
                "checked": In(1),
                "allowed": In(3),
                "read": Out(1),
                "granted": In(1),
                "address": Out(WORD_ADDRESS_BITS),
                "beat": In(1),
                "error": In(1),
                "read_data": In(XLEN),
                "fill": Out(1),
                "vpn": Out(VPN_BITS),
                "space": Out(SPACE),
                "to_frame": Out(FRAME_BITS),
                "rights": Out(RIGHTS),
                "to_data": Out(1),
                "flush": In(1),
                "begins": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """From a root, level by level, to a leaf; then whether it may be used."""
        m = Module()
        vpn, space = self.vpn, self.space
        level = Signal(range(_TABLES))
        ppn = Signal(44)  # of the table to be read, or of the page found
        entry = Signal(PTE)
        leaf = Signal(PTE)
        stale = Signal()
        with m.If(self.flush):
            m.d.sync += stale.eq(1)

        numbers = [vpn[_LEVEL_BITS * each :][:_LEVEL_BITS] for each in range(_TABLES)]
        inside = Signal()
        device = Signal()
        offset = Signal(FRAME_BITS + 1)
        m.d.comb += [
            self.frame.eq(ppn),
            offset.eq(self.frame - self._ram_frame),
            device.eq(offset[-1]),
            inside.eq(~offset[-1] & (offset < self.ram_pages)),
            self.address.eq(Cat(Array(numbers)[level], self.frame)),
        ]
        beyond = ppn[FRAME_BITS:].any()

        def end(*, fault: Any = 0, access: Any = 0) -> None:
            for port, mine in ((self.data, self.to_data), (self.fetch, ~self.to_data)):
                m.d.comb += [port.done.eq(mine), port.fault.eq(fault), port.access.eq(access)]
            m.next = "IDLE"

        asked, wants = Signal(XLEN), Signal(SPACE)
        with m.If(self.data.wanted):
            m.d.comb += [asked.eq(self.data.address), wants.eq(self.data.space)]
        with m.Else():
            m.d.comb += [asked.eq(self.fetch.address), wants.eq(self.fetch.space)]

        with m.FSM():
            with m.State("IDLE"), m.If(self.data.wanted | self.fetch.wanted):
                above = asked[_PAGE_BITS + VPN_BITS - 1 :]
                m.d.sync += [
                    self.to_data.eq(self.data.wanted),
                    vpn.eq(asked[_PAGE_BITS:]),
                    space.eq(wants),
                    stale.eq(self.flush),
                    level.eq(_TABLES - 1),
                    leaf.eq(0),
                ]
                with m.If(wants.translated):
                    m.d.sync += ppn.eq(self.root)
                    m.next = "TABLE"
                    with m.If(above.any() & ~above.all()):
                        m.next = "PAGE_FAULT"
                    with m.Else():
                        m.d.comb += self.begins.eq(1)
                with m.Else():
                    m.d.sync += [
                        ppn.eq(asked[_PAGE_BITS:]),
                        leaf.read.eq(1),
                        leaf.write.eq(1),
                        leaf.execute.eq(1),
                        leaf.dirty.eq(1),
                    ]
                    m.next = "PAGE"
                    with m.If(above.any()):
                        m.next = "ACCESS_FAULT"

            with m.State("PAGE_FAULT"):
                end(fault=1)

            with m.State("ACCESS_FAULT"):
                end(fault=1, access=1)

            # The table itself must be in main memory, where a supervisor may read.
            with m.State("TABLE"):
                m.d.comb += self.start.eq(1)
                m.next = "TABLE_CHECK"
                with m.If(beyond | ~inside):
                    m.d.comb += self.start.eq(0)
                    m.next = "ACCESS_FAULT"

            with m.State("TABLE_CHECK"), m.If(self.checked):
                m.next = "READ"
                with m.If(~self.allowed[0]):
                    m.next = "ACCESS_FAULT"

            with m.State("READ"):
                m.d.comb += self.read.eq(1)
                with m.If(self.granted):
                    m.next = "WORD"

            with m.State("WORD"):
                with m.If(self.error):
                    m.next = "ACCESS_FAULT"
                with m.Elif(self.beat):
                    m.d.sync += entry.eq(self.read_data)
                    m.next = "ENTRY"

            with m.State("ENTRY"):
                m.d.sync += ppn.eq(entry.ppn)
                points = ~(entry.read | entry.write | entry.execute)
                low = Mux(level == 1, entry.ppn[:_LEVEL_BITS], entry.ppn[: 2 * _LEVEL_BITS])
                with m.If(~entry.valid | entry.reserved.any() | (entry.write & ~entry.read)):
                    m.next = "PAGE_FAULT"
                with m.Elif(points):
                    m.d.sync += level.eq(level - 1)
                    m.next = "TABLE"
                    with m.If((level == 0) | entry.user | entry.accessed | entry.dirty):
                        m.next = "PAGE_FAULT"
                with m.Else():
                    m.d.sync += leaf.eq(entry)
                    m.next = "PAGE"
                    with m.If(~entry.accessed | ((level != 0) & low.any())):
                        m.next = "PAGE_FAULT"
                    with m.If(level != 0):  # the piece of the large page
                        m.d.sync += ppn[:_LEVEL_BITS].eq(numbers[0])
                    with m.If(level == 2):
                        m.d.sync += ppn[_LEVEL_BITS : 2 * _LEVEL_BITS].eq(numbers[1])

            with m.State("PAGE"):
                m.d.comb += [self.start.eq(1), self.machine.eq(space.machine)]
                m.next = "PAGE_CHECK"

            with m.State("PAGE_CHECK"):
                m.d.comb += self.machine.eq(space.machine)
                with m.If(self.checked):
                    may = self.allowed & (~beyond & (inside | device)).replicate(3)
                    m.d.sync += [
                        self.to_frame.eq(self.frame),
                        self.rights.read.eq(leaf.read),
                        self.rights.write.eq(leaf.write),
                        self.rights.execute.eq(leaf.execute),
                        self.rights.user.eq(leaf.user),
                        self.rights.dirty.eq(leaf.dirty),
                        self.rights.may_read.eq(may[0]),
                        self.rights.may_write.eq(may[1]),
                        self.rights.may_execute.eq(may[2] & ~device),
                        self.rights.device.eq(device),
                    ]
                    m.next = "FILL"

            with m.State("FILL"):
                m.d.comb += self.fill.eq(~stale & ~self.flush)
                end()

        return m

"""SENDUIPI and notification processing: all that a hart does to UITTs and UPIDs."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.addresses import canonical
from uintr.intel.fabric import INTERRUPT
from uintr.intel.registers import MSRS, UITTE, UITTE_ADDRESS, UITTE_BYTES, UPID, Fault, Msr
from uintr.interfaces import ADDRESS_BITS, ANSWER, Wishbone, layout
from uintr.registers import XLEN, Status

__all__ = ["STATES", "DescriptorUnit"]

_PAIR_BITS = ADDRESS_BITS - 1
"""Width of an address that counts pairs of words, which is what entries and descriptors are."""
STATES = (
    "IDLE",
    "ENTRY",
    "ENTRY_ADDRESS",
    "STATUS",
    "PIR",
    "WRITE_PIR",
    "WRITE_STATUS",
    "NOTIFY",
)
_PLACE = (UITTE_BYTES - 1).bit_length()


class DescriptorUnit(wiring.Component):
    """Walks the UITT and updates UPIDs, each update under one lock of the bus.

    SENDUIPI, with ``start`` in cycle t: the entry is read, the UPID updated and, if that calls for
    it, an interrupt sent. Processing, with ``process`` in t: the UPID at ``pd`` is emptied. Every
    check that fails ends it there and then, before anything was written: both words are read before
    one is written, and both lie in one place of one memory.

    ``done`` is high in the cycle in which SENDUIPI ends: t, if its operand refuses it; that in
    which a transfer refuses it; that of the last write (t+10 at the earliest) without notification;
    that in which the interrupt is accepted (t+13 at the earliest) with it. Processing ends in the
    cycle of its last write (t+8 at the earliest).

    Members
    -------
    start, operand : begin SENDUIPI; not before the one before is done
    process : begin notification processing; never together with ``start``, nor before the end
    enabled, tt, misc, pd : registers, as they are in that cycle
    done : SENDUIPI ends in this cycle
    answer : how it ended, while ``done``
    refused, cause : it ends in this cycle without effect, and why
    ended : processing ends in this cycle
    merge, merged : it ends well, with these requests for UIRR
    lost : it ends with a bus error
    bus, lock : to memory
    interrupt : to the fabric
    state, posting, address, status, word, vector : what is under way; for a specification to see
    """

    def __init__(self) -> None:
        self.posting = Signal()  # SENDUIPI, not processing
        self.address = Signal(_PAIR_BITS)
        self.status = Signal(XLEN)  # first word: of the entry, then of the UPID
        self.word = Signal(XLEN)  # PIR as it was read
        self.vector = Signal(6)
        self.state = Signal(len(STATES))  # one bit for each of `STATES`
        super().__init__(
            {
                "start": In(1),
                "operand": In(XLEN),
                "process": In(1),
                "enabled": In(1),
                "tt": In(layout(MSRS[Msr.UINTR_TT])),
                "misc": In(layout(MSRS[Msr.UINTR_MISC])),
                "pd": In(layout(MSRS[Msr.UINTR_PD])),
                "done": Out(1),
                "answer": Out(ANSWER),
                "refused": Out(1),
                "cause": Out(Fault),
                "ended": Out(1),
                "merge": Out(1),
                "merged": Out(XLEN),
                "lost": Out(1),
                "bus": Out(Wishbone()),
                "lock": Out(1),
                "interrupt": Out(stream.Signature(INTERRUPT)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One state for each transfer and for the interrupt."""
        m = Module()
        bus = self.bus
        posting, status = self.posting, self.status
        upid = data.View(layout(UPID), status)
        second = Signal()  # the second word of the pair is meant
        m.d.comb += [
            bus.adr.eq(Cat(second, self.address)),
            bus.sel.eq(~0),
            bus.stb.eq(bus.cyc),
            self.merged.eq(self.word),
            self.interrupt.payload.vector.eq(upid.nv),
            self.interrupt.payload.destination.eq(upid.ndst),
        ]

        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.start):
                    self._begin(m)
                with m.Elif(self.process):
                    m.d.sync += [posting.eq(0), self.address.eq(self.pd.as_value()[_PLACE:])]
                    m.next = "STATUS"

            with m.State("ENTRY"):
                m.d.comb += [bus.cyc.eq(1), self.lock.eq(1)]
                with m.If(bus.err):
                    self._fail(m)
                with m.Elif(bus.ack):
                    m.d.sync += status.eq(bus.dat_r)
                    m.next = "ENTRY_ADDRESS"

            with m.State("ENTRY_ADDRESS"):
                m.d.comb += [bus.cyc.eq(1), second.eq(1)]
                with m.If(bus.err):
                    self._fail(m)
                with m.Elif(bus.ack):
                    self._check_entry(m)

            with m.State("STATUS"):
                found = data.View(layout(UPID), bus.dat_r)
                bad = posting & (found.reserved.any() | found.reserved_mid.any())
                m.d.comb += [bus.cyc.eq(1), self.lock.eq(~bad)]
                with m.If(bus.err):
                    self._fail(m)
                with m.Elif(bus.ack & bad):
                    self._refuse(m, Fault.DESCRIPTOR)
                with m.Elif(bus.ack):
                    m.d.sync += status.eq(bus.dat_r)
                    m.next = "PIR"

            with m.State("PIR"):
                m.d.comb += [bus.cyc.eq(1), second.eq(1), self.lock.eq(1)]
                with m.If(bus.err):
                    self._fail(m)
                with m.Elif(bus.ack):
                    m.d.sync += self.word.eq(bus.dat_r)
                    m.next = "WRITE_PIR"

            with m.State("WRITE_PIR"):
                quiet = posting & (upid.on | upid.sn)
                m.d.comb += [
                    bus.cyc.eq(1),
                    bus.we.eq(1),
                    second.eq(1),
                    bus.dat_w.eq(Mux(posting, self.word | (1 << self.vector), 0)),
                    self.lock.eq(~quiet),
                ]
                with m.If(bus.err):
                    self._fail(m)
                with m.Elif(bus.ack & quiet):
                    self._end(m, Status.OK)
                with m.Elif(bus.ack):
                    m.next = "WRITE_STATUS"

            with m.State("WRITE_STATUS"):
                m.d.comb += [
                    bus.cyc.eq(1),
                    bus.we.eq(1),
                    bus.dat_w.eq(Cat(posting, status[1:])),
                ]
                with m.If(bus.err):
                    self._fail(m)
                with m.Elif(bus.ack & posting):
                    m.next = "NOTIFY"
                with m.Elif(bus.ack):
                    m.d.comb += [self.ended.eq(1), self.merge.eq(1)]
                    m.next = "IDLE"

            with m.State("NOTIFY"):
                m.d.comb += self.interrupt.valid.eq(1)
                with m.If(self.interrupt.ready):
                    self._end(m, Status.OK)

        m.d.comb += self.state.eq(Cat(fsm.ongoing(name) for name in STATES))
        return m

    def _end(self, m: Module, status: Status) -> None:
        m.d.comb += [self.done.eq(1), self.answer.status.eq(status)]
        m.next = "IDLE"

    def _refuse(self, m: Module, cause: Fault) -> None:
        """End SENDUIPI without effect."""
        status = {Fault.DISABLED: Status.UD, Fault.BUS: Status.BUS}.get(cause, Status.GP)
        m.d.comb += [self.refused.eq(1), self.cause.eq(cause)]
        self._end(m, status)

    def _fail(self, m: Module) -> None:
        """The transfer ended with an error."""
        with m.If(self.posting):
            self._refuse(m, Fault.BUS)
        with m.Else():
            m.d.comb += [self.ended.eq(1), self.lost.eq(1)]
        m.next = "IDLE"

    def _begin(self, m: Module) -> None:
        """The checks that need no memory, in their order."""
        entry = Signal(XLEN)
        m.d.comb += entry.eq(
            Cat(Const(0, _PLACE), self.tt.uittaddr) + (self.operand[:32] << _PLACE)
        )
        with m.If(~self.enabled | ~self.tt.enable):
            self._refuse(m, Fault.DISABLED)
        with m.Elif(self.operand > self.misc.uittsz):
            self._refuse(m, Fault.INDEX)
        with m.Elif(~canonical(entry)):
            self._refuse(m, Fault.TABLE)
        with m.Else():
            m.d.sync += [self.posting.eq(1), self.address.eq(entry[_PLACE:])]
            m.next = "ENTRY"

    def _check_entry(self, m: Module) -> None:
        """Both words of the entry: the first was kept, the second is on the bus."""
        entry = data.View(layout(UITTE), self.status)
        address = data.View(layout(UITTE_ADDRESS), self.bus.dat_r)
        with m.If(~entry.v):
            self._refuse(m, Fault.INVALID)
        with m.Elif(entry.reserved.any() | entry.reserved_high.any() | address.reserved.any()):
            self._refuse(m, Fault.ENTRY)
        with m.Elif(~canonical(self.bus.dat_r)):
            self._refuse(m, Fault.ADDRESS)
        with m.Else():
            m.d.sync += [self.vector.eq(entry.uv), self.address.eq(self.bus.dat_r[_PLACE:])]
            m.next = "STATUS"

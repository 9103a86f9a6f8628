"""Properties of UPID updates: two harts and a bus from outside, around one symbolic UPID.

* *atomic*: between the first read and the last write of an update, and between the locked read and
  write from outside, nobody else's transfer ends: what was read is what is still in memory;
* *conservation*: a bit of PIR is set by a post of its vector and by nothing else, stays until
  processing takes it, and is then in the word that processing hands to UIRR;
* *outstanding*: ON is set exactly while a notification is outstanding, that is, presented to the
  fabric, pending in IRR, or being processed; there is never more than one; ON set means PIR not
  empty, to whoever has the bus;
* *suppressed*: no notification is sent while SN is set;
* all other bits of the UPID are never changed, a notification has its NV and NDST, and nothing is
  written when SENDUIPI is refused.

The bus from outside does what a kernel does under the lock: it changes SN. Memory answers when it
likes. Together with the lock of the bus, proven for several numbers of initiators, the update of
one hart does not depend on how many others there are.
"""

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Module,
    Mux,
    Signal,
)
from amaranth.lib import data
from amaranth.lib.wiring import connect

from uintr.intel.bus import LockingArbiter
from uintr.intel.descriptor_unit import STATES, DescriptorUnit
from uintr.intel.registers import FIRST_VECTOR, MSRS, UITTE, UPID, Msr
from uintr.interfaces import ADDRESS_BITS, layout
from uintr.registers import VECTORS, XLEN
from uintr_formal.arbiter import ordered
from uintr_formal.specification import Specification

__all__ = ["UpdateSpec"]

_HARTS = 2
_PLACE, _VECTOR = 4, 7
_HELD = ("cyc", "stb", "we", "adr", "sel", "dat_w")


def _any(bits: Any) -> Any:
    return Cat(bits).any()


class UpdateSpec(Specification):
    """Parameters
    ----------
    narrow : one UPID, with SN set, one entry, and nobody at the bus from outside: few runs of all,
        which a solver finds sooner
    """

    def __init__(self, *, narrow: bool = False) -> None:
        super().__init__()
        self._narrow = narrow

    def specify(self, m: Module) -> None:
        """The UPID's words as memory has them, and what is known of them elsewhere."""
        m.submodules.arbiter = arbiter = LockingArbiter(count=_HARTS + 1)
        units = [DescriptorUnit() for _ in range(_HARTS)]
        outside, bus = arbiter.initiators[_HARTS], arbiter.bus
        ends = bus.ack | bus.err
        place = AnyConst(ADDRESS_BITS - 1)
        rest = AnyConst(XLEN)  # all bits of the first word but ON and SN
        chosen = AnyConst(range(VECTORS))
        on, sn = Signal(), Signal(init=self._narrow)
        pir = Signal(XLEN)
        first = Signal(XLEN)
        m.d.comb += first.eq(Cat(on, sn, rest[2:]))

        # Memory: the UPID, and anything at all elsewhere.
        here = Signal()
        m.d.comb += [
            here.eq(bus.adr[1:] == place),
            bus.ack.eq(AnySeq(1)),
            bus.err.eq(AnySeq(1)),
            bus.dat_r.eq(AnySeq(XLEN)),
            Assume(~ends | (arbiter.busy & bus.stb)),
            Assume(~(bus.ack & bus.err)),
            Assume(~(bus.err & here)),
            Assume(~(bus.ack & here) | (bus.dat_r == Mux(bus.adr[0], pir, first))),
        ]
        with m.If(bus.ack & bus.we & here):
            with m.If(bus.adr[0]):
                m.d.sync += pir.eq(bus.dat_w)
            with m.Else():
                m.d.sync += [on.eq(bus.dat_w[0]), sn.eq(bus.dat_w[1])]
                m.d.comb += Assert(bus.dat_w[2:] == rest[2:])

        if self._narrow:
            entry = UITTE.pack(v=1, uv=_VECTOR)
            m.d.comb += [
                Assume(place == _PLACE),
                Assume(rest == UPID.pack(nv=FIRST_VECTOR, ndst=1)),
                Assume(chosen == _VECTOR),
                Assume(~bus.ack | here | (bus.dat_r == Mux(bus.adr[0], _PLACE << 4, entry))),
                Assume(~outside.stb),
                Assume(~arbiter.lock[_HARTS]),
            ]

        pending = Signal()  # the notification is in IRR
        want = Signal()  # the chosen vector was posted and not handed over yet
        states, ours, begins = [], [], []
        for number, unit in enumerate(units):
            m.submodules[f"unit_{number}"] = unit
            connect(m, unit.bus, arbiter.initiators[number])
            state = {name: unit.state[place] for place, name in enumerate(STATES)}
            states.append(state)
            here_too = Signal(name=f"ours_{number}")
            begin = Signal(name=f"begins_{number}")
            m.d.comb += [
                unit.start.eq(AnySeq(1)),
                unit.process.eq(AnySeq(1)),
                unit.operand.eq(AnySeq(XLEN)),
                unit.enabled.eq(AnySeq(1)),
                unit.tt.as_value().eq(AnySeq(XLEN)),
                unit.misc.as_value().eq(AnySeq(XLEN)),
                unit.pd.as_value().eq(AnySeq(XLEN)),
                unit.interrupt.ready.eq(AnySeq(1)),
                Assume(~(unit.start | unit.process) | state["IDLE"]),
                Assume(~(unit.start & unit.process)),
                Assume(~unit.interrupt.ready | unit.interrupt.valid),
                here_too.eq(unit.address == place),
                begin.eq(unit.process & (unit.pd.as_value()[4:] == place)),
                Assume(~begin | pending),
            ]
            if self._narrow:
                m.d.comb += [
                    Assume(unit.enabled & (unit.operand == 0)),
                    Assume(unit.tt.as_value() == MSRS[Msr.UINTR_TT].pack(enable=1)),
                    Assume(unit.misc.as_value() == 0),
                ]
            ours.append(here_too)
            begins.append(begin)
        m.d.comb += [
            arbiter.lock.eq(Cat((unit.lock for unit in units), AnySeq(1))),
            Assume(~Cat(begins).all()),
        ]
        with m.If(_any(begins)):
            m.d.sync += pending.eq(0)

        self._outside(m, arbiter, outside, place, first)
        tokens = [pending]
        taken = []
        for number, (unit, state, our) in enumerate(zip(units, states, ours, strict=True)):
            own = arbiter.initiators[number]
            updating = state["PIR"] | state["WRITE_PIR"] | state["WRITE_STATUS"]
            transferring = updating | state["STATUS"] | state["ENTRY"] | state["ENTRY_ADDRESS"]
            processing = ~unit.posting & (state["STATUS"] | updating)
            upid = data.View(layout(UPID), unit.status)
            tokens += [our & state["NOTIFY"], our & processing]
            taken.append(
                our & ~unit.posting & state["WRITE_STATUS"] & unit.word.bit_select(chosen, 1)
            )
            m.d.comb += [
                # Memory begins and ends at a page, so of a pair only the first word can fail.
                Assume(~own.err | ~(updating | state["ENTRY_ADDRESS"])),
                # Atomic.
                Assert(~updating | (arbiter.busy & (arbiter.owner == 1 << number))),
                Assert(~state["ENTRY_ADDRESS"] | (arbiter.busy & (arbiter.owner == 1 << number))),
                Assert(~(arbiter.busy & arbiter.owner[number]) | transferring),
                Assert(~updating | ~ends | own.ack | own.err),
                Assert(own.stb == transferring),
                Assert(own.cyc == own.stb),
                Assert(~(state["ENTRY"] | state["ENTRY_ADDRESS"] | state["NOTIFY"]) | unit.posting),
                # Nothing is written by what is refused.
                Assert(~unit.refused | ~own.we),
                Assert(~(own.stb & own.we) | state["WRITE_PIR"] | state["WRITE_STATUS"]),
                Assert(
                    ~(unit.posting & updating) | ~(upid.reserved.any() | upid.reserved_mid.any())
                ),
                # No notification with SN, nor with ON.
                Assert(~(unit.posting & state["WRITE_STATUS"]) | ~(upid.on | upid.sn)),
                Assert(~state["NOTIFY"] | ~(upid.on | upid.sn)),
                Assert(unit.interrupt.valid == state["NOTIFY"]),
            ]
            with m.If(our & updating):
                m.d.comb += Assert(unit.status == first)
            with m.If(our & state["WRITE_PIR"]):
                m.d.comb += Assert(unit.word == pir)
            with m.If(our & state["WRITE_STATUS"]):
                m.d.comb += Assert(
                    pir == Mux(unit.posting, unit.word | (Const(1, XLEN) << unit.vector), 0)
                )
            with m.If(our & state["NOTIFY"]):
                m.d.comb += [
                    Assert(unit.interrupt.payload.vector == rest[16:24]),
                    Assert(unit.interrupt.payload.destination == rest[32:]),
                    Assert(unit.status[2:] == rest[2:]),
                ]
                with m.If(unit.interrupt.ready):
                    m.d.sync += pending.eq(1)
            posted = our & unit.posting & state["WRITE_PIR"] & own.ack
            with m.If(posted & (unit.vector == chosen)):
                m.d.sync += want.eq(1)
            with m.If(our & unit.merge & unit.merged.bit_select(chosen, 1)):
                m.d.sync += want.eq(0)
                m.d.comb += Assert(want)
            m.d.comb += Assert(~(our & unit.merge) | (unit.merged.bit_select(chosen, 1) == want))

        count = sum((Cat(token, Const(0, 3)) for token in tokens), Const(0, 4))
        m.d.comb += [
            Assert(want == (pir.bit_select(chosen, 1) | _any(taken))),
            Assert(on == _any(tokens)),
            Assert(count <= 1),
            Assert(
                ~on
                | pir.any()
                | _any(our & ~unit.posting & state["WRITE_STATUS"]
                       for unit, state, our in zip(units, states, ours, strict=True))
            ),
            Cover(pending & sn & on),
            Cover(want & sn & ~on),
            Cover(_any(taken)),
            Cover(_any(our & state["NOTIFY"] for state, our in zip(states, ours, strict=True))),
            Cover(_any(unit.refused & state["STATUS"]
                       for unit, state in zip(units, states, strict=True))),
        ]  # fmt: skip

    def _outside(self, m: Module, arbiter: Any, outside: Any, place: Any, first: Any) -> None:
        """The kernel's locked read-modify-write of SN."""
        for name in _HELD:
            signal = getattr(outside, name)
            m.d.comb += signal.eq(AnySeq(len(signal)))
        now = Cat(getattr(outside, name) for name in _HELD)
        past = Signal(len(now))
        held = Signal()
        m.d.sync += [past.eq(now), held.eq(outside.stb & ~outside.ack & ~outside.err)]
        m.d.comb += Assume(outside.cyc == outside.stb)
        with m.If(held):
            m.d.comb += Assume(now == past)

        lock = arbiter.lock[_HARTS]
        our = Signal()
        knows = Signal()  # the first word was read under the lock that is still held
        word = Signal(XLEN)
        m.d.comb += our.eq(outside.adr[1:] == place)
        with m.If(outside.ack & lock & our & ~outside.adr[0]):
            m.d.sync += [knows.eq(1), word.eq(Mux(outside.we, outside.dat_w, outside.dat_r))]
        with m.Elif((outside.ack & ~lock) | outside.err | (~outside.stb & ~lock)):
            m.d.sync += knows.eq(0)
        with m.If(outside.stb & outside.we & our):
            m.d.comb += [
                Assume(knows & ~outside.adr[0]),
                Assume(outside.dat_w == Cat(word[0], outside.dat_w[1], word[2:])),
            ]
        with m.If(knows):
            m.d.comb += [
                Assert(arbiter.busy & (arbiter.owner == 1 << _HARTS)),
                Assert(word == first),
            ]
        m.d.comb += [
            Assert(~arbiter.busy | ((arbiter.owner & (arbiter.owner - 1)) == 0)),
            Assert(~arbiter.busy | arbiter.owner.any()),
            *ordered(arbiter.round_robin),
            Assert(~held | ~arbiter.busy | (arbiter.owner != 1 << _HARTS) | outside.stb),
            Cover(knows & outside.ack & outside.we & ~first[1]),
        ]

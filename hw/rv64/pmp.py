"""Physical memory protection: its registers, and the search through them."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rv64.cache import FRAME_BITS
from uintr.registers import XLEN

__all__ = ["PMP_ENTRIES", "Pmp"]

PMP_ENTRIES = 8
_ADDRESS_BITS = 54
_GRAIN = 10
"""Nothing below a page of 4 KiB is told apart: 2 ** (10 + 2) bytes."""
_OFF, _TOR, _NAPOT = 0, 1, 3

CONFIGURATION = data.StructLayout(
    {"read": 1, "write": 1, "execute": 1, "mode": 2, "reserved": 2, "locked": 1}
)


class Pmp(wiring.Component):
    """Eight entries with a grain of a page, so that a translation lookaside buffer can hold what
    they say of it. They are searched one a cycle, when a page is walked for; nothing is compared
    when memory is accessed.

    After reset entry 0 allows everything to everybody, for software that knows nothing of it.

    With ``start`` in cycle t, ``done`` is high for one cycle, in t + 1 + n where entry n matches
    or is the last in use.

    Members
    -------
    start, frame, machine : what about this page, in machine mode or below?
    done, allowed : the answer: read, write, execute
    number, address : pmpaddr of that number as it reads
    configuration : pmpcfg0 as it reads
    write_address, write_configuration, data : change pmpaddr ``number``, or pmpcfg0
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "frame": In(FRAME_BITS),
                "machine": In(1),
                "done": Out(1),
                "allowed": Out(3),
                "number": In(range(PMP_ENTRIES)),
                "address": Out(XLEN),
                "configuration": Out(XLEN),
                "write_address": In(1),
                "write_configuration": In(1),
                "data": In(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Registers as software sees them, then the search."""
        m = Module()
        m.submodules.addresses = addresses = memory.Memory(
            shape=unsigned(_ADDRESS_BITS), depth=PMP_ENTRIES, init=[(1 << _ADDRESS_BITS) - 1]
        )
        everything = {"read": 1, "write": 1, "execute": 1, "mode": _NAPOT}
        entries = [
            Signal(CONFIGURATION, name=f"pmp{number}", init={} if number else everything)
            for number in range(PMP_ENTRIES)
        ]
        shown, read, write = (
            addresses.read_port(domain="comb"),
            addresses.read_port(domain="comb"),
            addresses.write_port(),
        )
        first = Signal(init=1)  # reset has to put entry 0 back
        m.d.sync += first.eq(0)

        # Registers. A locked entry keeps still, and the one below it if that is its lower bound.
        number = self.number
        locked = Cat(entry.locked for entry in entries)
        bounds = Cat(*(entry.locked & (entry.mode == _TOR) for entry in entries[1:]), Const(0, 1))
        napot = Cat(entry.mode[1] for entry in entries)
        m.d.comb += [
            shown.addr.eq(number),
            self.address.eq(
                Mux(
                    napot.bit_select(number, 1),
                    shown.data | (1 << _GRAIN - 1) - 1,
                    Cat(Const(0, _GRAIN), shown.data[_GRAIN:]),
                )
            ),
            self.configuration.eq(Cat(*entries)),
            write.addr.eq(Mux(first, 0, number)),
            write.data.eq(Mux(first, ~0, self.data)),
            write.en.eq(
                first
                | (
                    self.write_address
                    & ~(locked.bit_select(number, 1) | bounds.bit_select(number, 1))
                )
            ),
        ]
        for place, entry in enumerate(entries):
            new = data.View(CONFIGURATION, self.data.word_select(place, 8))
            with m.If(self.write_configuration & ~entry.locked):
                m.d.sync += [
                    entry.read.eq(new.read),
                    entry.write.eq(new.write & new.read),
                    entry.execute.eq(new.execute),
                    entry.mode.eq(new.mode | new.mode[1]),  # four bytes are too small
                    entry.locked.eq(new.locked),
                ]

        # The search. Pages beyond the physical addresses that exist are all the same.
        place = Signal(range(PMP_ENTRIES))
        lower = Signal(FRAME_BITS + 1)
        busy = Signal()
        entry = Signal(CONFIGURATION)
        active = Cat(each.mode.any() for each in entries)
        above = read.data[_GRAIN + FRAME_BITS :]
        upper = Signal(FRAME_BITS + 1)
        same = read.data[_GRAIN - 1 : _GRAIN + FRAME_BITS]
        covered = Signal(FRAME_BITS + 2)  # the lowest zero, and the ones below it
        match = Signal()
        m.d.comb += [
            read.addr.eq(place),
            entry.eq(Array(entries)[place]),
            upper.eq(Cat(read.data[_GRAIN:][:FRAME_BITS], above.any())),
            covered.eq(same ^ (same + 1)),
        ]
        with m.Switch(entry.mode):
            with m.Case(_OFF):
                m.d.comb += match.eq(0)
            with m.Case(_TOR):
                m.d.comb += match.eq((self.frame >= lower) & (self.frame < upper))
            with m.Default():
                m.d.comb += match.eq(
                    ~((upper[:FRAME_BITS] ^ self.frame) & ~covered[1:]).any()
                    & ~(above & Mux(covered[-1], above + 1, ~0)).any()
                )
        with m.If(self.start):
            m.d.sync += [busy.eq(1), place.eq(0), lower.eq(0)]
        with m.Elif(busy):
            m.d.sync += [place.eq(place + 1), lower.eq(upper)]
            with m.If(match):
                m.d.comb += [
                    self.done.eq(1),
                    self.allowed.eq(
                        Cat(entry.read, entry.write, entry.execute)
                        | (self.machine & ~entry.locked).replicate(3)
                    ),
                ]
            with m.Elif(~(active >> place)[1:].any()):
                m.d.comb += [self.done.eq(1), self.allowed.eq(self.machine.replicate(3))]
            with m.If(self.done):
                m.d.sync += busy.eq(0)
        return m

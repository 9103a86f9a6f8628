"""The bus of all harts: who comes next, main memory behind its delay, and the way to devices."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.cache import LINE_WORDS
from rv64.interfaces import BusPort, MemoryPort, SnoopPort
from rv64.memory_map import PHYSICAL_BITS
from uintr.arbiter import RoundRobin, select
from uintr.interfaces import WORD_BYTES, Wishbone
from uintr.registers import XLEN

__all__ = ["Fabric"]

_WORD_BITS = (WORD_BYTES - 1).bit_length()
_CHANCE_BITS = 32
_CHANCE_TAPS = (31, 21, 1, 0)


class Fabric(wiring.Component):
    """One transfer at a time, in an order that all agree on: it is the memory order.

    The bus belongs to one initiator. A transfer of it is granted in the cycle in which it is
    presented; a write is then done in that cycle, and one a cycle can follow. While somebody else
    wants the bus it goes round after every transfer; otherwise it stays, and wanting it takes a
    cycle.

    A read granted in cycle t has its first word in t + 1 + latency, plus up to ``jitter``, and then
    one a cycle. Nothing else is granted before the last one.

    Every write is told to all other harts in its cycle.

    Parameters
    ----------
    harts : initiators from 0 on that are harts, and are told of writes
    others : initiators behind them, that only read
    ram_base : address of main memory

    Members
    -------
    initiators : array of `BusPort`
    snoop : array of `SnoopPort`, one a hart
    memory : main memory
    memory_words, latency, jitter, seed : see `Soc`
    devices : Wishbone
    tohost_address, tohost_valid, tohost_data : see `Soc`
    """

    def __init__(self, *, harts: int, others: int, ram_base: int) -> None:
        self._harts = harts
        self._count = harts + others
        self._first = ram_base >> _WORD_BITS
        super().__init__(
            {
                "initiators": In(BusPort()).array(self._count),
                "snoop": Out(SnoopPort()).array(harts),
                "memory": Out(MemoryPort()),
                "memory_words": In(32),
                "latency": In(8),
                "jitter": In(8),
                "seed": In(_CHANCE_BITS),
                "devices": Out(Wishbone()),
                "tohost_address": In(64),
                "tohost_valid": Out(1),
                "tohost_data": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The owner's transfer; memory; devices; the next owner."""
        m = Module()
        m.submodules.round_robin = round_robin = RoundRobin(count=self._count)
        owner = Signal(self._count, init=1)
        locked = Signal()

        def of_owner(name: str) -> Any:
            return select(owner, (getattr(each, name) for each in self.initiators))

        valid, write, device, line, lock = (
            Signal(name=name) for name in ("valid", "write", "device", "line", "lock")
        )
        address = Signal(PHYSICAL_BITS - _WORD_BITS)
        mask, word = Signal(WORD_BYTES), Signal(XLEN)
        for name, signal in (
            ("valid", valid),
            ("write", write),
            ("device", device),
            ("line", line),
            ("lock", lock),
            ("address", address),
            ("mask", mask),
            ("data", word),
        ):
            m.d.comb += signal.eq(of_owner(name))

        # Answers go to everybody; who listens is who asked.
        grant, beat, last, error = Signal(), Signal(), Signal(), Signal()
        answer = Signal(XLEN)
        for each, mine in zip(self.initiators, owner, strict=True):
            m.d.comb += [
                each.grant.eq(grant & mine),
                each.beat.eq(beat & mine),
                each.last.eq(last & mine),
                each.error.eq(error & mine),
                each.read_data.eq(answer),
            ]

        # Chance: a shift register with feedback, and a product that scales it.
        chance = Signal(_CHANCE_BITS)
        started = Signal()
        m.d.sync += started.eq(1)
        with m.If(~started):
            m.d.sync += chance.eq(Mux(self.seed == 0, 1, self.seed))
        with m.Elif(grant):
            feedback = chance[_CHANCE_TAPS[0]]
            for tap in _CHANCE_TAPS[1:]:
                feedback = feedback ^ chance[tap]
            m.d.sync += chance.eq(Cat(feedback, chance[:-1]))
        extra = (chance[:8] * (self.jitter + 1)) >> 8

        memory = self.memory
        inside = Signal()
        relative = Signal.like(address)
        m.d.comb += [relative.eq(address - self._first), inside.eq(relative < self.memory_words)]
        wait = Signal(9)
        left = Signal(range(LINE_WORDS + 1))
        reads = Signal()  # memory was read in the cycle before
        place = Signal.like(address)
        idle = Signal()
        m.d.sync += reads.eq(0)
        m.d.comb += [beat.eq(reads), memory.address.eq(place)]

        devices = self.devices
        is_write = Signal()
        kept, failed, of_device = Signal(XLEN), Signal(), Signal()
        m.d.comb += devices.we.eq(is_write)

        with m.FSM():
            with m.State("FREE"):
                m.d.comb += [
                    idle.eq(1),
                    grant.eq(valid & started),
                    memory.address.eq(relative),
                    memory.write_mask.eq(mask),
                    memory.write_data.eq(word),
                ]
                m.d.sync += [
                    place.eq(relative),
                    left.eq(Mux(line, LINE_WORDS, 1)),
                    wait.eq(self.latency + extra),
                    is_write.eq(write),
                ]
                with m.If(grant):
                    with m.If(device):
                        m.d.sync += [
                            devices.adr.eq(address),
                            devices.sel.eq(mask),
                            devices.dat_w.eq(word),
                        ]
                        m.next = "DEVICE"
                    with m.Elif(write):
                        m.d.comb += memory.enable.eq(inside & mask.any())
                    with m.Elif(inside):
                        m.next = "WAIT"
                    with m.Else():
                        m.next = "NOTHING"

            with m.State("WAIT"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait <= 1):
                    m.d.comb += memory.enable.eq(1)
                    m.d.sync += [
                        reads.eq(1),
                        left.eq(left - 1),
                        place.eq(place + 1),
                        wait.eq(1),
                    ]
                    with m.If(left == 1):
                        m.next = "END"

            with m.State("END"):
                m.d.comb += last.eq(1)
                m.next = "FREE"

            with m.State("NOTHING"):
                m.d.comb += error.eq(1)
                m.next = "FREE"

            with m.State("DEVICE"):
                m.d.comb += [devices.cyc.eq(1), devices.stb.eq(1)]
                m.d.sync += [failed.eq(devices.err), kept.eq(devices.dat_r)]
                with m.If(devices.ack | devices.err):
                    m.next = "DEVICE_END"

            # A device's answer goes through registers: what is made of it is not behind it.
            with m.State("DEVICE_END"):
                m.d.comb += [
                    of_device.eq(1),
                    beat.eq(~failed & ~is_write),
                    last.eq(~failed),
                    error.eq(failed),
                ]
                m.next = "FREE"
        m.d.comb += answer.eq(Mux(of_device, kept, memory.read_data))

        # Who is next: decided when a transfer ends, or while the owner wants nothing.
        turn = Signal()
        m.d.comb += [
            round_robin.requests.eq(Cat(each.valid for each in self.initiators)),
            turn.eq(Mux(idle, ~valid | (grant & write & ~device), last | error) & ~locked),
            round_robin.advance.eq(turn),
        ]
        with m.If(grant):
            m.d.sync += locked.eq(lock)
        with m.Elif(error):
            m.d.sync += locked.eq(0)
        with m.If(turn & round_robin.requests.any()):
            m.d.sync += owner.eq(round_robin.grant)

        # What is written is told.
        writes = grant & write & ~device & mask.any()
        for each, mine in zip(self.snoop, owner[: self._harts], strict=True):
            m.d.comb += [each.valid.eq(writes & ~mine), each.address.eq(address)]
        m.d.sync += [
            self.tohost_valid.eq(
                writes
                & mask[0]
                & self.tohost_address.any()
                & (address == self.tohost_address[_WORD_BITS:])
            ),
            self.tohost_data.eq(word & Cat(bit.replicate(8) for bit in mask)),
        ]
        return m

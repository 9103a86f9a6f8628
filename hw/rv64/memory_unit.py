"""Accesses that the data cache does not answer: misses, devices, atomics, fences."""

from enum import IntEnum
from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.align import LoadAlign
from rv64.alu import extend
from rv64.atomics import AtomicUnit
from rv64.cache import LINE_WORDS
from rv64.encoding import Atomic
from rv64.interfaces import BusPort, SnoopPort
from rv64.memory_map import PHYSICAL_BITS
from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN

__all__ = ["MemoryUnit", "Operation"]

_OFFSET = (WORD_BYTES - 1).bit_length()


class Operation(IntEnum):
    """What the last stage asks for."""

    FILL = 0  #: load from main memory: the line goes into the cache
    LOAD = 1  #: from a device
    STORE = 2  #: to a device
    ATOMIC = 3
    DRAIN = 4  #: wait until all stores are in memory


class MemoryUnit(wiring.Component):
    """Does one operation at a time for the last stage, while the pipeline stands.

    Whatever was stored before is in memory first: the bus unit sees to that. So a fence has only to
    wait for the store buffer to be empty, and an atomic is a fence as well.

    An AMO reads and writes with the bus locked in between. LR reads, and keeps the address as its
    reservation until another hart writes into that word of eight bytes, or the next SC. SC writes
    if the reservation is there in the very cycle in which the bus grants it, and writes nothing
    else: nobody comes between. Written words are invalidated in the hart's own cache, too.

    ``done`` is high for one cycle, with the answer; then the last stage shows it, and what the data
    cache answers from then on is as new as the operation.

    Members
    -------
    start, operation : begin; what to do
    address, funct3, funct5 : with what; held until ``done``, as word, mask and operand are
    word, mask : store data and bytes, in their places
    operand : rs2, for atomics
    done, value, failed : the answer: what a register gets; there is nothing at that address
    new : what an atomic wrote, in its place, with ``mask``; ``wrote``: it wrote at all
    drained : the store buffer is empty
    bus : to the bus unit
    snoop : what others write
    beat, place, last : a word of the line arrives, which one, and the last one
    own_write : the cache's word at ``address`` is written behind its back in this cycle
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "operation": In(Operation),
                "address": In(PHYSICAL_BITS),
                "funct3": In(3),
                "funct5": In(5),
                "word": In(XLEN),
                "mask": In(WORD_BYTES),
                "operand": In(XLEN),
                "done": Out(1),
                "value": Out(XLEN),
                "failed": Out(1),
                "new": Out(XLEN),
                "wrote": Out(1),
                "drained": In(1),
                "bus": Out(BusPort()),
                "snoop": In(SnoopPort()),
                "beat": Out(1),
                "place": Out(range(LINE_WORDS)),
                "last": Out(1),
                "own_write": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One state for each thing that is waited for."""
        m = Module()
        bus = self.bus
        operation = Signal(Operation)  # under way
        m.submodules.align = align = LoadAlign()
        m.submodules.atomic = atomic = AtomicUnit()

        filling = operation == Operation.FILL
        device = operation.matches(Operation.LOAD, Operation.STORE)
        is_lr = self.funct5 == Atomic.LR
        is_sc = self.funct5 == Atomic.SC

        word = Signal(XLEN)  # as it was read
        new = Signal(XLEN)  # to write
        place = self.place
        conditional = Signal()

        reserved = Signal()
        reservation = Signal(PHYSICAL_BITS)
        with m.If(self.snoop.valid & (self.snoop.address == reservation[_OFFSET:])):
            m.d.sync += reserved.eq(0)
        holds = reserved & (reservation == self.address)

        narrow = ~self.funct3[0]
        # What an AMO modifies does not wait for what other loads need.
        single = Mux(narrow & self.address[2], word[32:], word[:32])
        m.d.comb += [
            align.word.eq(word),
            align.offset.eq(self.address[:_OFFSET]),
            align.funct3.eq(self.funct3),
            atomic.old.eq(Cat(single, Mux(narrow, single[31].replicate(32), word[32:]))),
            atomic.operand.eq(Mux(narrow, extend(self.operand), self.operand)),
            atomic.function.eq(self.funct5),
            bus.device.eq(device),
            bus.line.eq(filling),
            bus.address.eq(
                Mux(
                    filling,
                    Cat(C(0, len(place)), self.address[_OFFSET + len(place) :]),
                    self.address[_OFFSET:],
                )
            ),
            bus.mask.eq(self.mask),
            bus.data.eq(new),
            self.new.eq(new),
        ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    operation.eq(self.operation),
                    place.eq(0),
                    self.failed.eq(0),
                    self.wrote.eq(0),
                ]
                with m.If(self.start):
                    m.d.sync += [new.eq(self.word), conditional.eq(0)]
                    m.next = "READ"
                    with m.If(self.operation == Operation.DRAIN):
                        m.next = "DRAIN"
                    with m.Elif(self.operation == Operation.STORE):
                        m.next = "WRITE"
                    with m.Elif((self.operation == Operation.ATOMIC) & is_sc):
                        m.d.sync += conditional.eq(1)
                        m.next = "WRITE"

            with m.State("DRAIN"), m.If(self.drained):
                m.next = "DONE"

            with m.State("READ"):
                m.d.comb += [
                    bus.valid.eq(1),
                    bus.lock.eq((operation == Operation.ATOMIC) & ~is_lr),
                ]
                with m.If(bus.grant):
                    with m.If(is_lr & (operation == Operation.ATOMIC)):
                        m.d.sync += [reserved.eq(1), reservation.eq(self.address)]
                    m.next = "ANSWER"

            with m.State("ANSWER"):
                with m.If(bus.beat):
                    m.d.sync += place.eq(place + 1)
                    with m.If(~filling | (place == self.address[_OFFSET : _OFFSET + len(place)])):
                        m.d.sync += word.eq(bus.read_data)
                m.d.comb += [self.beat.eq(bus.beat & filling), self.last.eq(bus.last & filling)]
                with m.If(bus.error):
                    m.d.sync += self.failed.eq(1)
                    m.next = "DONE"
                with m.Elif(bus.last):
                    m.next = "DONE"
                    with m.If((operation == Operation.ATOMIC) & ~is_lr):
                        m.next = "MODIFY"

            with m.State("MODIFY"):
                m.d.sync += new.eq(Mux(narrow, Cat(atomic.new[:32], atomic.new[:32]), atomic.new))
                m.next = "WRITE"

            with m.State("WRITE"):
                m.d.comb += [bus.valid.eq(1), bus.write.eq(1)]
                with m.If(conditional & ~holds):
                    m.d.comb += bus.mask.eq(0)
                with m.If(bus.grant):
                    m.d.sync += self.wrote.eq(~conditional | holds)
                    with m.If(conditional):
                        m.d.sync += reserved.eq(0)
                    m.d.comb += self.own_write.eq(~device)
                    m.next = "SETTLE"
                    with m.If(device):
                        m.next = "ANSWER"

            with m.State("SETTLE"):
                m.next = "DONE"

            with m.State("DONE"):
                m.d.comb += [
                    self.done.eq(1),
                    self.value.eq(Mux(conditional, ~self.wrote, align.value)),
                ]
                m.next = "IDLE"
        return m

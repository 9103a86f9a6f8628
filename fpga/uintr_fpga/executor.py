"""Executes programs from the command memory against the clock-stepped system."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from uintr.interfaces import HartPort, Wishbone
from uintr.registers import PAGE_BYTES, Privilege
from uintr_fpga.run_controller import LIMIT_BITS, RunController
from uintr_fpga.window import COMMAND_WORDS, MAGIC, PROGRAM_WORDS, RESULT_WORDS, Operation

__all__ = ["LINES", "Executor"]

LINES = ("interrupt", "supervisor_interrupt")
"""Interrupt lines of a hart port, in the order in which the window shows them: all harts' first
line, then all harts' second."""

_WORD_BITS = 32
_INDEX = 8
_TABLE_WORD = 8
_PAGE_BITS = (PAGE_BYTES // _TABLE_WORD - 1).bit_length()


class _State(IntEnum):
    REST = 0
    FETCH = 1  # the command memory is being read
    CHECK = 2  # a word's four bytes go through the checksum
    COMPARE = 3
    DECODE = 4
    ARGUMENT = 5
    TAKE = 6
    RUN = 7
    HEAD = 8  # the answer's first word
    LINES = 9
    SCAN = 10  # harts that respond
    LOW = 11
    HIGH = 12
    EMIT = 13  # a word's four bytes go through the checksum
    WIPE = 14
    WIPE_NEXT = 15
    DONE = 16
    SEAL = 17


class Executor(wiring.Component):
    """Checks a program, executes it and leaves its answers; `uintr_fpga.window` says of what form.

    A program whose checksum or magic is wrong, or whose number is neither that of the last one nor
    the one after, is refused and counted; nothing of it is executed. One with the number of the
    last program is ignored, since its answers are there already: that is how a host repeats itself
    without harm. An unknown operation ends the program.

    Parameters
    ----------
    harts : hart units of the system
    table_base : address of the table memory
    table_pages : its size

    Members
    -------
    doorbell, doorbell_data : a program is there, and its checksum; ignored while ``busy``
    command_address, command_data : to the command memory; data one cycle later
    result_enable, result_address, result_data : to the result memory
    status : the word at the head of the answers
    busy : a program is checked or executed
    free : the clock runs freely
    refused : one cycle for each refused program
    hart, bus, quiescent : the system
    enable, reset : the system's clock enable and reset, which are registers
    """

    def __init__(self, *, harts: int, table_base: int, table_pages: int) -> None:
        self._harts = harts
        self._table_base = table_base
        self._table_words = table_pages * PAGE_BYTES // _TABLE_WORD
        super().__init__(
            {
                "doorbell": In(1),
                "doorbell_data": In(_WORD_BITS),
                "command_address": Out(_INDEX),
                "command_data": In(_WORD_BITS),
                "result_enable": Out(1),
                "result_address": Out(_INDEX),
                "result_data": Out(_WORD_BITS),
                "status": Out(_WORD_BITS),
                "busy": Out(1),
                "free": Out(1),
                "refused": Out(1),
                "hart": Out(HartPort()).array(harts),
                "bus": Out(Wishbone()),
                "quiescent": In(1),
                "enable": Out(1),
                "reset": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Check the program, execute it word by word, seal the answers."""
        m = Module()
        state = Signal(_State)
        after = Signal(_State)  # the state after FETCH or EMIT

        def go(target: _State) -> Any:
            return state.eq(target)

        # The system's side.
        ports = [self.hart[number] for number in range(self._harts)]
        lines = Cat(getattr(port, name) for name in LINES for port in ports)
        m.submodules.run = run = RunController(lines=len(lines))
        m.d.comb += [
            run.interrupts.eq(lines),
            run.responding.eq(Cat(port.response.valid for port in ports).any()),
            run.quiescent.eq(self.quiescent),
            run.free.eq(self.free),
            self.enable.eq(run.enable),
        ]
        m.d.sync += self.reset.eq(0)
        for port in ports:
            with m.If(port.request.valid & port.request.ready & self.enable):
                m.d.sync += port.request.valid.eq(0)

        # Words in: `pc` addresses the command memory, whose word is there a cycle after.
        pc = Signal(_INDEX)
        word = self.command_data
        count = Signal(range(COMMAND_WORDS))
        expected = Signal(_WORD_BITS)
        number = Signal(8)
        last = Signal(8)
        bad = Signal()
        header_good = Signal()
        m.d.comb += [self.command_address.eq(pc), self.busy.eq(state != _State.REST)]

        # Words out, and the checksum of either direction, a byte a cycle.
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        place = Signal(2)
        out = Signal(_WORD_BITS)
        answers = Signal(range(RESULT_WORDS + 1))
        m.d.comb += [
            crc.data.eq(Mux(state == _State.CHECK, word, out).word_select(place, 8)),
            crc.valid.eq(state.matches(_State.CHECK, _State.EMIT)),
            self.result_address.eq(answers + 1),
            self.result_data.eq(Mux(state == _State.SEAL, crc.crc, out)),
            self.status.eq(Cat(answers, Const(0, 16 - len(answers)), bad, Const(0, 7), last)),
        ]

        # What an operation's first word says.
        operation = word[28:32]
        hart = Signal(6)
        follow = Signal(4)
        part = Signal(2)
        scan = Signal(7)
        response_data = Signal(64)
        response_status = Signal(4)
        response_valid = Signal()
        for index, port in enumerate(ports):
            with m.If(scan[:6] == index):
                m.d.comb += [
                    response_valid.eq(port.response.valid),
                    response_data.eq(port.response.payload.data),
                    response_status.eq(port.response.payload.status),
                ]
        line_words: Sequence[Any] = [
            run.seen_interrupts[at : at + _WORD_BITS] for at in range(0, len(lines), _WORD_BITS)
        ]
        line_word = Signal(range(len(line_words) + 1))

        def emit(value: Any, then: _State) -> list[Any]:
            """Put a word out, then go on with another state."""
            return [out.eq(value), place.eq(0), after.eq(then), go(_State.EMIT)]

        def fetch(address: Any, then: _State) -> list[Any]:
            return [pc.eq(address), after.eq(then), go(_State.FETCH)]

        wipe = Signal(range(self._table_words))
        wiping = Signal()  # the state is WIPE; a register of its own, since the arbiter hears it
        first_page = self._table_base // PAGE_BYTES
        m.d.comb += [
            self.bus.cyc.eq(wiping),
            self.bus.stb.eq(wiping),
            self.bus.we.eq(1),
            self.bus.sel.eq(~0),
            self.bus.adr.eq(Cat(wipe[:_PAGE_BITS], first_page + wipe[_PAGE_BITS:])),
        ]
        with m.Switch(state):
            with m.Case(_State.REST), m.If(self.doorbell):
                m.d.comb += crc.start.eq(1)
                m.d.sync += [expected.eq(self.doorbell_data), header_good.eq(0), place.eq(0)]
                m.d.sync += fetch(COMMAND_WORDS - 1, _State.CHECK)
            with m.Case(_State.FETCH):
                m.d.sync += state.eq(after)
            with m.Case(_State.CHECK):
                m.d.sync += place.eq(place + 1)
                with m.If(place == 3):
                    with m.If(pc == COMMAND_WORDS - 1):
                        m.d.sync += [
                            number.eq(word[16:24]),
                            count.eq(word[:8]),
                            header_good.eq((word[24:32] == MAGIC) & (word[:16] <= PROGRAM_WORDS)),
                        ]
                        m.d.sync += fetch(COMMAND_WORDS - 1 - word[:8], _State.CHECK)
                        with m.If(word[:8] == 0):
                            m.d.sync += go(_State.COMPARE)
                    with m.Elif(pc == COMMAND_WORDS - 2):
                        m.d.sync += go(_State.COMPARE)
                    with m.Else():
                        m.d.sync += fetch(pc + 1, _State.CHECK)
            with m.Case(_State.COMPARE):
                good = header_good & (crc.crc == expected)
                m.d.comb += crc.start.eq(1)
                m.d.sync += go(_State.REST)
                with m.If(good & (number == (last + 1)[:8])):
                    m.d.sync += [last.eq(number), answers.eq(0), bad.eq(0), self.free.eq(0)]
                    m.d.sync += fetch(COMMAND_WORDS - 1 - count, _State.DECODE)
                with m.Elif(~(good & (number == last))):
                    m.d.comb += self.refused.eq(1)
            with m.Case(_State.DECODE):
                m.d.sync += [hart.eq(word[:6]), part.eq(0), follow.eq(0)]
                m.d.sync += fetch(pc + 1, _State.DECODE)
                with m.If(pc == COMMAND_WORDS - 1):
                    m.d.sync += go(_State.DONE)
                with m.Else(), m.Switch(operation):
                    with m.Case(Operation.PRIVILEGE):
                        for index, port in enumerate(ports):
                            with m.If(word[:6] == index):
                                m.d.sync += port.privilege.eq(word[8:10])
                    with m.Case(Operation.REQUEST):
                        for index, port in enumerate(ports):
                            with m.If(word[:6] == index):
                                m.d.sync += [
                                    port.request.valid.eq(1),
                                    Value.cast(port.request.payload.kind).eq(word[8:11]),
                                    port.request.payload.function.eq(word[16:23]),
                                    port.request.payload.address.eq(0),
                                    port.request.payload.data.eq(0),
                                ]
                        m.d.sync += [follow.eq(word[24:28]), pc.eq(pc), go(_State.ARGUMENT)]
                    with m.Case(Operation.RUN):
                        m.d.comb += run.start.eq(1)
                        m.d.sync += go(_State.RUN)
                    with m.Case(Operation.RESET):
                        m.d.comb += [run.single.eq(1), run.forget.eq(1)]
                        m.d.sync += self.reset.eq(1)
                        for port in ports:
                            m.d.sync += [port.privilege.eq(Privilege.S), port.request.valid.eq(0)]
                    with m.Case(Operation.WIPE):
                        m.d.sync += [wipe.eq(0), wiping.eq(1), go(_State.WIPE)]
                    with m.Case(Operation.FREE):
                        m.d.sync += self.free.eq(word[0])
                    with m.Default():
                        m.d.sync += [bad.eq(1), go(_State.DONE)]
            with m.Case(_State.ARGUMENT):
                # Words that are there follow one by one; the others stay zero.
                with m.If(follow == 0):
                    m.d.sync += fetch(pc + 1, _State.DECODE)
                with m.Elif(follow[0]):
                    m.d.sync += fetch(pc + 1, _State.TAKE)
                with m.Else():
                    m.d.sync += [follow.eq(follow >> 1), part.eq(part + 1)]
            with m.Case(_State.TAKE):
                for index, port in enumerate(ports):
                    words = Cat(port.request.payload.address, port.request.payload.data)
                    with m.If(hart == index):
                        m.d.sync += words.word_select(part, _WORD_BITS).eq(word)
                m.d.sync += [follow.eq(follow >> 1), part.eq(part + 1), go(_State.ARGUMENT)]
            with m.Case(_State.RUN), m.If(~run.busy):
                m.d.sync += go(_State.HEAD)
            with m.Case(_State.HEAD):
                responses = sum((port.response.valid for port in ports), Const(0, 7))
                m.d.sync += [line_word.eq(0), scan.eq(0)]
                m.d.sync += emit(Cat(run.stepped, run.seen_quiescent, responses[:7]), _State.LINES)
            with m.Case(_State.LINES):
                m.d.sync += line_word.eq(line_word + 1)
                for index, value in enumerate(line_words):
                    with m.If(line_word == index):
                        m.d.sync += emit(value, _State.LINES)
                        if index == len(line_words) - 1:
                            m.d.sync += after.eq(_State.SCAN)
            with m.Case(_State.SCAN):
                with m.If(scan == self._harts):
                    m.d.sync += fetch(pc, _State.DECODE)
                with m.Elif(response_valid):
                    m.d.sync += emit(Cat(scan[:6], Const(0, 2), response_status), _State.LOW)
                with m.Else():
                    m.d.sync += scan.eq(scan + 1)
            with m.Case(_State.LOW):
                m.d.sync += emit(response_data[:_WORD_BITS], _State.HIGH)
            with m.Case(_State.HIGH):
                m.d.sync += scan.eq(scan + 1)
                m.d.sync += emit(response_data[_WORD_BITS:], _State.SCAN)
            with m.Case(_State.EMIT):
                m.d.comb += self.result_enable.eq((place == 0) & (answers < RESULT_WORDS - 2))
                m.d.sync += place.eq(place + 1)
                with m.If(place == 3):
                    m.d.sync += state.eq(after)
                    with m.If(after != _State.SEAL):
                        m.d.sync += answers.eq(answers + 1)
            with m.Case(_State.WIPE):
                taken = (self.bus.ack | self.bus.err) & self.enable
                m.d.comb += run.single.eq(~taken)
                with m.If(taken):
                    m.d.sync += [wiping.eq(0), go(_State.WIPE_NEXT)]
            with m.Case(_State.WIPE_NEXT):
                m.d.sync += [wipe.eq(wipe + 1), wiping.eq(1), go(_State.WIPE)]
                with m.If(wipe == self._table_words - 1):
                    m.d.sync += wiping.eq(0)
                    m.d.sync += fetch(pc, _State.DECODE)
            with m.Case(_State.DONE):
                # The status goes through the checksum, but stands in no memory.
                m.d.sync += emit(self.status, _State.SEAL)
            with m.Case(_State.SEAL):
                m.d.comb += self.result_enable.eq(1)
                m.d.sync += go(_State.REST)

        m.d.comb += [run.limit.eq(word[:LIMIT_BITS]), run.calm.eq(word[24]), run.exact.eq(word[25])]
        return m

"""LiteX's uartbone on a byte stream: a serial host reads and writes words of 32 bits."""

from enum import IntEnum
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

__all__ = ["INPUT_BYTES", "BoneCommand", "UartBridge", "WindowBus"]

INPUT_BYTES = 64
_ADDRESS_BYTES = 4
_DATA_BYTES = 4


class BoneCommand(IntEnum):
    """First byte of a command."""

    WRITE_INCREMENT = 1
    READ_INCREMENT = 2
    WRITE_FIXED = 3
    READ_FIXED = 4


class _State(IntEnum):
    """What the parser waits for."""

    COMMAND = 0
    LENGTH = 1
    ADDRESS = 2
    DATA = 3
    WRITE = 4
    READ = 5
    SEND = 6
    DROP = 7


class WindowBus(wiring.Signature):
    """A 32-bit bus of one initiator, seen from it.

    Members
    -------
    stb : a transfer is wanted; held with all else until ``ack``, or given up
    we : it is a write
    adr : word address
    dat_w, dat_r : data; ``dat_r`` means something in the cycle of ``ack`` alone
    ack : the transfer is done
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "stb": Out(1),
                "we": Out(1),
                "adr": Out(32),
                "dat_w": Out(32),
                "dat_r": In(32),
                "ack": In(1),
            }
        )


class UartBridge(wiring.Component):
    """Parses commands and makes their transfers.

    A command is a byte of `BoneCommand`, a byte with the number of words, four address bytes (the
    word address, highest byte first) and, for a write, the data, highest byte first. A read is
    answered with its words, highest byte first, and a write with nothing. After an unknown first
    byte the other five bytes are awaited too, and the command is dropped. A command of no words
    does nothing. (In LiteX it goes on until the time-out.)

    A command that is not over after ``timeout`` cycles is given up, whatever it is at. After a
    framing error or an overrun the rest of the input is dropped until the line was quiet for
    ``quiet`` cycles, since nothing can be said about where a command begins. A word is written when
    its last byte is there, all of it or nothing.

    While a transfer waits for its ``ack`` or an answer is being sent, up to `INPUT_BYTES` of input
    are kept; more is an overrun.

    Parameters
    ----------
    timeout : cycles, at least 16
    quiet : cycles, at least 1

    Members
    -------
    receive : from the line
    receive_error : a byte was bad
    receive_idle : nothing is on the line
    send : stream of bytes to the line
    bus : to the window
    overrun, timed_out : one cycle each
    busy : a command is under way

    Raises
    ------
    ValueError : ``timeout`` or ``quiet`` is out of range.
    """

    def __init__(self, *, timeout: int, quiet: int) -> None:
        if timeout < 16:
            raise ValueError(f"timeout must be at least 16, not {timeout!r}")
        if quiet < 1:
            raise ValueError(f"quiet must be at least 1, not {quiet!r}")
        self._timeout = timeout
        self._quiet = quiet
        super().__init__(
            {
                "receive": In(wiring.Signature({"valid": Out(1), "data": Out(8)})),
                "receive_error": In(1),
                "receive_idle": In(1),
                "send": Out(stream.Signature(8)),
                "bus": Out(WindowBus()),
                "overrun": Out(1),
                "timed_out": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A queue of input, a parser, a timer."""
        m = Module()

        # Input that the parser has not taken yet.
        m.submodules.input = fifo = SyncFIFOBuffered(width=8, depth=INPUT_BYTES)
        held = Signal()
        byte = Signal(8)
        take = Signal()
        lost = Signal()
        m.d.comb += [
            fifo.w_data.eq(self.receive.data),
            fifo.w_en.eq(self.receive.valid),
            held.eq(fifo.r_rdy),
            byte.eq(fifo.r_data),
            fifo.r_en.eq(take),
            self.overrun.eq(self.receive.valid & ~fifo.w_rdy),
            lost.eq(self.overrun | self.receive_error),
        ]

        command = Signal(8)
        words = Signal(8)
        address = Signal(32)
        data = Signal(32)
        count = Signal(2)
        fixed = command.matches(BoneCommand.WRITE_FIXED, BoneCommand.READ_FIXED)
        writes = command.matches(BoneCommand.WRITE_INCREMENT, BoneCommand.WRITE_FIXED)
        reads = command.matches(BoneCommand.READ_INCREMENT, BoneCommand.READ_FIXED)

        m.d.comb += [
            self.bus.adr.eq(address),
            self.bus.dat_w.eq(data),
            self.send.payload.eq(data[-8:]),
        ]
        timer = Signal(range(max(self._timeout, self._quiet)))

        state = Signal(_State)
        m.d.comb += self.busy.eq(state != _State.COMMAND)
        with m.Switch(state):
            with m.Case(_State.COMMAND):
                m.d.comb += take.eq(held)
                m.d.sync += [count.eq(0), timer.eq(self._timeout - 1)]
                with m.If(held):
                    m.d.sync += command.eq(byte)
                    m.d.sync += state.eq(_State.LENGTH)
            with m.Case(_State.LENGTH):
                m.d.comb += take.eq(held)
                with m.If(held):
                    m.d.sync += words.eq(byte)
                    m.d.sync += state.eq(_State.ADDRESS)
            with m.Case(_State.ADDRESS):
                m.d.comb += take.eq(held)
                with m.If(held):
                    m.d.sync += [address.eq(Cat(byte, address[:-8])), count.eq(count + 1)]
                    with m.If(count == _ADDRESS_BYTES - 1):
                        with m.If((words == 0) | ~(writes | reads)):
                            m.d.sync += state.eq(_State.COMMAND)
                        with m.Elif(writes):
                            m.d.sync += state.eq(_State.DATA)
                        with m.Else():
                            m.d.sync += state.eq(_State.READ)
            with m.Case(_State.DATA):
                m.d.comb += take.eq(held)
                with m.If(held):
                    m.d.sync += [data.eq(Cat(byte, data[:-8])), count.eq(count + 1)]
                    with m.If(count == _DATA_BYTES - 1):
                        m.d.sync += state.eq(_State.WRITE)
            with m.Case(_State.WRITE):
                m.d.comb += [self.bus.stb.eq(1), self.bus.we.eq(1)]
                with m.If(self.bus.ack):
                    m.d.sync += [words.eq(words - 1), address.eq(address + ~fixed)]
                    m.d.sync += state.eq(_State.DATA)
                    with m.If(words == 1):
                        m.d.sync += state.eq(_State.COMMAND)
            with m.Case(_State.READ):
                m.d.comb += self.bus.stb.eq(1)
                with m.If(self.bus.ack):
                    m.d.sync += data.eq(self.bus.dat_r)
                    m.d.sync += state.eq(_State.SEND)
            with m.Case(_State.SEND):
                m.d.comb += self.send.valid.eq(1)
                with m.If(self.send.ready):
                    m.d.sync += [data.eq(data << 8), count.eq(count + 1)]
                    with m.If(count == _DATA_BYTES - 1):
                        m.d.sync += [words.eq(words - 1), address.eq(address + ~fixed)]
                        m.d.sync += state.eq(_State.READ)
                        with m.If(words == 1):
                            m.d.sync += state.eq(_State.COMMAND)
            with m.Case(_State.DROP):
                m.d.comb += take.eq(held)
                with m.If(~self.receive_idle | held):
                    m.d.sync += timer.eq(self._quiet - 1)
                with m.Elif(timer == 0):
                    m.d.sync += state.eq(_State.COMMAND)
                with m.Else():
                    m.d.sync += timer.eq(timer - 1)

        # Later statements win: a lost byte over the time-out, and that over all of the above.
        with m.If(~state.matches(_State.COMMAND, _State.DROP)):
            m.d.sync += timer.eq(timer - 1)
            with m.If(timer == 0):
                m.d.comb += self.timed_out.eq(1)
                m.d.sync += state.eq(_State.COMMAND)
        with m.If(lost):
            m.d.sync += [state.eq(_State.DROP), timer.eq(self._quiet - 1)]
        return m

"""The serial line, 8 data bits, no parity, one stop bit."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter", "uart_divisor"]

_BITS = 8
_TOLERANCE = 0.02
"""Most that the bit time may be off: at the tenth bit that is a fifth of a bit."""


def uart_divisor(clock_hz: int, baud: int) -> int:
    """Clock cycles of a bit.

    Raises
    ------
    ValueError : the baud rate cannot be made from this clock within 2 %, or has under 4 cycles.
    """
    if clock_hz < 1 or baud < 1:
        raise ValueError(f"clock and baud must be at least 1, not {clock_hz!r} and {baud!r}")
    divisor = round(clock_hz / baud)
    if divisor < 4 or abs(clock_hz / divisor / baud - 1) > _TOLERANCE:
        near = clock_hz // max(divisor, 4)
        raise ValueError(
            f"baud must be within 2 % of a whole number of clock cycles, at least 4, at "
            f"{clock_hz} Hz, such as {near}, not {baud}"
        )
    return divisor


class UartReceiver(wiring.Component):
    """Bytes from a line. The line is sampled in the middle of each bit.

    ``valid`` is high for one cycle, in the middle of a good stop bit. A stop bit that is low is a
    framing error: ``error`` instead of ``valid``, and the line must be high again before the next
    start bit is looked for. A start bit that is gone in its middle is noise and is forgotten.

    Parameters
    ----------
    divisor : clock cycles of a bit, at least 4

    Members
    -------
    line : asynchronous; two flip-flops synchronise it
    data : the byte, while ``valid``
    valid, error : one cycle each
    idle : the synchronised line is high and no byte is under way
    """

    def __init__(self, *, divisor: int) -> None:
        if divisor < 4:
            raise ValueError(f"divisor must be at least 4, not {divisor!r}")
        self._divisor = divisor
        super().__init__(
            {
                "line": In(1, init=1),
                "data": Out(_BITS),
                "valid": Out(1),
                "error": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A bit timer and a shift register."""
        m = Module()
        line = Signal(init=1)
        m.submodules += FFSynchronizer(self.line, line, init=1)
        timer = Signal(range(self._divisor))
        count = Signal(range(_BITS + 2))
        busy = Signal()
        m.d.comb += self.idle.eq(line & ~busy)
        with m.If(~busy), m.If(~line):
            m.d.sync += [busy.eq(1), timer.eq(self._divisor // 2 - 1), count.eq(0)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif((count == 0) & line):
            m.d.sync += busy.eq(0)
        with m.Elif(count <= _BITS):
            m.d.sync += [timer.eq(self._divisor - 1), count.eq(count + 1)]
            m.d.sync += self.data.eq(Cat(self.data[1:], line))
        with m.Elif(line):
            # A good stop bit, or the line after a bad one.
            bad = Signal()
            m.d.comb += self.valid.eq(~bad)
            m.d.sync += [busy.eq(0), bad.eq(0)]
        with m.Else():
            m.d.comb += self.error.eq(~bad)
            m.d.sync += bad.eq(1)
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a line.

    A byte is accepted when the line is free, and its start bit begins in the next cycle; ``ready``
    comes back ten bit times later.

    Parameters
    ----------
    divisor : clock cycles of a bit, at least 4

    Members
    -------
    bytes : stream of bytes
    line : high at rest
    """

    def __init__(self, *, divisor: int) -> None:
        if divisor < 4:
            raise ValueError(f"divisor must be at least 4, not {divisor!r}")
        self._divisor = divisor
        super().__init__({"bytes": In(stream.Signature(_BITS)), "line": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        """A bit timer and a shift register that fills up with stop bits."""
        m = Module()
        timer = Signal(range(self._divisor))
        count = Signal(range(_BITS + 3))
        shift = Signal(_BITS + 1, init=~0)
        m.d.comb += [self.bytes.ready.eq(count == 0), self.line.eq(shift[0])]
        with m.If(count == 0), m.If(self.bytes.valid):
            m.d.sync += [
                shift.eq(Cat(0, self.bytes.payload)),
                count.eq(_BITS + 2),
                timer.eq(self._divisor - 1),
            ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [
                shift.eq(Cat(shift[1:], 1)),
                count.eq(count - 1),
                timer.eq(self._divisor - 1),
            ]
        return m

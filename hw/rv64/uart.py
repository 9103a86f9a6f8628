"""The console: registers of a 16550, and a byte each way."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.interfaces import Wishbone

__all__ = ["Uart16550"]

_THR, _IER, _FCR, _LCR, _MCR, _LSR, _MSR, _SCR = range(8)


class Uart16550(wiring.Component):
    """What a 16550 shows to a driver that polls; whoever is at the other end of the streams sets
    the pace, so the divisor is stored without effect.

    A byte written to THR while LSR.THRE is clear is lost. LSR.DR is set while a byte waits; reading
    RBR takes it. No interrupt is raised: IER is stored and IIR says that there is none.

    Members
    -------
    bus : the eight registers are the bytes of one word
    output, input : streams of bytes
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "bus": In(Wishbone()),
                "output": Out(stream.Signature(8)),
                "input": In(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Registers by byte lane."""
        m = Module()
        bus, output, source = self.bus, self.output, self.input
        first = Signal()
        m.d.comb += first.eq(bus.cyc & bus.stb & ~bus.ack)
        m.d.sync += bus.ack.eq(first)

        stored = {lane: Signal(8, name=f"register_{lane}") for lane in (_IER, _LCR, _MCR, _SCR)}
        divisor = Signal(16)
        fifo = Signal()
        latch = stored[_LCR][7]
        with m.If(first & bus.we):
            for lane, register in stored.items():
                with m.If(bus.sel[lane] & ((lane != _IER) | ~latch)):
                    m.d.sync += register.eq(bus.dat_w[8 * lane :])
            with m.If(bus.sel[_FCR]):
                m.d.sync += fifo.eq(bus.dat_w[8 * _FCR])
            with m.If(latch & bus.sel[_THR]):
                m.d.sync += divisor[:8].eq(bus.dat_w)
            with m.If(latch & bus.sel[_IER]):
                m.d.sync += divisor[8:].eq(bus.dat_w[8:])

        with m.If(output.valid & output.ready):
            m.d.sync += output.valid.eq(0)
        with m.If(first & bus.we & bus.sel[_THR] & ~latch & ~output.valid):
            m.d.sync += [output.valid.eq(1), output.payload.eq(bus.dat_w)]
        m.d.comb += source.ready.eq(first & ~bus.we & bus.sel[_THR] & ~latch)

        free = ~output.valid
        with m.If(first):
            m.d.sync += bus.dat_r.eq(
                Cat(
                    Mux(latch, divisor[:8], Mux(source.valid, source.payload, 0)),
                    Mux(latch, divisor[8:], stored[_IER]),
                    Cat(C(1, 6), fifo.replicate(2)),
                    stored[_LCR],
                    stored[_MCR],
                    Cat(source.valid, C(0, 4), free, free, C(0, 1)),
                    C(0xB0, 8),  # carrier, clear to send, data set ready
                    stored[_SCR],
                )
            )
        return m

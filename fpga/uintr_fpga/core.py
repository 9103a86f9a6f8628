"""What is the same on every board: serial line, bridge, window, executor and the system itself."""

from typing import Any

from amaranth.hdl import Cat, Const, EnableInserter, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out, connect

from rel4.machine.device import DeviceConfig
from uintr.flavour import make_system
from uintr.registers import Flavour
from uintr_fpga.bridge import UartBridge
from uintr_fpga.executor import LINES, Executor
from uintr_fpga.uart import UartReceiver, UartTransmitter, uart_divisor
from uintr_fpga.window import (
    COMMAND,
    COMMAND_WORDS,
    DOORBELL,
    ECHO,
    ECHO_WORD,
    ECHO_WORDS,
    IDENT_WORD,
    RESULT_WORDS,
    STATUS,
    VERSION,
    WINDOW_WORDS,
    register,
)

__all__ = ["LEDS", "BoardCore"]

LEDS = ("alive", "link", "busy", "error")
"""Status lights: toggles about twice a second; a command is under way; a program is executed or the
clock runs freely; an error was counted."""

_TIMEOUT_DIVIDER = 10  # of a second: 100 ms
_QUIET_BITS = 20
_WORD_BITS = 32


class BoardCore(wiring.Component):
    """The system of ``config`` on a serial line. Emulation and boards use this very component.

    The system's registers change only when the executor enables its clock, so it stands still while
    the host thinks.

    Parameters
    ----------
    config : shape of the system
    clock_hz : clock of the board
    baud : bit rate of the serial line

    Members
    -------
    rx, tx : the serial line, high at rest
    leds : one bit for each of `LEDS`

    Raises
    ------
    ValueError : the gateware refuses the shape, or the baud rate cannot be made from the clock.
    """

    def __init__(self, *, config: DeviceConfig, clock_hz: int, baud: int) -> None:
        self.config = config
        self._clock_hz = clock_hz
        self._divisor = uart_divisor(clock_hz, baud)
        self._system = make_system(**vars(config))
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(len(LEDS))})

    def elaborate(self, platform: Any) -> Module:
        """Line, bridge, memories, executor, system; then the window's words."""
        m = Module()
        config = self.config
        m.submodules.receiver = receiver = UartReceiver(divisor=self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=self._divisor)
        m.submodules.bridge = bridge = UartBridge(
            timeout=self._clock_hz // _TIMEOUT_DIVIDER, quiet=_QUIET_BITS * self._divisor
        )
        m.submodules.executor = executor = Executor(
            harts=config.harts, table_base=config.table_base, table_pages=config.table_pages
        )
        m.submodules.system = ResetInserter(executor.reset)(
            EnableInserter(executor.enable)(self._system)
        )
        connect(m, bridge.send, transmitter.bytes)
        connect(m, executor.bus, self._system.bus)
        for number in range(config.harts):
            connect(m, executor.hart[number], self._system.hart[number])
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            bridge.receive.valid.eq(receiver.valid),
            bridge.receive.data.eq(receiver.data),
            bridge.receive_error.eq(receiver.error),
            bridge.receive_idle.eq(receiver.idle),
            executor.quiescent.eq(self._system.quiescent),
        ]

        # The two memories. The executor is the only reader of one and the only writer of the other.
        m.submodules.commands = commands = memory.Memory(
            shape=unsigned(_WORD_BITS), depth=COMMAND_WORDS, init=[]
        )
        m.submodules.results = results = memory.Memory(
            shape=unsigned(_WORD_BITS), depth=RESULT_WORDS, init=[]
        )
        command_write, command_read = commands.write_port(), commands.read_port()
        result_write, result_read = results.write_port(), results.read_port()

        # The window: a transfer ends in its second cycle, one of STATUS when the executor rests.
        bus = bridge.bus
        inside = Signal()
        second = Signal()
        m.d.comb += inside.eq(bus.adr < WINDOW_WORDS)
        m.d.sync += second.eq(bus.stb & ~bus.ack)
        m.d.comb += bus.ack.eq(second & bus.stb & ~((bus.adr == STATUS) & ~bus.we & executor.busy))
        write = Signal()
        m.d.comb += [
            write.eq(bus.stb & bus.we & bus.ack & inside),
            command_write.en.eq(
                write & (bus.adr[8:10] == COMMAND // COMMAND_WORDS) & ~executor.busy
            ),
            command_write.addr.eq(bus.adr[:8]),
            command_write.data.eq(bus.dat_w),
            command_read.addr.eq(executor.command_address),
            executor.command_data.eq(command_read.data),
            executor.doorbell.eq(write & (bus.adr[:10] == DOORBELL)),
            executor.doorbell_data.eq(bus.dat_w),
            result_write.en.eq(executor.result_enable),
            result_write.addr.eq(executor.result_address),
            result_write.data.eq(executor.result_data),
            result_read.addr.eq(bus.adr[:8]),
        ]

        # Errors are counted, each up to 255.
        scratch = Signal(_WORD_BITS)
        counters = []
        for event in (receiver.error, bridge.overrun, bridge.timed_out, executor.refused):
            counter = Signal(8)
            counters.append(counter)
            with m.If(event & ~counter.all()):
                m.d.sync += counter.eq(counter + 1)
        with m.If(write & (bus.adr[:10] == register("errors").word)):
            m.d.sync += [counter.eq(0) for counter in counters]
        with m.If(write & (bus.adr[:10] == register("scratch").word)):
            m.d.sync += scratch.eq(bus.dat_w)
        cycles = Signal(_WORD_BITS)
        with m.If(executor.enable):
            m.d.sync += cycles.eq(cycles + 1)

        words = {
            "ident": Const(IDENT_WORD, 32),
            "shape": Const(
                VERSION
                | config.harts << 8
                | len(LINES) << 16
                | config.latency << 20
                | (config.flavour is Flavour.INTEL) << 24,
                32,
            ),
            "receivers": Const(config.receivers, 32),
            "table_pages": Const(config.table_pages, 32),
            "base_low": Const(config.base & 0xFFFF_FFFF, 32),
            "base_high": Const(config.base >> 32, 32),
            "table_base_low": Const(config.table_base & 0xFFFF_FFFF, 32),
            "table_base_high": Const(config.table_base >> 32, 32),
            "clock_hz": Const(self._clock_hz, 32),
            "features": Const(config.features, 32),
            "errors": Cat(counters),
            "scratch": scratch,
            "state": Cat(executor.busy, executor.free, self._system.quiescent),
            "cycles": cycles,
        }
        plain = Signal(_WORD_BITS)
        with m.Switch(bus.adr[:8]):
            for name, value in words.items():
                with m.Case(register(name).word):
                    m.d.comb += plain.eq(value)
            with m.Default(), m.If(bus.adr[:8] & ~(ECHO_WORDS - 1) == ECHO):
                m.d.comb += plain.eq(ECHO_WORD | bus.adr[:8])
        with m.If(inside):
            with m.If(bus.adr[8:10] == 0):
                m.d.comb += bus.dat_r.eq(plain)
            with m.Elif(bus.adr[8:10] == STATUS // RESULT_WORDS):
                m.d.comb += bus.dat_r.eq(Mux(bus.adr[:8] == 0, executor.status, result_read.data))

        beat = Signal(range(self._clock_hz // 4))
        alive = Signal()
        m.d.sync += beat.eq(beat - 1)
        with m.If(beat == 0):
            m.d.sync += [beat.eq(self._clock_hz // 4 - 1), alive.eq(~alive)]
        m.d.comb += self.leds.eq(
            Cat(alive, bridge.busy, executor.busy | executor.free, Cat(counters).any())
        )
        return m

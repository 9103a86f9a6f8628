"""Harts on a board: the system with its memory in block RAM, behind the UART bridge's words."""

from typing import Any

from amaranth.hdl import (
    Cat,
    ClockSignal,
    Const,
    Instance,
    Module,
    Mux,
    ResetInserter,
    Signal,
    unsigned,
)
from amaranth.lib import memory, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from rv64.soc import Soc
from uintr.checks import check_range
from uintr.registers import XLEN
from uintr_fpga.bridge import WindowBus
from uintr_fpga.soc_registers import CONSOLE_BYTES, IDENT, REGISTER_BIT, SocRegister

__all__ = ["SocWindow"]


class SocWindow(wiring.Component):
    """A `Soc` and its main memory, which a host fills while the harts are in reset.

    A transfer ends two cycles after it was presented. While the harts run, memory reads as zero
    and is not written. The console keeps `CONSOLE_BYTES` for the host; when they are full the
    program's UART is busy.

    Parameters
    ----------
    soc : the system
    harts : of it, for the host to know
    memory_bytes : of main memory, a power of two of at least 4096
    block_ram : it is block RAM; else a module ``main_memory`` that an emulator brings

    Members
    -------
    bus : from the bridge
    running : the harts are out of reset
    ended : the program has ended

    Raises
    ------
    ValueError : ``memory_bytes`` is none of those.
    """

    def __init__(self, soc: Soc, *, harts: int, memory_bytes: int, block_ram: bool = True) -> None:
        check_range("memory_bytes", memory_bytes, 4096, 1 << (20 if block_ram else 24))
        if memory_bytes & memory_bytes - 1:
            raise ValueError(f"memory_bytes must be a power of two, not {memory_bytes!r}")
        self._soc = soc
        self._harts = harts
        self._bytes = memory_bytes
        self._block_ram = block_ram
        super().__init__({"bus": In(WindowBus()), "running": Out(1), "ended": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        """Memory with two users in turn; registers; the console's queue."""
        m = Module()
        soc, bus = self._soc, self.bus
        run = Signal()
        m.submodules.soc = ResetInserter(~run)(soc)
        words = self._bytes // (XLEN // 8)
        if self._block_ram:
            store = memory.Memory(shape=unsigned(XLEN), depth=words, init=[])
            read, write = store.read_port(), store.write_port(granularity=8)
        else:
            reads = memory.ReadPort.Signature(addr_width=32, shape=unsigned(XLEN))
            writes = memory.WritePort.Signature(addr_width=32, shape=unsigned(XLEN), granularity=8)
            read, write = reads.flip().create(), writes.flip().create()
            store = Instance(
                "main_memory",
                ("p", "WORDS", words),
                ("i", "clk", ClockSignal()),
                *(("i", f"read_{name}", getattr(read, name)) for name in ("en", "addr")),
                ("o", "read_data", read.data),
                *(("i", f"write_{name}", getattr(write, name)) for name in ("en", "addr", "data")),
            )
        m.submodules.ram_words = store
        m.submodules.console = console = SyncFIFOBuffered(width=8, depth=CONSOLE_BYTES)

        begun = Signal()
        m.d.sync += [begun.eq(bus.stb & ~bus.ack), bus.ack.eq(begun & ~bus.ack & bus.stb)]
        first = bus.stb & ~begun & ~bus.ack
        registers = bus.adr[REGISTER_BIT]
        high = bus.adr[0]

        # The harts' port while they run, else the host's.
        port = soc.memory
        m.d.comb += soc.memory_words.eq(words)
        with m.If(run):
            m.d.comb += [
                read.addr.eq(port.address),
                write.addr.eq(port.address),
                read.en.eq(port.enable & ~port.write_mask.any()),
                write.en.eq(port.write_mask & port.enable.replicate(8)),
                write.data.eq(port.write_data),
            ]
        with m.Else():
            m.d.comb += [
                read.addr.eq(bus.adr[1:]),
                write.addr.eq(bus.adr[1:]),
                read.en.eq(first & ~registers),
                write.en.eq(Mux(first & bus.we & ~registers, Mux(high, 0xF0, 0x0F), 0)),
                write.data.eq(Cat(bus.dat_w, bus.dat_w)),
            ]
        m.d.comb += port.read_data.eq(read.data)

        # Console and end of the program.
        given, waits = Signal(8), Signal()
        cycles, retired, ended = Signal(32), Signal(32), Signal(32)
        m.d.comb += [
            console.w_data.eq(soc.console_out.payload),
            console.w_en.eq(run & soc.console_out.valid),
            soc.console_out.ready.eq(console.w_rdy),
            soc.console_in.payload.eq(given),
            soc.console_in.valid.eq(waits),
            self.running.eq(run),
            self.ended.eq(ended.any()),
        ]
        with m.If(soc.console_in.ready & waits):
            m.d.sync += waits.eq(0)
        with m.If(run & ~ended.any()):
            m.d.sync += [cycles.eq(cycles + 1), retired.eq(retired + soc.rvfi[0].valid)]
            with m.If(soc.tohost.valid):
                m.d.sync += ended.eq(soc.tohost.data)

        # Registers.
        number = bus.adr[:4]
        latency, jitter = Signal(8, init=1), Signal(8)
        seed, tohost_address = Signal(32), Signal(32)
        m.d.comb += [
            soc.memory_latency.eq(latency),
            soc.memory_jitter.eq(jitter),
            soc.memory_seed.eq(seed),
            soc.tohost_address.eq(tohost_address),
        ]
        with m.If(first & bus.we & registers), m.Switch(number):
            with m.Case(SocRegister.RUN):
                m.d.sync += run.eq(bus.dat_w)
                with m.If(bus.dat_w[0] & ~run):
                    m.d.sync += [cycles.eq(0), retired.eq(0), ended.eq(0)]
            with m.Case(SocRegister.LATENCY):
                m.d.sync += [latency.eq(bus.dat_w), jitter.eq(bus.dat_w[8:])]
            with m.Case(SocRegister.SEED):
                m.d.sync += seed.eq(bus.dat_w)
            with m.Case(SocRegister.CONSOLE):
                m.d.sync += [given.eq(bus.dat_w), waits.eq(1)]
            with m.Case(SocRegister.TOHOST_ADDRESS):
                m.d.sync += tohost_address.eq(bus.dat_w)
        answers = {
            SocRegister.IDENT: Const(IDENT, 32),
            SocRegister.SHAPE: Const(self._harts | (self._bytes >> 10) << 8, 32),
            SocRegister.RUN: run,
            SocRegister.LATENCY: Cat(latency, jitter),
            SocRegister.SEED: seed,
            SocRegister.CONSOLE: Cat(console.r_data, console.r_rdy),
            SocRegister.WAITING: Cat(console.r_level, Const(0, 16 - len(console.r_level)), waits),
            SocRegister.TOHOST: ended,
            SocRegister.TOHOST_ADDRESS: tohost_address,
            SocRegister.CYCLES: cycles,
            SocRegister.RETIRED: retired,
        }
        answer = Signal(32)
        with m.If(first), m.Switch(number):
            for register, value in answers.items():
                with m.Case(register):
                    m.d.sync += answer.eq(value)
        m.d.comb += [
            console.r_en.eq(first & ~bus.we & registers & (number == SocRegister.CONSOLE)),
            bus.dat_r.eq(
                Mux(registers, answer, Mux(run, 0, Mux(high, read.data[32:], read.data[:32])))
            ),
        ]
        return m

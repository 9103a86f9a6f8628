"""The system: harts, user-interrupt controller, timers, console, one bus and main memory."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rv64.clint import Clint, Sswi
from rv64.fabric import Fabric
from rv64.hart import Hart
from rv64.interfaces import MemoryPort, RvfiPort
from rv64.memory_map import (
    CLINT_BASE,
    CLINT_BYTES,
    CONTROLLER_BASE,
    RAM_BASE,
    SSWI_BASE,
    SSWI_BYTES,
    TOHOST,
    UART_BASE,
    UART_BYTES,
)
from rv64.table_reader import TableReader
from rv64.uart import Uart16550
from uintr.bridge import ControllerBridge
from uintr.checks import check_multiple, check_range
from uintr.control_page import ControlPage
from uintr.controller import Controller
from uintr.hart_unit import HartUnit
from uintr.interfaces import WORD_BYTES
from uintr.registers import (
    ALL_FEATURES,
    CONTROL_OFFSET,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    MASK_BYTES,
    MASK_OFFSET,
    MAX_RECEIVERS,
    PAGE_BYTES,
    SLOT_BYTES,
    Feature,
)
from uintr.system import connect_control
from uintr.wishbone import BusDecoder

__all__ = ["MAX_SOC_HARTS", "Soc"]

MAX_SOC_HARTS = 8


class Soc(wiring.Component):
    """A computer with user interrupts; main memory is outside, behind a port of a synchronous RAM.

    Every hart begins at the beginning of main memory. Published addresses are the defaults.

    Parameters
    ----------
    harts : 1 to 8
    receivers, features, latency : of the user-interrupt controller
    cache_bytes : size of each instruction and each data cache: 4096, 8192 or 16384
    ram_base, controller_base, clint_base, sswi_base, uart_base : addresses

    Members
    -------
    memory : main memory
    memory_words : how many words it has; beyond is an access fault
    memory_latency : cycles from a granted read to its first word, 1 to 200; each further word of a
        line takes one more
    memory_jitter : up to so many cycles are added, by chance; 0: none
    memory_seed : what chance begins with, sampled while in reset
    console_out, console_in : the byte side of the UART
    tohost_address : the word whose stores are told; 0: none
    tohost : ``valid`` for one cycle when the first byte of that word is written, and the data
    halt_request : one bit a hart: stop between two instructions
    halt_step : one bit a hart: pulse while halted: take one instruction, or one trap, and halt
    halted : one bit a hart: it has stopped, with nothing under way
    waiting : one bit a hart: it stands at a WFI
    rvfi : array of `RvfiPort`: what retires
    harts : for a test to see

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        *,
        harts: int = 2,
        receivers: int = DEFAULT_RECEIVERS,
        features: Feature = ALL_FEATURES,
        latency: int = DEFAULT_LATENCY,
        cache_bytes: int = 4096,
        ram_base: int = RAM_BASE,
        controller_base: int = CONTROLLER_BASE,
        clint_base: int = CLINT_BASE,
        sswi_base: int = SSWI_BASE,
        uart_base: int = UART_BASE,
    ) -> None:
        check_range("harts", harts, 1, MAX_SOC_HARTS)
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        check_range("latency", latency, 2, 4)
        if cache_bytes not in (4096, 8192, 16384):
            raise ValueError(f"cache_bytes must be 4096, 8192 or 16384, not {cache_bytes!r}")
        check_multiple("ram_base", ram_base, 1 << 30)
        check_multiple("clint_base", clint_base, CLINT_BYTES)
        check_multiple("sswi_base", sswi_base, SSWI_BYTES)
        check_multiple("uart_base", uart_base, UART_BYTES)
        size = SLOT_BYTES << (receivers - 1).bit_length()
        check_multiple("controller_base", controller_base, size)
        windows = {
            "controller_base": (controller_base, size),
            "control page": (controller_base + CONTROL_OFFSET, PAGE_BYTES),
            "clint_base": (clint_base, CLINT_BYTES),
            "sswi_base": (sswi_base, SSWI_BYTES),
            "uart_base": (uart_base, UART_BYTES),
        }
        if Feature.MASK in features:
            windows["masks"] = (
                controller_base + MASK_OFFSET,
                MASK_BYTES << (receivers - 1).bit_length(),
            )
        for name, (first, length) in windows.items():
            if first + length > ram_base:
                raise ValueError(f"{name} must end at or below ram_base, not {first + length:#x}")
            for other, (begin, reach) in windows.items():
                if name != other and first < begin + reach and begin < first + length:
                    raise ValueError(f"{name} must be outside {other}, not {first:#x}")
        self._receivers = receivers
        self._features = features
        self._latency = latency
        self.harts = [Hart(cache_bytes=cache_bytes, reset_vector=ram_base) for _ in range(harts)]
        self._ram_base = ram_base
        self._windows = tuple(windows.values())
        super().__init__(
            {
                "memory": Out(MemoryPort()),
                "memory_words": In(32, init=1 << 24),
                "memory_latency": In(8, init=1),
                "memory_jitter": In(8),
                "memory_seed": In(32),
                "console_out": Out(stream.Signature(8)),
                "console_in": In(stream.Signature(8)),
                "tohost_address": In(64, init=TOHOST),
                "tohost": Out(wiring.Signature({"valid": Out(1), "data": Out(64)})),
                "halt_request": In(harts),
                "halt_step": In(harts),
                "halted": Out(harts),
                "waiting": Out(harts),
                "rvfi": Out(RvfiPort()).array(harts),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Harts and hart units on the bus, devices behind it."""
        m = Module()
        harts = len(self.harts)
        m.submodules.fabric = fabric = Fabric(harts=harts, others=harts, ram_base=self._ram_base)
        m.submodules.controller = controller = Controller(
            harts=harts,
            receivers=self._receivers,
            ports=harts + 1,
            features=self._features,
            latency=self._latency,
        )
        m.submodules.control_page = control = ControlPage(
            harts=harts, receivers=self._receivers, features=self._features
        )
        m.submodules.bridge = bridge = ControllerBridge(receivers=self._receivers)
        m.submodules.clint = clint = Clint(harts=harts)
        m.submodules.sswi = sswi = Sswi(harts=harts)
        m.submodules.uart = uart = Uart16550()
        m.submodules.decoder = decoder = BusDecoder(windows=self._windows)

        connect(m, fabric.memory, flipped(self.memory))
        connect(m, fabric.devices, decoder.bus)
        m.d.comb += [
            fabric.memory_words.eq(self.memory_words),
            fabric.latency.eq(self.memory_latency),
            fabric.jitter.eq(self.memory_jitter),
            fabric.seed.eq(self.memory_seed),
            fabric.tohost_address.eq(self.tohost_address),
            self.tohost.valid.eq(fabric.tohost_valid),
            self.tohost.data.eq(fabric.tohost_data),
        ]

        for number in range(harts):
            hart = self.harts[number]
            unit = HartUnit(
                receivers=self._receivers, features=self._features, early=self._latency == 2
            )
            reader = TableReader(first=self._ram_base // WORD_BYTES)
            m.submodules[f"hart_{number}"] = hart
            m.submodules[f"hart_unit_{number}"] = unit
            m.submodules[f"table_reader_{number}"] = reader
            connect(m, hart.bus, fabric.initiators[number])
            connect(m, fabric.snoop[number], hart.snoop)
            connect(m, hart.port, unit.hart)
            connect(m, unit.bus, reader.reads)
            connect(m, reader.bus, fabric.initiators[harts + number])
            connect(m, unit.port, controller.ports[number])
            connect(m, hart.rvfi, flipped(self.rvfi[number]))
            m.d.comb += [
                hart.hart_id.eq(number),
                hart.ram_pages.eq(self.memory_words[9:]),
                hart.mtime.eq(clint.mtime),
                hart.msip.eq(clint.msip[number]),
                hart.mtip.eq(clint.mtip[number]),
                hart.ssip.eq(sswi.ssip[number]),
                hart.halt_request.eq(self.halt_request[number]),
                hart.halt_step.eq(self.halt_step[number]),
                self.halted[number].eq(hart.halted),
                self.waiting[number].eq(hart.waiting),
                unit.line.eq(controller.line[number]),
                unit.supervisor_line.eq(controller.supervisor_line[number]),
                control.rejected[number].eq(unit.rejected),
                control.cause[number].eq(unit.cause),
                control.posted[number].eq(unit.posted),
                control.posting[number].eq(unit.posting),
                unit.open.eq(control.open[number]),
                unit.caches.eq(control.caches[number]),
                unit.invalidate.eq(control.invalidate[number]),
            ]

        connect(m, bridge.port, controller.ports[harts])
        connect(m, decoder.targets[0], bridge.bus)
        connect(m, decoder.targets[2], clint.bus)
        connect(m, decoder.targets[3], sswi.bus)
        connect(m, decoder.targets[4], uart.bus)
        connect(m, uart.output, flipped(self.console_out))
        connect(m, flipped(self.console_in), uart.input)
        if Feature.MASK in self._features:
            connect(m, decoder.targets[5], bridge.masks)
        connect_control(m, decoder.targets[1], control, bridge)
        m.d.comb += controller.notify_hart.eq(control.notify_hart)
        return m

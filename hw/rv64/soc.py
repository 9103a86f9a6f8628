"""The system: harts, user-interrupt controller, timers, console, one bus and main memory."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

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
from uintr.checks import check_multiple, check_range
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, DEFAULT_RECEIVERS, MAX_RECEIVERS, Feature

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
        self._harts = harts
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
        """The harts are still being built: nothing runs yet."""
        return Module()

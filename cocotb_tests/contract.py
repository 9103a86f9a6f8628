"""The contract of a device, as benches that run on each: reference, RTL, emulated board.

A bench is a coroutine function of a `Device` that was just reset. What it asserts holds of any
shape it is listed under here.
"""

from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Any

import tb_behaviour
import tb_crowd
import tb_extensions
import tb_intel
import tb_intel_interrupts
import tb_intel_pairs
import tb_intel_walking
import tb_latency
import tb_lines
import tb_registers
import tb_walking
from rel4.machine.device import DeviceConfig
from shapes import SHAPES as RISCV_SHAPES
from uintr.registers import Flavour

__all__ = ["BOARD", "CONTRACT", "RANDOM", "SHAPES", "SLOW", "Bench", "benches_of"]

SHAPES = {
    **RISCV_SHAPES,
    "intel 1": DeviceConfig(flavour=Flavour.INTEL, harts=1, table_pages=1),
    "intel 2": DeviceConfig(flavour=Flavour.INTEL),
    "intel 4": DeviceConfig(
        flavour=Flavour.INTEL, harts=4, table_base=0xFFFF_FFFF_FFFF_E000, table_pages=2
    ),
}
"""Of both flavours; the last has its memory at the very end of the addresses."""

Bench = Callable[..., Coroutine[Any, Any, Any]]


def benches_of(*modules: ModuleType) -> tuple[Bench, ...]:
    """Every coroutine function that a module defines and does not keep to itself."""
    return tuple(
        bench
        for module in modules
        for name, bench in vars(module).items()
        if iscoroutinefunction(bench)
        and bench.__module__ == module.__name__
        and not name.startswith("_")
    )


FEW = benches_of(tb_behaviour, tb_lines, tb_registers, tb_extensions, tb_walking)
"""For few receivers."""
OF_ANY_LATENCY = benches_of(tb_latency)
PLAIN = (
    tb_behaviour.bits_of_low_need_software_that_knows_them,
    tb_extensions.identification,
    tb_registers.slots,
    tb_registers.control_page,
)
"""Without any extension."""
_INTEL = benches_of(tb_intel, tb_intel_interrupts)
INTEL = (*_INTEL, *benches_of(tb_intel_walking, tb_intel_pairs))
CONTRACT: dict[str, tuple[Bench, ...]] = {
    "1x1": OF_ANY_LATENCY,
    "2x5": FEW,
    "4x64": (*benches_of(tb_behaviour, tb_lines, tb_crowd), *OF_ANY_LATENCY),
    "2x7 plain": PLAIN,
    "2x6 fast": OF_ANY_LATENCY,
    "3x9 slow": OF_ANY_LATENCY,
    "2x700 far": (tb_latency.sweep, tb_latency.kept_entries),
    "intel 2": INTEL,
    "intel 4": INTEL,
}
"""By shape."""
SLOW = frozenset(benches_of(tb_walking, tb_intel_walking, tb_intel_pairs, tb_crowd))
"""Thousands of requests: not for an interpreting simulator."""
RANDOM = (tb_lines.one_at_a_time, tb_lines.posts_are_conserved, tb_lines.strides)
"""They take a seed."""
_LONG = (tb_intel_interrupts.no_vector_is_lost, tb_intel_interrupts.a_reset_in_the_middle)
BOARD = {
    Flavour.RISCV: (
        *(bench for bench in benches_of(tb_behaviour, tb_lines) if bench not in RANDOM),
        tb_registers.csr_reset,
        tb_registers.csr_privileges,
    ),
    Flavour.INTEL: tuple(bench for bench in _INTEL if bench not in _LONG),
}
"""For a device at the end of a serial link, where a request takes its time."""

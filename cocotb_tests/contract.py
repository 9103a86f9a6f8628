"""The contract of a device, as benches that run on each: reference, RTL, emulated board.

A bench is a coroutine function of a `Device` that was just reset. What it asserts holds of any
shape it is listed under here.
"""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import tb_behaviour
import tb_crowd
import tb_extensions
import tb_latency
import tb_registers
import tb_walking

__all__ = ["BOARD", "CONTRACT", "RANDOM", "SLOW", "Bench", "benches_of"]

Bench = Callable[..., Awaitable[Any]]


def benches_of(*modules: ModuleType) -> tuple[Bench, ...]:
    """All that they export."""
    return tuple(getattr(module, name) for module in modules for name in module.__all__)


FEW = benches_of(tb_behaviour, tb_registers, tb_extensions, tb_walking)
"""For few receivers."""
OF_ANY_LATENCY = benches_of(tb_latency)
PLAIN = (
    tb_behaviour.bits_of_low_need_software_that_knows_them,
    tb_extensions.identification,
    tb_registers.slots,
    tb_registers.control_page,
)
"""Without any extension."""
CONTRACT: dict[str, tuple[Bench, ...]] = {
    "1x1": OF_ANY_LATENCY,
    "2x5": FEW,
    "4x64": (*benches_of(tb_behaviour, tb_crowd), *OF_ANY_LATENCY),
    "2x7 plain": PLAIN,
    "2x6 fast": OF_ANY_LATENCY,
    "3x9 slow": OF_ANY_LATENCY,
    "2x700 far": (tb_latency.sweep, tb_latency.kept_entries),
}
"""By shape."""
SLOW = frozenset(benches_of(tb_walking, tb_crowd))
"""Thousands of requests: not for an interpreting simulator."""
RANDOM = (tb_behaviour.one_at_a_time, tb_behaviour.posts_are_conserved, tb_behaviour.strides)
"""They take a seed."""
BOARD = (
    *(bench for bench in benches_of(tb_behaviour) if bench not in RANDOM),
    tb_registers.csr_reset,
    tb_registers.csr_privileges,
)
"""For a device at the end of a serial link, where a request takes its time."""

"""The system of either flavour."""

from typing import Any

from uintr.intel.system import IntelSystem
from uintr.registers import Flavour
from uintr.system import System

__all__ = ["make_system"]

_SHARED = ("harts", "table_base", "table_pages")


def make_system(*, flavour: Flavour = Flavour.RISCV, **parameters: Any) -> Any:
    """A `System` or an `IntelSystem`, which have the same ports but for the latter's ``bus_lock``.

    ``parameters`` are those of `System`; the Intel flavour has no controller, and those that
    describe one have no effect.
    """
    if flavour == Flavour.INTEL:
        return IntelSystem(**{name: parameters[name] for name in _SHARED if name in parameters})
    return System(**parameters)

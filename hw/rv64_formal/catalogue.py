"""All proofs of the hart, and the broken designs that they have to notice."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from amaranth.hdl import Const, Mux, Signal
from amaranth.lib import data

import rv64.alu
import rv64.cache
import rv64.commit
import rv64.execute
import rv64.fabric
import rv64.memory_unit
import rv64.store_buffer
from rv64_formal.instruction import AnyResult, InstructionSpec
from rv64_formal.memory_order import (
    FabricSpec,
    QueueSpec,
    ReservationSpec,
    SnoopSpec,
    small_cache,
)
from rv64_formal.port import PortSpec
from uintr_formal.bug import Bug, replaced
from uintr_formal.prove import Proof

__all__ = ["BUGS", "PROOFS"]


@contextmanager
def _abstract_units() -> Iterator[None]:
    with ExitStack() as stack:
        for name in ("Multiplier", "Divider"):
            stack.enter_context(replaced(rv64.execute, name, lambda right: AnyResult)())
        yield


@contextmanager
def _small() -> Iterator[None]:
    kept = {name: getattr(rv64.cache, name) for name in (*small_cache(), "_TAG")}
    for name, value in small_cache().items():
        setattr(rv64.cache, name, value)
    rv64.cache._TAG = data.StructLayout({"valid": 1, "frame": small_cache()["FRAME_BITS"]})
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(rv64.cache, name, value)


class _Within:
    """A specification that is elaborated within a context."""

    def __init__(self, specification: Any, context: Callable[[], Any]) -> None:
        self.domain = specification.domain
        self._specification, self._context = specification, context

    def elaborate(self, platform: Any) -> Any:
        """Elaborate everything below at once, while the context lasts."""
        from amaranth.hdl import Fragment

        with self._context():
            return Fragment.get(self._specification, platform)


PROOFS: tuple[Proof, ...] = ()
BUGS: tuple[Bug, ...] = ()
_ = (Const, Mux, Signal)

"""Quiescence of the whole system, on which jumps over idle time in simulation rest.

While ``quiescent`` is high, nobody asks for anything and privileges stay, no register changes, no
memory is written, and no output changes. The registers are found in the elaborated design, all of
them, so that none can be forgotten: those that statements of the clock domain assign, and the
output registers of memories.

Two things are taken from other proofs: a hart unit that takes a request rests (`HartUnitSpec`), and
no target of the bus answers without being asked, nor in a transfer's first cycle (`TargetsSpec`).
"""

from collections.abc import Iterator
from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Cover,
    Fragment,
    MemoryInstance,
    Module,
    Signal,
    Value,
)

import uintr.system
from uintr.registers import ALL_FEATURES
from uintr.system import System
from uintr.table_ram import TableRam
from uintr_formal.bug import replaced
from uintr_formal.specification import Specification

__all__ = ["QuietSpec"]


class _SmallTableRam(TableRam):
    """Eight words: what the memory holds is of no concern here."""

    def __init__(self, **shape: Any) -> None:
        super().__init__(**shape)
        self._words = 8


def _fragments(fragment: Any) -> Iterator[Any]:
    yield fragment
    for inner, _, _ in fragment.subfragments:
        yield from _fragments(inner)


class QuietSpec(Specification):
    """Parameters
    ----------
    latency : of the controller
    """

    def __init__(self, *, latency: int) -> None:
        super().__init__()
        self._latency = latency

    def specify(self, m: Module) -> None:
        """Everything is free, but in the cycle after a quiet one the inputs stay."""
        dut = System(
            harts=2, receivers=4, table_pages=1, table_wait_states=2,
            features=ALL_FEATURES, latency=self._latency,
        )  # fmt: skip
        with replaced(uintr.system, "TableRam", lambda _: _SmallTableRam)():
            inner = dut.elaborate(None)
            whole = Fragment.get(inner, None)
        m.submodules.dut = whole
        self._targets(m, inner.submodules.decoder)
        for hart in range(2):
            unit = inner.submodules[f"hart_unit_{hart}"]
            rests = unit.sender.resting & ~unit.transferring
            m.d.comb += Assume(~unit.hart.request.ready | rests)  # as `HartUnitSpec` shows
        asks = [dut.bus.cyc & dut.bus.stb]
        privileges = []
        for hart in dut.hart:
            payload = hart.request.payload
            for signal in (hart.request.valid, payload.kind, payload.function, payload.address,
                           payload.data, hart.privilege):  # fmt: skip
                m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
            asks.append(hart.request.valid)
            privileges.append(hart.privilege)
        held = [getattr(dut.bus, name) for name in ("cyc", "stb", "we", "adr", "sel", "dat_w")]
        for signal in held:
            m.d.comb += signal.eq(AnySeq(len(signal)))
        presented, holds = Signal(len(Cat(held))), Signal()
        m.d.sync += [
            presented.eq(Cat(held)),
            holds.eq(dut.bus.cyc & dut.bus.stb & ~dut.bus.ack & ~dut.bus.err),
        ]
        m.d.comb += [
            Assume(~holds | (Cat(held) == presented)),
        ]

        quiet = Signal()
        was_quiet = Signal()
        m.d.comb += quiet.eq(dut.quiescent & ~Cat(asks).any())
        # With latency 2 the register of what was written last takes a cycle after the sweep to come
        # to rest; nobody reads it before it is written again.
        quiet_before = Signal()
        m.d.sync += [
            quiet_before.eq(quiet),
            was_quiet.eq(quiet & (quiet_before | (self._latency > 2))),
        ]
        for number, register in enumerate(self._registers(whole)):
            before = Signal(len(register), name=f"before_{number}")
            m.d.sync += before.eq(register)
            m.d.comb += Assert(~was_quiet | (register == before))
        for enable in self._write_enables(whole):
            m.d.comb += Assert(~quiet | ~enable.any())

        # And outputs: they are functions of registers and inputs.
        outputs = Cat(
            dut.bus.ack, dut.bus.err, dut.quiescent,
            *((h.interrupt, h.supervisor_interrupt, h.response.valid, h.request.ready)
              for h in dut.hart),
        )  # fmt: skip
        outputs_before, levels_before = Signal(len(outputs)), Signal(len(Cat(privileges)))
        m.d.sync += [outputs_before.eq(outputs), levels_before.eq(Cat(privileges))]
        with m.If(was_quiet & quiet & (Cat(privileges) == levels_before)):
            m.d.comb += Assert(outputs == outputs_before)
        m.d.comb += [
            Cover(was_quiet & dut.hart[0].interrupt),
            Cover(was_quiet & dut.hart[1].supervisor_interrupt),
        ]

    @staticmethod
    def _targets(m: Module, decoder: Any) -> None:
        """What `uintr_formal.wishbone.TargetsSpec` shows: no target answers before the second cycle
        of a transfer, nor if it is not asked.
        """
        bus = decoder.bus
        begun = Signal()
        m.d.sync += begun.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err)
        m.d.comb += Assume(~(bus.ack | bus.err) | begun)
        for target in decoder.targets:
            m.d.comb += Assume(~(target.ack | target.err) | (target.stb & begun))

    @staticmethod
    def _registers(whole: Any) -> list[Any]:
        """Every register of the elaborated design, once."""
        found: dict[int, Any] = {}
        for fragment in _fragments(whole):
            if isinstance(fragment, MemoryInstance):
                for port in fragment._read_ports:
                    if port._domain != "comb":
                        found[id(port._data)] = port._data
            for domain, statements in fragment.statements.items():
                if domain != "comb":
                    for signal in statements._lhs_signals():
                        found[id(signal)] = signal
        return list(found.values())

    @staticmethod
    def _write_enables(whole: Any) -> list[Any]:
        return [
            port._en
            for fragment in _fragments(whole)
            if isinstance(fragment, MemoryInstance)
            for port in fragment._write_ports
        ]

"""Quiescence of a hart unit: while it is idle, has nothing at bus and fabric, and no new input
comes, it stays so and no output changes.
"""

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Cover,
    Module,
    Signal,
    Value,
)

from uintr.intel.hart_unit import HartUnit
from uintr_formal.specification import Specification

__all__ = ["HartQuietSpec"]


class HartQuietSpec(Specification):
    """No parameters."""

    def specify(self, m: Module) -> None:
        """Everything is free but a cycle behind a quiet one, whose inputs stay."""
        m.submodules.dut = dut = HartUnit()
        hart, bus, interrupt = dut.hart, dut.bus, dut.interrupt
        payload = hart.request.payload
        inputs = [hart.privilege, hart.request.valid, payload.kind, payload.function,
                  payload.address, payload.data, bus.ack, bus.err, bus.dat_r, interrupt.ready,
                  dut.arrive, dut.vector]  # fmt: skip
        for signal in inputs:
            m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
        m.d.comb += [
            Assume(~(bus.ack | bus.err) | bus.stb),
            Assume(~(bus.ack & bus.err)),
            Assume(~interrupt.ready | interrupt.valid),
        ]
        outputs = Cat(
            hart.interrupt, hart.supervisor_interrupt, hart.response.valid, hart.request.ready,
            bus.stb, interrupt.valid, dut.idle,
        )  # fmt: skip
        quiet = Signal()
        m.d.comb += quiet.eq(dut.idle & ~bus.stb & ~interrupt.valid & ~dut.arrive)
        before = Signal(len(outputs))
        was_quiet = Signal()
        privilege = Signal(2)
        m.d.sync += [before.eq(outputs), was_quiet.eq(quiet), privilege.eq(hart.privilege)]
        with m.If(was_quiet & (privilege == hart.privilege) & ~hart.request.valid):
            m.d.comb += Assert(outputs == before)
        m.d.comb += [
            Cover(was_quiet & hart.interrupt),
            Cover(was_quiet & hart.supervisor_interrupt),
            Cover(dut.lock & bus.we & bus.ack),
        ]

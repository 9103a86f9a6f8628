"""Properties of a reset in the middle of anything, and of however many.

* in the cycle after a reset nothing is under way: no operation in any stage, no response, all lines
  low, nobody in the queue, and the sweep begins with the first record;
* until the sweep is over no operation is accepted;
* when it is over, each record has been written with zeros since the reset.
"""

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Assert, Cat, Cover, Module, Signal, Value

from uintr.registers import ALL_FEATURES
from uintr_formal.free import free
from uintr_formal.observed import Observed
from uintr_formal.specification import Specification

__all__ = ["ResetSpec"]


class ResetSpec(Specification):
    """Parameters
    ----------
    latency : of the controller
    """

    def __init__(self, *, latency: int) -> None:
        super().__init__(reset=True)
        self._latency = latency
        self._dut = Observed(harts=2, receivers=4, ports=3, latency=latency, features=ALL_FEATURES)

    def specify(self, m: Module) -> None:
        """Reset whenever; a note of which records were cleared since."""
        dut = self._dut
        m.submodules.dut = dut.elaborate(None)
        inside = dut.inside
        m.d.comb += self.domain.rst.eq(AnySeq(1))
        for port in dut.ports:
            free(m, port.operation.valid, port.operation.payload)
        free(m, dut.notify_hart)

        after = Signal(reset_less=True)
        which = AnyConst(range(dut.receivers))
        cleared = Signal()  # forgotten by a reset
        m.d.sync += after.eq(self.domain.rst)
        with m.If(~inside.swept & (inside.sweep == which)):
            m.d.sync += cleared.eq(Value.cast(inside.after) == 0)
        stages = (inside.addressing, inside.fetching, inside.executing)
        busy = Cat(stage.valid for stage in stages)
        accepted = Cat(port.operation.valid & port.operation.ready for port in dut.ports)
        happened = Signal(reset_less=True)
        with m.If(accepted.any()):
            m.d.sync += happened.eq(1)
        with m.If(after):
            m.d.comb += [
                Assert(~inside.swept),
                Assert(inside.sweep == 0),
                Assert(~busy.any()),
                Assert(~Cat(port.response.valid for port in dut.ports).any()),
                Assert(~Cat(dut.line, dut.supervisor_line).any()),
                Assert(~dut.idle),
            ]
        with m.If(~inside.swept):
            m.d.comb += [
                Assert(~accepted.any()),
                Assert(~busy.any()),
                Assert(Value.cast(inside.after) == 0),
                Assert((inside.sweep <= which) | cleared),
            ]
            if self._latency > 2:
                erases = dut.record.change.const(dut.record.erases()).as_value()
                m.d.comb += Assert(Value.cast(inside.executing.what) == erases)
        with m.Else():
            m.d.comb += Assert(cleared)
        m.d.comb += [Cover(after & happened), Cover(accepted.any() & cleared)]

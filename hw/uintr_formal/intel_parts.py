"""Properties of the small blocks of the Intel flavour.

`FabricSpec`: one interrupt a cycle is accepted if any is presented, it is one that is presented,
and arrives at exactly the harts that its destination names, with its vector.

`PendingSpec`, of any one vector: its request is set by an arrival, cleared by being taken, an
arrival winning, and by nothing else; the notification is UINV's request, while enabled; what is
taken as ordinary is the highest of the others.

`FaultSpec`: a refusal counts one more, in all bits, until the highest value, and leaves its cause;
a lost notification is kept until a write clears all.
"""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Value

from uintr.intel.fabric import InterruptFabric
from uintr.intel.faults import FaultRegister
from uintr.intel.pending import VECTOR_COUNT, PendingInterrupts
from uintr.intel.registers import BROADCAST, FIRST_VECTOR
from uintr_formal.arbiter import ordered
from uintr_formal.free import ago, free
from uintr_formal.specification import Specification

__all__ = ["FabricSpec", "FaultSpec", "PendingSpec"]


class FabricSpec(Specification):
    """Parameters
    ----------
    harts : number of harts
    """

    def __init__(self, *, harts: int) -> None:
        super().__init__()
        self._harts = harts

    def specify(self, m: Module) -> None:
        """Senders that present anything."""
        m.submodules.dut = dut = InterruptFabric(harts=self._harts)
        for port in dut.ports:
            free(m, port.valid, port.payload)
        valid = Cat(port.valid for port in dut.ports)
        ready = Cat(port.ready for port in dut.ports)
        m.d.comb += [
            Assert((ready & (ready - 1)) == 0),
            Assert((ready & ~valid) == 0),
            Assert(ready.any() == valid.any()),
            Assert(dut.busy == valid.any()),
            *ordered(dut.round_robin),
        ]
        for hart in range(self._harts):
            here = Value.cast(0)
            for port in dut.ports:
                where = port.payload.destination
                here |= port.ready & ((where == hart) | (where == BROADCAST))
                m.d.comb += Assert(~port.ready | (dut.vector == port.payload.vector))
            m.d.comb += Assert(dut.arrive[hart] == here.any())
        m.d.comb += [Cover(dut.arrive.all()), Cover(ready[self._harts - 1] & valid[0])]


class PendingSpec(Specification):
    """No parameters: one hart looks like any other."""

    def specify(self, m: Module) -> None:
        """One vector, whichever it is."""
        m.submodules.dut = dut = PendingInterrupts()
        free(m, dut.arrive, dut.vector, dut.enabled, dut.notification_vector,
             dut.take_notification, dut.take_ordinary)  # fmt: skip
        which = AnyConst(range(VECTOR_COUNT))
        vector = (which + FIRST_VECTOR)[:8]
        request = dut.requests.bit_select(which, 1)
        notifies = dut.enabled & (dut.notification_vector == vector)
        taken = (dut.take_notification & notifies) | (
            dut.take_ordinary & request & (dut.highest == vector)
        )
        arrives = dut.arrive & (dut.vector == vector)
        before, gone, comes = (
            ago(m, request, "request"), ago(m, taken, "taken"), ago(m, arrives, "arrives"),
        )  # fmt: skip
        ordinary = request & ~notifies
        m.d.comb += [
            Assert(request == ((before & ~gone) | comes)),
            Assert(~(request & notifies) | dut.notification),
            Assert(~notifies | request | ~dut.notification),
            Assert(~ordinary | (dut.ordinary & (dut.highest >= vector))),
            Assert(~(dut.highest == vector) | ordinary),
            Assert(dut.ordinary == (dut.highest != 0)),
            Cover(gone & comes),
            Cover(dut.notification & dut.ordinary),
        ]


class FaultSpec(Specification):
    """No parameters."""

    def specify(self, m: Module) -> None:
        """The register and what happened, one cycle ago."""
        m.submodules.dut = dut = FaultRegister()
        free(m, dut.refused, dut.cause, dut.lost, dut.clear)
        m.d.comb += Assume(~(dut.clear & (dut.refused | dut.lost)))
        refused, clear = ago(m, dut.refused, "refused"), ago(m, dut.clear, "clear")
        cause, lost = ago(m, dut.cause, "cause"), ago(m, dut.lost, "lost")
        count, last, was = (
            ago(m, dut.word.count, "count"), ago(m, dut.word.cause, "last"),
            ago(m, dut.word.lost, "was"),
        )  # fmt: skip
        more = Mux(count == 0xFFFF, count, count + 1)
        m.d.comb += [
            Assert(dut.word.count == Mux(clear, 0, Mux(refused, more, count))),
            Assert(dut.word.cause == Mux(clear, 0, Mux(refused, cause, last))),
            Assert(dut.word.lost == Mux(clear, 0, was | lost)),
            Assert(dut.word.reserved == 0),
            Cover((dut.word.count == 3) & dut.word.lost),
        ]

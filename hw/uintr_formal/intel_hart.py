"""Properties of a hart unit of the Intel flavour, however long bus and fabric take.

* every request is answered exactly once: each of at most `TRANSFERS` transfers and one interrupt
  that it makes is presented at once, and nothing else is waited for but a processing that began;
* SENDUIPI that is answered OK has posted its vector, and has notified exactly if neither ON nor SN
  was set; one that is refused has done neither;
* processing begins only at privilege U while a notification is pending and nothing is under way;
  the request is taken in that very cycle, so it begins once for each, whatever its transfers end
  with.
"""

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal

from uintr.intel.descriptor_unit import STATES
from uintr.intel.hart_unit import HartUnit
from uintr.intel.registers import Instruction
from uintr.registers import Privilege, RequestKind, Status
from uintr_formal.free import free
from uintr_formal.specification import Specification

__all__ = ["TRANSFERS", "IntelHartSpec"]

TRANSFERS = 6
_PLACE = {name: place for place, name in enumerate(STATES)}


class IntelHartSpec(Specification):
    """No parameters: one hart looks like any other."""

    def specify(self, m: Module) -> None:
        """The request under way, and what it has come to."""
        dut = HartUnit()
        m.submodules.dut = inside = dut.elaborate(None)
        unit, memory, pending = (
            inside.submodules[name] for name in ("descriptor", "memory", "pending")
        )
        hart, bus, interrupt = dut.hart, dut.bus, dut.interrupt
        request, response = hart.request, hart.response
        payload = request.payload
        free(m, hart.privilege, request.valid, payload.kind, payload.function, payload.address,
             payload.data, bus.ack, bus.err, bus.dat_r, interrupt.ready, dut.arrive,
             dut.vector)  # fmt: skip
        ends = bus.ack | bus.err
        m.d.comb += [
            Assume(~ends | bus.stb),
            Assume(~(bus.ack & bus.err)),
            Assume(~interrupt.ready | interrupt.valid),
        ]

        begins = request.valid & request.ready
        owed, posts = Signal(), Signal()
        with m.If(begins):
            m.d.sync += [
                owed.eq(1),
                posts.eq(
                    (payload.kind == RequestKind.UIPI) & (payload.function == Instruction.SENDUIPI)
                ),
            ]
        with m.Elif(response.valid):
            m.d.sync += owed.eq(0)
        under_way = owed & ~response.valid
        walks = ~unit.state[0]
        processing = walks & ~unit.posting
        sends = dut.sending

        # Transfers of what is under way, and what they have come to.
        steps = Signal(4)
        wrote, notified, quiet = Signal(), Signal(), Signal()
        with m.If(begins | unit.process):
            m.d.sync += [steps.eq(0), wrote.eq(0), notified.eq(0), quiet.eq(0)]
        with m.Else():
            m.d.sync += steps.eq(steps + ends)
        with m.If(bus.ack & unit.state[_PLACE["WRITE_PIR"]] & unit.posting):
            m.d.sync += [
                wrote.eq(bus.we & bus.adr[0] & (bus.dat_w >> unit.vector)[0]),
                quiet.eq(unit.status[:2].any()),
            ]
        with m.If(interrupt.ready & walks):
            m.d.sync += notified.eq(1)

        place = Mux(unit.posting, 1, _PLACE["STATUS"])
        m.d.comb += [
            Assert(~response.valid | owed),
            Assert(under_way == ((walks & unit.posting) | memory.bus.cyc | sends)),
            Assert((walks + memory.bus.cyc + sends)[:2] <= 1),
            Assert(~(walks & unit.posting) | posts),
            Assert(~(memory.bus.cyc | sends) | ~posts),
            Assert(request.ready == (~under_way & ~processing & ~unit.process)),
            Assert(~(under_way | processing) | bus.stb | interrupt.valid),
            Assert(steps <= TRANSFERS),
            Assert((unit.state & (unit.state - 1)) == 0),
            Assert(unit.state.any()),
            Assert(~memory.bus.cyc | (steps <= 1)),
            Assert(~memory.lock | (steps == 0)),
            Assert(memory.resting == ~memory.bus.cyc),
            Assert(dut.outstanding == under_way),
            Assert(dut.processing == processing),
            Assert(~sends | (steps == 0)),
            *(
                Assert(~unit.state[number] | (steps + place == number))
                for number in range(1, len(STATES))
            ),
            Assert(~processing | ~unit.state[_PLACE["NOTIFY"]]),
            # Processing.
            Assert(pending.take_notification == unit.process),
            Assert(pending.arrive == dut.arrive),
            Assert(pending.vector == dut.vector),
            Assert(~unit.process | pending.notification),
            Assert(~unit.process | (hart.privilege == Privilege.U)),
            Assert(~unit.process | ~(under_way | processing)),
            # What SENDUIPI has done.
            Assert(~(posts & under_way & (steps <= 4)) | ~(wrote | notified)),
            Assert(~(posts & under_way & (steps > 4)) | (wrote & ~notified & ~quiet)),
        ]
        status = response.payload.status
        with m.If(response.valid & posts):
            with m.If(status == Status.OK):
                m.d.comb += Assert(wrote & (notified ^ quiet))
            with m.Elif(status != Status.BUS):
                m.d.comb += Assert(~wrote & ~notified)
        m.d.comb += [
            Cover(response.valid & posts & notified),
            Cover(response.valid & posts & quiet),
            Cover(processing & (steps == 3)),
        ]

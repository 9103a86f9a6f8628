"""Properties of a hart unit, whatever the hart asks and however long bus and controller take.

* every request is answered exactly once, bus errors included; the next one is taken as early as in
  the cycle of the answer;
* it takes `OWN_CYCLES` cycles of its own at most; every other cycle between request and answer is
  one in which its transfer, the acceptance of its operation or the answer to it is waited for;
* an operation's answer is that of this operation, and never that of a post before it;
* a CSR access, TRAP and URET are answered in the next cycle with what the receiver says, a LOAD
  with the word that the bus brought, a STORE with 0;
* with any status but OK the data is 0; a refused UIPI SEND has not posted;
* only supervisors' loads and stores transfer what they say; all else reads for UIPI SEND;
* Wishbone: what is presented is held until the end of the transfer;
* suist changes only while no UIPI is under way, and then the cache forgets.
"""

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Module,
    Signal,
    Value,
)

from uintr.hart_unit import HartUnit
from uintr.interfaces import ANSWER, REQUEST, OperationFunction
from uintr.registers import Csr, RequestKind, Status, UipiFunction
from uintr_formal.specification import Specification

__all__ = ["OWN_CYCLES", "HartUnitSpec"]

OWN_CYCLES = 2
"""Between a request and its answer, at most: the transfer ends, the operation is accepted."""


class HartUnitSpec(Specification):
    """Parameters
    ----------
    latency : of the controller
    """

    def __init__(self, *, latency: int) -> None:
        super().__init__()
        self._latency = latency

    def specify(self, m: Module) -> None:
        """The request under way, the transfer, the operations that are not yet answered."""
        m.submodules.dut = dut = HartUnit(receivers=512, early=self._latency == 2)
        hart, bus, operation = dut.hart, dut.bus, dut.port.operation
        request, response, arrival = hart.request, hart.response, dut.port.response
        fields = {name: getattr(request.payload, name) for name in REQUEST.members}
        for signal in (hart.privilege, request.valid, *fields.values(), dut.line,
                       dut.supervisor_line, bus.ack, bus.err, bus.dat_r, operation.ready,
                       arrival.payload, dut.open, dut.caches, dut.invalidate):  # fmt: skip
            m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
        ends = bus.ack | bus.err
        m.d.comb += [
            Assume(~ends | bus.stb),
            Assume(~(bus.ack & bus.err)),
            Assume(~operation.ready | operation.valid),
        ]

        # What the controller owes: each operation's answer, so many cycles after acceptance.
        accepted = operation.valid & operation.ready
        posts = operation.payload.function == OperationFunction.SEND
        post_flight, own_flight = Signal(self._latency), Signal(self._latency)
        m.d.sync += [
            post_flight.eq(Cat(accepted & posts, post_flight[:-1])),
            own_flight.eq(Cat(accepted & ~posts, own_flight[:-1])),
        ]
        m.d.comb += arrival.valid.eq(post_flight[-1] | own_flight[-1])

        # The request under way.
        begins = request.valid & request.ready
        owed = Signal()
        asked = REQUEST.create()
        supervisor = Signal()
        posted = Signal()
        with m.If(begins):
            m.d.sync += [
                owed.eq(1),
                *(getattr(asked, name).eq(field) for name, field in fields.items()),
                supervisor.eq(hart.privilege.matches(1, 3)),
                posted.eq(0),
            ]
        with m.Elif(response.valid):
            m.d.sync += owed.eq(0)
        with m.If(accepted & posts):
            m.d.sync += posted.eq(1)
        waits = (bus.stb & ~ends) | (operation.valid & ~operation.ready) | (own_flight[:-1].any())
        spent = Signal(range(OWN_CYCLES + 2))
        with m.If(begins):
            m.d.sync += spent.eq(0)
        with m.Elif(owed & ~response.valid & ~waits):
            m.d.sync += spent.eq(spent + 1)

        uipi = asked.kind == RequestKind.UIPI
        moves = Value.cast(asked.kind).matches(RequestKind.LOAD, RequestKind.STORE) & supervisor
        under_way = owed & ~response.valid
        sender = dut.sender
        walks = ~sender.resting
        m.d.comb += [
            Assert(~response.valid | owed),
            Assert(request.ready == ~under_way),
            Assert(spent <= OWN_CYCLES),
            Assert(~under_way | (spent < OWN_CYCLES)),
            Assert(~walks | (under_way & uipi)),
            Assert(dut.transferring == (under_way & moves)),
            Assert(~under_way | uipi | moves),
            Assert(~under_way | bus.stb | operation.valid | sender.awaiting),
            Assert(~bus.stb | (under_way & (spent == 0))),
            Assert(~operation.valid | (under_way & uipi)),
            Assert(~(operation.valid & posts) | (asked.function == UipiFunction.SEND)),
            Assert(~(operation.valid & ~posts) | (asked.function != UipiFunction.SEND)),
            Assert(~(operation.valid & ~posts) | (spent == 0)),
            Assert(~operation.valid | (posts == (sender.posting | bus.stb))),
            Assert(~sender.awaiting | (asked.function != UipiFunction.SEND)),
            Assert(~sender.awaiting | (spent == 1)),
            Assert(dut.idle == ~owed),
            Assert(hart.supervisor_interrupt == dut.supervisor_line),
        ]
        self._answers(m, dut, post_flight, own_flight)

        # What the answer says.
        status, word = response.payload.status, response.payload.data
        with m.If(response.valid & (status != Status.OK)):
            m.d.comb += [Assert(word == 0), Assert(~posted)]
        with m.If(response.valid & uipi & (asked.function == UipiFunction.SEND)):
            m.d.comb += Assert(posted == (status == Status.OK))
        m.d.comb += Assert(~(posted & under_way))
        own_arrived, arrived, failed = Signal(), Signal(64), Signal()
        m.d.sync += [
            own_arrived.eq(own_flight[-1]),
            arrived.eq(arrival.payload),
            failed.eq(bus.err),
        ]
        with m.If(own_arrived):
            m.d.comb += [
                Assert(response.valid),
                Assert(status == Status.OK),
                Assert(word == arrived),
            ]
        with m.If(failed):
            m.d.comb += [Assert(response.valid), Assert(status == Status.BUS)]

        # A request that the receiver answers, and a load or store that the bus has ended.
        own = begins & Value.cast(request.payload.kind).matches(
            RequestKind.CSR, RequestKind.TRAP, RequestKind.URET
        )
        answered, loaded, stored = (Signal(name=n) for n in ("answered", "loaded", "stored"))
        told, brought = ANSWER.create(), Signal(64)
        m.d.sync += [
            answered.eq(own),
            told.data.eq(dut.receiver.answer.data),
            told.status.eq(dut.receiver.answer.status),
            loaded.eq(bus.ack & moves & (asked.kind == RequestKind.LOAD)),
            stored.eq(bus.ack & moves & (asked.kind == RequestKind.STORE)),
            brought.eq(bus.dat_r),
        ]
        m.d.comb += [
            Assert(dut.receiver.start == own),
            Assert(~answered | (response.valid & (status == told.status) & (word == told.data))),
            Assert(~loaded | (response.valid & (status == Status.OK) & (word == brought))),
            Assert(~stored | (response.valid & (status == Status.OK) & (word == 0))),
            Assert(dut.receiver.line == dut.line),
            Assert(hart.interrupt == dut.receiver.interrupt),
        ]
        with m.If(response.valid & uipi & (asked.function != UipiFunction.READ)):
            m.d.comb += Assert(own_arrived | (word == 0))

        # The bus.
        now = Cat(bus.cyc, bus.stb, bus.we, bus.adr, bus.sel, bus.dat_w)
        before, held = Signal(len(now)), Signal()
        m.d.sync += [before.eq(now), held.eq(bus.stb & ~ends)]
        with m.If(held):
            m.d.comb += Assert(now == before)
        with m.If(bus.stb):
            m.d.comb += [Assert(bus.cyc), Assert(bus.sel.all())]
            with m.If(moves):
                m.d.comb += [
                    Assert(bus.we == (asked.kind == RequestKind.STORE)),
                    Assert(Cat(asked.address[:3] != 0, bus.adr != asked.address[3:]) == 0),
                    Assert(bus.dat_w == asked.data),
                ]
            with m.Else():
                m.d.comb += [
                    Assert(~bus.we),
                    Assert(uipi & (asked.function == UipiFunction.SEND)),
                ]

        table = dut.receiver.words[Csr.SUIST]
        table_before, may_change = Signal.like(table), Signal()
        m.d.sync += [
            table_before.eq(table),
            may_change.eq(sender.resting & ~sender.start & sender.invalidate),
        ]
        begun = Signal()
        m.d.sync += begun.eq(1)
        m.d.comb += [
            Assert(~begun | may_change | (table == table_before)),
            Assert(~sender.start | sender.resting),
            Cover(response.valid & (status == Status.BUS) & moves),
            Cover(response.valid & (status == Status.BUS) & uipi),
            Cover(own_arrived & (word != 0)),
            Cover(post_flight[-1] & sender.awaiting),
            Cover(begins & response.valid),
            Cover(begun & (table != table_before)),
        ]

    def _answers(self, m: Module, dut: HartUnit, posts: Any, own: Any) -> None:
        """Which answers are on their way: the sender knows how many, and whether its own."""
        sender, operation = dut.sender, dut.port.operation
        count = sum((each for each in posts), Const(0, 3))
        m.d.comb += [
            Assert(sender.unclaimed == count),
            Assert(sender.awaiting == own.any()),
            Assert((own & (own - 1)) == 0),
            Assert((posts & own) == 0),
            # A post and the next operation are at least two cycles apart, and posts come before
            # the operation that is waited for.
            Assert((posts & posts[1:]) == 0),
            Assert(~(posts[0] & operation.valid)),
        ]
        for place in range(len(own)):
            with m.If(own[place]):
                m.d.comb += Assert(~posts[: place + 1].any())

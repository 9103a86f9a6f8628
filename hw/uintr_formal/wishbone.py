"""Properties of the bus: the arbiter with many initiators, and all targets of a system.

When initiators hold what they present and targets answer only when asked,

* the transfer that the targets see is held, unchanged, until its end;
* an end reaches exactly the initiator whose transfer it is, which is asking;
* the owner of a transfer under way is one initiator, and stays it until the end;
* ``cyc`` or ``stb`` alone asks for nothing;
* each turn that the round robin counts is one transfer, so that its fairness is the bus's.

When the initiator holds what it presents and the controller answers what it accepted,

* every transfer is ended exactly once, with ``ack`` or ``err``, never both, and nobody is answered
  who does not ask; what is answered is the word of the target that was asked;
* the targets themselves take `OWN_CYCLES` cycles and the table memory's wait states; every other
  cycle of a transfer is one in which an operation waits to be accepted or to be answered, or a post
  of a former entry is waited for;
* an operation is presented at most once, but for a claim that met a slot that was reset;
* a transfer that ends with ``err`` presents no operation.
"""

from typing import Any

from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Cover,
    Module,
    Signal,
)
from amaranth.lib.wiring import connect

from uintr.bridge import ControllerBridge
from uintr.control_page import ControlPage
from uintr.interfaces import WORD_BYTES, OperationFunction
from uintr.record import CLAIM_STALE
from uintr.registers import (
    ALL_FEATURES,
    CONTROL_OFFSET,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    SLOT_BYTES,
    SLOT_RESET,
)
from uintr.system import connect_control
from uintr.table_ram import TableRam
from uintr.wishbone import BusArbiter, BusDecoder
from uintr_formal.arbiter import ordered
from uintr_formal.free import free
from uintr_formal.specification import Specification

__all__ = ["OWN_CYCLES", "BusSpec", "TargetsSpec"]

_HELD = ("cyc", "stb", "we", "adr", "sel", "dat_w")
OWN_CYCLES = 3
"""Of a transfer, at most: seen first, taken effect, answered."""


def _initiator(m: Module, bus: Any, name: str, *, loose: bool = False) -> Any:
    """Let an initiator do anything that the rules allow; ``loose``: ``cyc`` and ``stb`` need not
    come together. Answers what it presents, as one word.
    """
    free(m, *(getattr(bus, each) for each in _HELD))
    now = Cat(getattr(bus, each) for each in _HELD)
    past = Signal(len(now), name=f"past_{name}")
    held = Signal(name=f"held_{name}")
    m.d.sync += [past.eq(now), held.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err)]
    if not loose:
        m.d.comb += Assume(bus.cyc == bus.stb)
    with m.If(held):
        m.d.comb += Assume(now == past)
    return now


class BusSpec(Specification):
    """The arbiter.

    Parameters
    ----------
    count : number of initiators
    """

    def __init__(self, *, count: int) -> None:
        super().__init__()
        self._count = count

    def specify(self, m: Module) -> None:
        """Initiators that hold what they present, targets that answer when asked."""
        m.submodules.dut = dut = BusArbiter(count=self._count)
        bus = dut.bus
        ends = bus.ack | bus.err
        free(m, bus.ack, bus.err, bus.dat_r)
        m.d.comb += [
            Assume(~ends | dut.busy),  # registered, so never in the first cycle
            Assume(~(bus.ack & bus.err)),
        ]
        for number, each in enumerate(dut.initiators):
            _initiator(m, each, str(number), loose=True)

        asking = Cat(each.cyc & each.stb for each in dut.initiators)
        ended = Cat(each.ack | each.err for each in dut.initiators)
        robin = dut.round_robin
        begins, begun = Signal(), Signal()
        granted = Signal(self._count)
        m.d.comb += begins.eq(~dut.busy & asking.any())
        m.d.sync += [begun.eq(begins), granted.eq(robin.grant)]
        m.d.comb += [
            Assert((ended & (ended - 1)) == 0),
            Assert(ended.any() == ends),
            Assert((ended & ~asking) == 0),
            Assert((bus.cyc & bus.stb) == asking.any()),
            # A turn that is taken is a transfer that begins: the arbiter's fairness is the bus's.
            Assert(robin.requests == asking),
            Assert((robin.advance & asking.any()) == begins),
            Assert(~begun | (dut.owner == granted) | ~dut.busy),
            Assert((dut.owner & (dut.owner - 1)) == 0),
            *ordered(dut.round_robin),
        ]
        with m.If(dut.busy):
            m.d.comb += Assert((dut.owner & asking).any())
        for number, each in enumerate(dut.initiators):
            with m.If(ended[number]):
                m.d.comb += [
                    Assert(each.ack == bus.ack),
                    Assert(each.err == bus.err),
                    Assert(each.dat_r == bus.dat_r),
                ]
        seen = Cat(getattr(bus, name) for name in _HELD)
        before = Signal(len(seen))
        under_way = Signal()
        m.d.sync += [before.eq(seen), under_way.eq(bus.cyc & bus.stb & ~ends)]
        with m.If(under_way):
            m.d.comb += [Assert(seen == before), Assert(dut.busy)]
        m.d.comb += [Cover(ended[each]) for each in range(self._count)]
        m.d.comb += Cover(ended[0] & bus.err)


class TargetsSpec(Specification):
    """Decoder, table memory, bridge and control page, as `System` connects them.

    Parameters
    ----------
    latency : of the controller, which answers so many cycles after it accepts
    wait_states : of the table memory
    """

    def __init__(self, *, latency: int, wait_states: int) -> None:
        super().__init__()
        self._latency = latency
        self._wait_states = wait_states

    def specify(self, m: Module) -> None:
        """One initiator that keeps the rules; a controller that does nothing but answer."""
        harts, receivers, size = 2, 5, 8
        m.submodules.table_ram = table_ram = TableRam(pages=1, wait_states=self._wait_states)
        table_ram._words = 4  # what it holds is not looked at here
        m.submodules.page = page = ControlPage(
            harts=harts, receivers=receivers, features=ALL_FEATURES
        )
        m.submodules.bridge = bridge = ControllerBridge(receivers=receivers)
        windows = [
            (1 << 32, PAGE_BYTES),
            (0, SLOT_BYTES * size),
            (CONTROL_OFFSET, PAGE_BYTES),
            (MASK_OFFSET, MASK_BYTES * size),
        ]
        m.submodules.decoder = decoder = BusDecoder(windows=windows)
        connect(m, decoder.targets[0], table_ram.bus)
        connect(m, decoder.targets[1], bridge.bus)
        connect_control(m, decoder.targets[2], page, bridge)
        connect(m, decoder.targets[3], bridge.masks)
        bus = decoder.bus
        _initiator(m, bus, "bus", loose=True)
        asks = bus.cyc & bus.stb
        operation, response = bridge.port.operation, bridge.port.response
        free(m, operation.ready, response.payload, page.posted, page.posting, page.rejected,
              *page.cause)  # fmt: skip
        m.d.comb += Assume(~operation.ready | operation.valid)

        # The controller: an answer so many cycles after each acceptance.
        accepted = operation.valid & operation.ready
        flight = Signal(self._latency)
        m.d.sync += flight.eq(Cat(accepted, flight[:-1]))
        m.d.comb += response.valid.eq(flight[-1])

        ends = bus.ack | bus.err
        claims = Signal()  # of the operation that was presented last
        stale = Signal()
        presented = Signal()  # the transfer has had its operation accepted, and not in vain
        m.d.comb += stale.eq(response.valid & claims & response.payload[CLAIM_STALE])
        with m.If(accepted):
            m.d.sync += claims.eq(operation.payload.function == OperationFunction.CLAIM)
        with m.If(ends | stale):
            m.d.sync += presented.eq(0)
        with m.Elif(accepted):
            m.d.sync += presented.eq(1)

        # Cycles of the transfer before this one that the targets themselves took.
        limit = OWN_CYCLES + self._wait_states
        spent = Signal(range(limit + 2))
        drains = Signal()  # a post of a former entry is waited for
        begun = Signal()
        m.d.comb += drains.eq(begun & (page.invalidate & page.posting).any() & ~page.operates)
        waits = drains | (operation.valid & ~operation.ready) | (flight.any() & ~ends)
        m.d.sync += begun.eq(asks & ~ends)
        # Caches are empty from the second cycle on, and the bus reads no entry meanwhile, so that
        # no hart begins to post then (`SenderSpec`).
        posting_before, empty = Signal(harts), Signal()
        m.d.sync += [
            posting_before.eq(page.posting),
            empty.eq(begun & asks & ~ends & page.invalidate.any()),
        ]
        m.d.comb += Assume(~empty | ((page.posting & ~posting_before) == 0))
        with m.If(~asks | ends):
            m.d.sync += spent.eq(0)
        with m.Elif(~waits & ~accepted):
            m.d.sync += spent.eq(spent + 1)

        in_flight = flight.any()
        m.d.comb += [
            Assert(~(bus.ack & bus.err)),
            Assert(~ends | asks),
            Assert(~ends | begun),  # never in the first cycle
            Assert((flight & (flight - 1)) == 0),
            Assert(~in_flight | asks),
            Assert(in_flight == presented),
            Assert(~(operation.valid & in_flight)),
            Assert(~bus.err | ~(operation.valid | in_flight)),
            Assert(~asks | ends | (spent < limit)),
            Assert(~asks | (spent <= limit)),
        ]
        for target in decoder.targets:
            with m.If(bus.ack & target.stb):
                m.d.comb += Assert(bus.dat_r == target.dat_r)
        self._stages(m, decoder, page, bridge, table_ram, flight, spent, begun)
        m.d.comb += [
            Cover(bus.ack & decoder.targets[0].stb & (spent == 1 + self._wait_states)),
            Cover(bus.err & ~Cat(target.stb for target in decoder.targets).any()),
            *(Cover(bus.err & decoder.targets[at].stb) for at in (1, 2, 3)),
            *(Cover(bus.ack & decoder.targets[at].stb & flight.any()) for at in (1, 2, 3)),
            Cover(stale),
            Cover(drains),
        ]

    def _stages(
        self, m: Module, decoder: Any, page: Any, bridge: Any, table_ram: Any, flight: Any,
        spent: Any, begun: Any,
    ) -> None:  # fmt: skip
        """How far each target is, for the induction: a target that does not answer yet has not
        been asked for longer than `spent` says, and one that is not asked does not answer.
        """
        resets = (
            page.bus.we
            & page.bus.sel.all()
            & (page.bus.adr == SLOT_RESET.address // WORD_BYTES)
            & (page.bus.dat_w < page._receivers)
        )
        m.d.comb += [
            Assert(begun | (spent == 0)),
            Assert(bridge.waiting == flight.any()),
            Assert(~flight.any() | bridge.wanted | page.operates),
        ]
        with m.If(page.bus.cyc & page.bus.stb & ~page.bus.ack & ~page.bus.err):
            m.d.comb += [
                Assert(page.begun == begun),
                Assert(page.resets == (begun & resets)),
            ]
        with m.Else():
            m.d.comb += Assert(~page.resets)
        with m.If(flight.any() & page.invalidate.any()):
            m.d.comb += Assert(page.posting == 0)
        with m.If(table_ram.bus.cyc & table_ram.bus.stb & ~table_ram.bus.ack):
            m.d.comb += Assert(table_ram.waited == spent)
        with m.Else():
            m.d.comb += Assert(table_ram.waited == 0)
        for target in decoder.targets:
            with m.If(~(target.cyc & target.stb) | ~begun):
                m.d.comb += Assert(~(target.ack | target.err))

"""The control page: who this hardware is, and what concerns all receivers."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.compare import below
from uintr.interfaces import WORD_BYTES, OperationFunction, Wishbone, layout
from uintr.registers import (
    CLAIM,
    ENABLE,
    ENTRY_CACHE,
    ENTRY_CACHE_OFFSET,
    FEATURES,
    HARTS,
    ID,
    INVALIDATE,
    MAX_HARTS,
    MAX_RECEIVERS,
    NOTIFY_HART,
    PAGE_BYTES,
    RECEIVERS,
    REJECTED_OFFSET,
    SLOT_RESET,
    THROTTLE_OFFSET,
    XLEN,
    Feature,
    Status,
)
from uintr.rejected import RejectedCounter
from uintr.throttle import Throttle

__all__ = ["ControlPage"]

_SLOT_RESET, _CLAIM = (register.address // WORD_BYTES for register in (SLOT_RESET, CLAIM))
"""Registers that the controller answers: a write of the first, a read of the second."""


class ControlPage(wiring.Component):
    """Registers of the whole controller.

    A transfer ends in the cycle after ``stb`` was first seen, unless it is one for the controller:
    then ``operates`` is high with ``function`` and ``receiver``, and the bridge ends the transfer.
    A register whose feature is left out, any other offset, a transfer of less than the whole word
    and a slot reset at or beyond ``receivers`` end with ``err`` and have no effect. Writing what is
    read-only, and reading what is write-only, has no effect and answers 0.

    A refusal in the cycle in which its counter is cleared counts: the counter is 1 afterwards.

    A write of INVALIDATE, ENTRY_CACHE or SLOT_RESET invalidates caches at the end of the cycle in
    which ``stb`` is first seen, then waits, for a cycle at least, while a hart that it concerns is
    ``posting``. Only then a transfer that resets a slot is handed over, and any other ends in the
    cycle after. While the transfer holds the bus nobody can read a new entry, so from then on no
    post of an entry that was read before is under way.

    Parameters
    ----------
    harts, receivers : shape of the hardware
    features : extensions

    Members
    -------
    bus : word addresses from the beginning of the page; `operates` transfers are not answered
    operates, function, receiver : the transfer is an operation of the controller
    done : that operation ends the transfer in this cycle
    notify_hart, enable : the registers
    rejected : one bit a hart: a UIPI SEND is refused in this cycle
    cause : array of status, while its bit of ``rejected``
    posted, posting : one bit a hart: the post of a UIPI SEND is accepted in this cycle; one waits
    open, caches, invalidate : one bit a hart: its throttle has a token; its entry cache is enabled;
        must forget
    begun, resets : the transfer is not in its first cycle, and is a slot reset that may be done;
        for a specification to see
    resting : no register of the page changes without a transfer or one of these inputs
    """

    def __init__(self, *, harts: int, receivers: int, features: Feature) -> None:
        check_range("harts", harts, 1, MAX_HARTS)
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        self._harts = harts
        self._receivers = receivers
        self._features = features
        self.begun = Signal()
        self.resets = Signal()
        super().__init__(
            {
                "bus": In(Wishbone()),
                "operates": Out(1),
                "function": Out(OperationFunction),
                "receiver": Out(16),
                "done": In(1),
                "notify_hart": Out(range(harts + 1), init=harts),
                "enable": Out(layout(ENABLE)),
                "rejected": In(harts),
                "cause": In(Status).array(harts),
                "posted": In(harts),
                "posting": In(harts),
                "open": Out(harts),
                "caches": Out(harts),
                "invalidate": Out(harts),
                "resting": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Find the register, then read, write, or hand over."""
        m = Module()
        bus = self.bus
        wanted = bus.cyc & bus.stb & ~bus.ack & ~bus.err
        place = bus.adr[: (PAGE_BYTES // WORD_BYTES - 1).bit_length()]
        found = Signal()
        answer = Signal(XLEN)
        write = Signal()
        m.d.comb += write.eq(wanted & bus.we & bus.sel.all())

        counters = []
        if Feature.REJECTED in self._features:
            for hart in range(self._harts):
                m.submodules[f"rejected_{hart}"] = counter = RejectedCounter()
                m.d.comb += [
                    counter.refused.eq(self.rejected[hart]),
                    counter.cause.eq(self.cause[hart]),
                ]
                counters.append(counter)
        throttles = self._throttles(m) if Feature.THROTTLE in self._features else []
        caching = Feature.ENTRY_CACHE in self._features
        concerned = Signal(self._harts)  # harts whose former entries must not be used any more
        if not throttles:
            m.d.comb += [self.open.eq(~0), self.resting.eq(1)]

        with m.Switch(place):
            for register, word in (
                (ID, ID.reset),
                (FEATURES, int(self._features)),
                (HARTS, self._harts),
                (RECEIVERS, self._receivers),
            ):
                with m.Case(register.address // WORD_BYTES):
                    m.d.comb += [found.eq(1), answer.eq(word)]
            if ENABLE.feature & self._features:
                with m.Case(ENABLE.address // WORD_BYTES):
                    m.d.comb += [found.eq(1), answer.eq(self.enable)]
                    known = bus.dat_w & ENABLE.built(self._features).mask()
                    with m.If(write):
                        m.d.sync += self.enable.eq(known)
            if Feature.SLOT_RESET in self._features:
                with m.Case(_SLOT_RESET):
                    m.d.comb += [
                        found.eq(~bus.we | below(bus.dat_w, self._receivers)),
                        self.receiver.eq(bus.dat_w),
                        concerned.eq((write & found).replicate(self._harts)),
                    ]
            if Feature.NOTIFY in self._features:
                with m.Case(_CLAIM):
                    m.d.comb += found.eq(1)
                with m.Case(NOTIFY_HART.address // WORD_BYTES):
                    m.d.comb += [found.eq(1), answer.eq(self.notify_hart)]
                    hartid = data.View(layout(NOTIFY_HART), bus.dat_w).hartid
                    with m.If(write):
                        m.d.sync += self.notify_hart.eq(
                            Mux(hartid < self._harts, hartid, self._harts)
                        )
            for hart, counter in enumerate(counters):
                with m.Case(REJECTED_OFFSET // WORD_BYTES + hart):
                    m.d.comb += [
                        found.eq(1),
                        answer.eq(counter.word),
                        counter.clear.eq(write),
                    ]
            for hart, throttle in enumerate(throttles):
                with m.Case(THROTTLE_OFFSET // WORD_BYTES + hart):
                    m.d.comb += [
                        found.eq(1),
                        answer.eq(throttle.word),
                        throttle.write.eq(write),
                    ]
            if caching:
                with m.Case(INVALIDATE.address // WORD_BYTES):
                    m.d.comb += [found.eq(1), concerned.eq(write.replicate(self._harts))]
                for hart in range(self._harts):
                    with m.Case(ENTRY_CACHE_OFFSET // WORD_BYTES + hart):
                        m.d.comb += [
                            found.eq(1),
                            answer.eq(self.caches[hart]),
                            concerned[hart].eq(write),
                        ]
                        with m.If(write):
                            m.d.sync += self.caches[hart].eq(
                                data.View(layout(ENTRY_CACHE), bus.dat_w).enable
                            )

        # Caches forget in the first cycle; a post may have been found there in that very cycle.
        begun = self.begun
        waits = Signal()
        if caching:
            m.d.comb += self.invalidate.eq(concerned)
        m.d.comb += waits.eq(concerned.any() & (~begun | (concerned & self.posting).any()))
        m.d.sync += begun.eq(wanted & ~self.done)

        # A slot reset is never handed over in its first cycle, so its check has a register.
        resets = self.resets
        m.d.sync += resets.eq(wanted & ~self.done & write & found & (place == _SLOT_RESET))
        with m.If(resets):
            m.d.comb += [
                self.function.eq(OperationFunction.RESET_SLOT),
                self.operates.eq(~self.posting.any()),
            ]
        if Feature.NOTIFY in self._features:
            with m.If((place == _CLAIM) & ~bus.we):
                m.d.comb += [
                    self.function.eq(OperationFunction.CLAIM),
                    self.operates.eq(bus.cyc & bus.stb & bus.sel.all()),
                ]

        m.d.sync += [
            bus.ack.eq(wanted & found & bus.sel.all() & ~self.operates & ~waits),
            bus.err.eq(wanted & ~(found & bus.sel.all())),
        ]
        with m.If(wanted):  # nothing moves while nobody asks
            m.d.sync += bus.dat_r.eq(Mux(bus.we, 0, answer))
        return m

    def _throttles(self, m: Module) -> list[Throttle]:
        """One for each hart."""
        throttles = []
        for hart in range(self._harts):
            m.submodules[f"throttle_{hart}"] = throttle = Throttle()
            m.d.comb += [
                throttle.data.eq(self.bus.dat_w),
                throttle.posted.eq(self.posted[hart]),
                throttle.refused.eq(self.rejected[hart] & (self.cause[hart] == Status.THROTTLED)),
                self.open[hart].eq(throttle.open),
            ]
            throttles.append(throttle)
        m.d.comb += self.resting.eq(Cat(throttle.resting for throttle in throttles).all())
        return throttles

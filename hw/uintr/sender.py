"""The sending side of one hart: the UIPI unit."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.compare import below
from uintr.entry_cache import INDEX_BITS, EntryCache
from uintr.interfaces import (
    ADDRESS_BITS,
    ANSWER,
    OPERATION,
    OperationFunction,
    OperationPort,
    Wishbone,
    layout,
)
from uintr.registers import (
    ALL_FEATURES,
    CSRS,
    ENTRIES_PER_PAGE,
    MAX_RECEIVERS,
    SENDER_ENTRY,
    VECTORS,
    XLEN,
    Csr,
    Feature,
    Status,
    UipiFunction,
)

__all__ = ["Sender"]


class Sender(wiring.Component):
    """Executes UIPI instructions, one at a time.

    SEND reads its sender-table entry over the bus, or finds it in the cache, and posts; it is done
    when the post is accepted. The others operate on the thread's own receiver and are done with the
    controller's response. Every check that fails ends the instruction there and then, before
    anything was changed.

    With ``start`` in cycle t, ``done`` is high in

    * t, if the function, the enable bit, the table's size, the throttle or suirs refuse it;
    * a, if the bus, or the entry's valid bit, vector or receiver refuse it, where a is the cycle
      in which the bus read that begins in t+1 ends;
    * p, when the post is accepted, for SEND: at the earliest a+1, or a if ``early``, or t+1 if the
      entry is in the cache;
    * the cycle of the response for the others.

    Parameters
    ----------
    receivers : number of receivers; the index of any other is refused
    features : THROTTLE and ENTRY_CACHE concern the sender
    early : present the post in the very cycle in which its entry arrives. That saves a cycle, and
        puts the checks between table memory and controller without a register

    Members
    -------
    start : begin the instruction; not before the one before is done
    function, operand : funct7 and rs1
    suist, suirs : the CSRs, as they are in the cycle of ``start``
    done : the instruction ends in this cycle
    answer : how it ended, while ``done``
    rejected : a SEND ends in this cycle, and was refused
    posted : a SEND ends in this cycle, and its post was accepted
    open : the throttle has a token, in the cycle of ``start``
    caches, invalidate : entries that are read are kept; forget them all
    bus : reads the sender table
    port : to the controller
    posting, awaiting, resting : a post is presented whose entry was there before this cycle, an
        answer is waited for, nothing is under way
    unclaimed : posts that are accepted and not yet answered
    cache : for a specification to see

    Raises
    ------
    ValueError : ``receivers`` is out of range.
    """

    def __init__(
        self, *, receivers: int, features: Feature = ALL_FEATURES, early: bool = False
    ) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        self._receivers = receivers
        self._throttled = Feature.THROTTLE in features
        self._early = early
        self.cache = EntryCache() if Feature.ENTRY_CACHE in features else None
        self.unclaimed = Signal(1 if self.cache is None else 2)
        self.awaiting = Signal()
        self.resting = Signal()
        super().__init__(
            {
                "start": In(1),
                "function": In(7),
                "operand": In(XLEN),
                "suist": In(layout(CSRS[Csr.SUIST])),
                "suirs": In(layout(CSRS[Csr.SUIRS])),
                "done": Out(1),
                "answer": Out(ANSWER),
                "rejected": Out(1),
                "posted": Out(1),
                "posting": Out(1),
                "open": In(1, init=1),
                "caches": In(1),
                "invalidate": In(1),
                "bus": Out(Wishbone()),
                "port": Out(OperationPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One state for each thing that is waited for."""
        m = Module()
        response = self.port.response

        address = Signal(ADDRESS_BITS)
        operation = Signal(OPERATION)
        m.d.comb += [
            self.bus.adr.eq(address),
            self.bus.sel.eq(~0),
            self.port.operation.payload.eq(operation),
        ]
        if self.cache is not None:
            self._keep(m, self.cache)

        # A SEND is done before its post is answered. That answer may arrive while a later
        # instruction waits for its own, and must not be taken for it. Posts follow each other in
        # four cycles at least, or in two if their entries are in the cache, and are answered in
        # four at most.
        m.d.sync += self.unclaimed.eq(
            self.unclaimed + self.posted - (response.valid & self.unclaimed.any())
        )

        with m.FSM() as fsm:
            with m.State("IDLE"), m.If(self.start):
                self._begin(m, address, operation)

            with m.State("ENTRY"):
                m.d.comb += [self.bus.cyc.eq(1), self.bus.stb.eq(1)]
                with m.If(self.bus.err):
                    self._refuse(m, Status.BUS)
                with m.Elif(self.bus.ack):
                    self._check_entry(m, operation)

            with m.State("POST"):
                m.d.comb += self.port.operation.valid.eq(1)
                with m.If(self.port.operation.ready):
                    self._accepted(m)

            with m.State("OPERATE"):
                m.d.comb += self.port.operation.valid.eq(1)
                with m.If(self.port.operation.ready):
                    m.next = "RESPONSE"

            with m.State("RESPONSE"), m.If(response.valid & ~self.unclaimed.any()):
                m.d.comb += self.answer.data.eq(response.payload)
                self._end(m, Status.OK)

        m.d.comb += [
            self.posting.eq(fsm.ongoing("POST")),
            self.awaiting.eq(fsm.ongoing("RESPONSE")),
            self.resting.eq(fsm.ongoing("IDLE")),
        ]
        return m

    def _end(self, m: Module, status: Status) -> None:
        m.d.comb += [self.done.eq(1), self.answer.status.eq(status)]
        m.next = "IDLE"

    def _refuse(self, m: Module, status: Status) -> None:
        """End a SEND without a post."""
        m.d.comb += self.rejected.eq(1)
        self._end(m, status)

    def _begin(self, m: Module, address: Any, operation: Any) -> None:
        """The checks that need neither bus nor controller, in their order."""
        own = {
            UipiFunction.READ: (OperationFunction.READ_HIGH, 0),
            UipiFunction.WRITE: (OperationFunction.WRITE_HIGH, self.operand),
            UipiFunction.ACTIVATE: (OperationFunction.WRITE_ACTIVE, 1),
            UipiFunction.DEACTIVATE: (OperationFunction.WRITE_ACTIVE, 0),
        }
        entry_bits = (ENTRIES_PER_PAGE - 1).bit_length()
        # The whole operand is compared, so that an index beyond the table cannot wrap into it; what
        # is below a page needs no comparison.
        pages = len(self.suist.size)
        index = self.operand[: entry_bits + pages]
        beyond = self.operand[entry_bits + pages :].any()
        beyond |= index[entry_bits:] >= self.suist.size

        with m.If(self.function == UipiFunction.SEND):
            with m.If(~self.suist.en):
                self._refuse(m, Status.DISABLED)
            with m.Elif(beyond):
                self._refuse(m, Status.INDEX)
            if self._throttled:
                with m.Elif(~self.open):
                    self._refuse(m, Status.THROTTLED)
            if self.cache is not None:
                with m.Elif(self.cache.hit):
                    m.d.sync += self._post(operation, self.cache.receiver, self.cache.vector)
                    m.next = "POST"
            with m.Else():
                m.d.sync += address.eq(Cat(Const(0, entry_bits), self.suist.ppn) + index)
                m.next = "ENTRY"
        with m.Elif(self.function > max(UipiFunction)):
            self._end(m, Status.ILLEGAL)
        with m.Elif(~self.suirs.en):
            self._end(m, Status.DISABLED)
        with m.Elif(~below(self.suirs.index, self._receivers)):
            self._end(m, Status.RECEIVER)
        with m.Else():
            m.d.sync += operation.receiver.eq(self.suirs.index)
            with m.Switch(self.function):
                for uipi, (function, word) in own.items():
                    with m.Case(uipi):
                        m.d.sync += [operation.function.eq(function), operation.data.eq(word)]
            m.next = "OPERATE"

    def _check_entry(self, m: Module, operation: Any) -> None:
        entry = data.View(layout(SENDER_ENTRY), self.bus.dat_r)
        with m.If(~entry.valid):
            self._refuse(m, Status.INVALID)
        with m.Elif(~below(entry.vector, VECTORS)):
            self._refuse(m, Status.VECTOR)
        with m.Elif(~below(entry.receiver, self._receivers)):
            self._refuse(m, Status.RECEIVER)
        with m.Else():
            m.d.sync += self._post(operation, entry.receiver, entry.vector)
            m.next = "POST"
            if self.cache is not None:
                m.d.comb += self.cache.fill.eq(self.caches)
            if self._early:
                # The word that the memory shows now; from the next cycle on, its copy.
                m.d.comb += [
                    self._post(self.port.operation.payload, entry.receiver, entry.vector),
                    self.port.operation.valid.eq(1),
                ]
                with m.If(self.port.operation.ready):
                    self._accepted(m)

    @staticmethod
    def _post(operation: Any, receiver: Any, vector: Any) -> list[Any]:
        """Make ``operation`` the post."""
        return [
            operation.function.eq(OperationFunction.SEND),
            operation.receiver.eq(receiver),
            operation.data.eq(vector),
        ]

    def _accepted(self, m: Module) -> None:
        """The controller accepts the post in this cycle."""
        m.d.comb += self.posted.eq(1)
        self._end(m, Status.OK)

    def _keep(self, m: Module, cache: EntryCache) -> None:
        """The cache is asked in the cycle of ``start``, and filled when the entry arrives."""
        m.submodules.cache = cache
        index = Signal(INDEX_BITS)
        with m.If(self.start):
            m.d.sync += index.eq(self.operand)
        entry = data.View(layout(SENDER_ENTRY), self.bus.dat_r)
        m.d.comb += [
            cache.index.eq(Mux(self.start, self.operand, index)),
            cache.fill_receiver.eq(entry.receiver),
            cache.fill_vector.eq(entry.vector),
            cache.invalidate.eq(self.invalidate),
        ]

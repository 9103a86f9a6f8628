"""Loads and stores of a supervisor, locked ones among them."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.registers import StoreFunction
from uintr.interfaces import ADDRESS_BITS, ANSWER, REQUEST, Wishbone
from uintr.registers import XLEN, Privilege, RequestKind, Status

__all__ = ["MemoryAccess"]


class MemoryAccess(wiring.Component):
    """One LOAD or STORE request at a time.

    With ``start`` in cycle t, ``done`` is high in t if the request is refused, in the cycle in
    which the transfer ends that begins in t+1, or, for a locked store, in that in which the write
    ends that follows it under the same lock.

    Members
    -------
    privilege, start, request : do it
    done, answer : it ends in this cycle, and how
    bus, lock : to memory
    resting : nothing is under way; for a specification to see
    """

    def __init__(self) -> None:
        self.resting = Signal()
        super().__init__(
            {
                "privilege": In(2),
                "start": In(1),
                "request": In(REQUEST),
                "done": Out(1),
                "answer": Out(ANSWER),
                "bus": Out(Wishbone()),
                "lock": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Check, transfer, and for a locked store a second transfer."""
        m = Module()
        request, bus = self.request, self.bus
        function = Signal(StoreFunction)
        address = Signal(ADDRESS_BITS)
        operand = Signal(XLEN)
        before = Signal(XLEN)
        after = Signal(XLEN)
        with m.Switch(function):
            with m.Case(StoreFunction.AND):
                m.d.comb += after.eq(before & operand)
            with m.Case(StoreFunction.OR):
                m.d.comb += after.eq(before | operand)
            with m.Default():
                m.d.comb += after.eq(operand)
        m.d.comb += [
            bus.adr.eq(address),
            bus.sel.eq(~0),
            bus.stb.eq(bus.cyc),
            bus.dat_w.eq(after),
        ]

        store = request.kind == RequestKind.STORE
        good = (
            self.privilege.matches(Privilege.S, Privilege.M)
            & ~request.address[: XLEN - ADDRESS_BITS].any()
            & (~store | (request.function <= max(StoreFunction)))
        )
        write = Signal()
        locked = function != StoreFunction.PLAIN
        with m.FSM() as fsm:
            with m.State("IDLE"), m.If(self.start):
                with m.If(good):
                    m.d.sync += [
                        write.eq(store & (request.function == StoreFunction.PLAIN)),
                        function.eq(Mux(store, request.function, StoreFunction.PLAIN)),
                        address.eq(request.address[XLEN - ADDRESS_BITS :]),
                        operand.eq(request.data),
                    ]
                    m.next = "FIRST"
                with m.Else():
                    self._end(m, Status.ILLEGAL)

            with m.State("FIRST"):
                m.d.comb += [bus.cyc.eq(1), bus.we.eq(write), self.lock.eq(locked)]
                with m.If(bus.err):
                    self._end(m, Status.BUS)
                with m.Elif(bus.ack & locked):
                    m.d.sync += before.eq(bus.dat_r)
                    m.next = "WRITE"
                with m.Elif(bus.ack):
                    self._end(m, Status.OK, Mux(write, 0, bus.dat_r))

            with m.State("WRITE"):
                m.d.comb += [bus.cyc.eq(1), bus.we.eq(1)]
                with m.If(bus.err):
                    self._end(m, Status.BUS)
                with m.Elif(bus.ack):
                    self._end(m, Status.OK, before)

        m.d.comb += self.resting.eq(fsm.ongoing("IDLE"))
        return m

    def _end(self, m: Module, status: Status, answer: Any = 0) -> None:
        m.d.comb += [
            self.done.eq(1),
            self.answer.status.eq(status),
            self.answer.data.eq(answer),
        ]
        m.next = "IDLE"

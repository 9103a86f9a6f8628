"""All that one hart has of user interrupts, behind its port."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.checks import check_range
from uintr.interfaces import (
    ADDRESS_BITS,
    ANSWER,
    HartPort,
    OperationPort,
    Wishbone,
)
from uintr.receiver import Receiver
from uintr.registers import (
    ALL_FEATURES,
    MAX_RECEIVERS,
    XLEN,
    Feature,
    Privilege,
    RequestKind,
    Status,
)
from uintr.sender import Sender

__all__ = ["HartUnit"]


class HartUnit(wiring.Component):
    """Takes a hart's requests, one at a time, and answers each.

    ``request.ready`` is high exactly when no request is outstanding. The response is a register: a
    request accepted in cycle t that needs neither bus nor controller is answered in t+1, others in
    the cycle after they end. The next request is accepted as early as the cycle of the response.

    CSR, TRAP and URET go to the `Receiver`, UIPI to the `Sender`; LOAD and STORE, for supervisors,
    make one transfer on the bus from t+1 on. With any status but OK the data is 0.

    Parameters
    ----------
    receivers : number of receivers of the controller
    features : THROTTLE and ENTRY_CACHE concern the hart unit
    early : posts are presented in the cycle in which their entry arrives

    Members
    -------
    hart : the port
    line, supervisor_line : the controller's lines of this hart; the second goes through to the
        port as it is
    bus : sender-table reads, loads and stores
    port : to the controller
    rejected, cause : a UIPI SEND is refused in this cycle, and its status
    posted, posting : the post of a UIPI SEND is accepted in this cycle; one is presented whose
        entry was there before
    open : the throttle has a token; without it UIPI SEND is refused
    caches, invalidate : keep the entries that are read; forget them. A write of suist forgets them
        too
    idle : no request is outstanding and no response is shown
    transferring : a load or store is under way
    receiver, sender : the two sides, for a specification to see

    Raises
    ------
    ValueError : ``receivers`` is out of range.
    """

    def __init__(
        self, *, receivers: int, features: Feature = ALL_FEATURES, early: bool = False
    ) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        self.transferring = Signal()
        self.receiver = Receiver()
        self.sender = Sender(receivers=receivers, features=features, early=early)
        super().__init__(
            {
                "hart": In(HartPort()),
                "line": In(1),
                "supervisor_line": In(1),
                "bus": Out(Wishbone()),
                "port": Out(OperationPort()),
                "rejected": Out(1),
                "cause": Out(Status),
                "posted": Out(1),
                "posting": Out(1),
                "open": In(1, init=1),
                "caches": In(1),
                "invalidate": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Receiver and sender side by side; this block keeps the one outstanding request."""
        m = Module()
        m.submodules.receiver = receiver = self.receiver
        m.submodules.sender = sender = self.sender
        request, response = self.hart.request, self.hart.response
        payload = request.payload

        outstanding = Signal()
        start = Signal()
        finish = Signal()
        answer = ANSWER.create()
        m.d.comb += [
            request.ready.eq(~outstanding),
            start.eq(request.valid & request.ready),
            self.idle.eq(~outstanding & ~response.valid),
        ]

        # What both sides see of the request.
        m.d.comb += [
            receiver.privilege.eq(self.hart.privilege),
            receiver.line.eq(self.line),
            self.hart.interrupt.eq(receiver.interrupt),
            self.hart.supervisor_interrupt.eq(self.supervisor_line),
            sender.function.eq(payload.function),
            sender.operand.eq(payload.data),
            sender.suist.eq(receiver.suist),
            sender.suirs.eq(receiver.suirs),
            sender.open.eq(self.open),
            sender.caches.eq(self.caches),
            sender.invalidate.eq(self.invalidate | receiver.suist_written),
        ]
        for name in ("kind", "function", "address", "data"):
            m.d.comb += getattr(receiver.request, name).eq(getattr(payload, name))
        connect(m, sender.port, flipped(self.port))

        # A load or store has the bus to itself, since the sender is idle then.
        transferring = self.transferring
        write = Signal()
        address = Signal(ADDRESS_BITS)
        word = Signal(XLEN)
        with m.If(transferring):
            m.d.comb += [
                self.bus.cyc.eq(1),
                self.bus.stb.eq(1),
                self.bus.we.eq(write),
                self.bus.adr.eq(address),
            ]
        with m.Else():
            m.d.comb += [
                self.bus.cyc.eq(sender.bus.cyc),
                self.bus.stb.eq(sender.bus.stb),
                self.bus.adr.eq(sender.bus.adr),
                sender.bus.ack.eq(self.bus.ack),
                sender.bus.err.eq(self.bus.err),
            ]
        m.d.comb += [
            self.bus.sel.eq(~0),
            self.bus.dat_w.eq(word),
            sender.bus.dat_r.eq(self.bus.dat_r),
        ]

        # How the request ends: at once, with its transfer, or when the sender is done.
        with m.If(transferring):
            m.d.comb += finish.eq(self.bus.ack | self.bus.err)
            with m.If(self.bus.err):
                m.d.comb += answer.status.eq(Status.BUS)
            with m.Elif(~write):
                m.d.comb += answer.data.eq(self.bus.dat_r)
        with m.Elif(start & payload.kind.matches(RequestKind.LOAD, RequestKind.STORE)):
            supervisor = self.hart.privilege.matches(Privilege.S, Privilege.M)
            with m.If(supervisor & ~payload.address[: XLEN - ADDRESS_BITS].any()):
                m.d.sync += [
                    transferring.eq(1),
                    write.eq(payload.kind == RequestKind.STORE),
                    address.eq(payload.address[XLEN - ADDRESS_BITS :]),
                    word.eq(payload.data),
                ]
            with m.Else():
                m.d.comb += [finish.eq(1), answer.status.eq(Status.ILLEGAL)]
        with m.Elif(
            start & payload.kind.matches(RequestKind.CSR, RequestKind.TRAP, RequestKind.URET)
        ):
            m.d.comb += [
                receiver.start.eq(1),
                finish.eq(1),
                answer.data.eq(receiver.answer.data),
                answer.status.eq(receiver.answer.status),
            ]
        with m.Elif(start & (payload.kind != RequestKind.UIPI)):
            m.d.comb += [finish.eq(1), answer.status.eq(Status.ILLEGAL)]
        with m.Else():
            m.d.comb += [
                sender.start.eq(start),
                finish.eq(sender.done),
                answer.data.eq(sender.answer.data),
                answer.status.eq(sender.answer.status),
            ]

        m.d.comb += [
            self.rejected.eq(sender.rejected),
            self.cause.eq(sender.answer.status),
            self.posted.eq(sender.posted),
            self.posting.eq(sender.posting),
        ]

        m.d.sync += response.valid.eq(finish)
        with m.If(finish):
            m.d.sync += [
                outstanding.eq(0),
                transferring.eq(0),
                response.payload.data.eq(answer.data),
                response.payload.status.eq(answer.status),
            ]
        with m.Elif(start):
            m.d.sync += outstanding.eq(1)

        return m

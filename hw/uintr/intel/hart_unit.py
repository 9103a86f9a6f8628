"""All that one hart has of user interrupts, and its pending interrupts, behind its port."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.descriptor_unit import DescriptorUnit
from uintr.intel.fabric import INTERRUPT
from uintr.intel.memory_access import MemoryAccess
from uintr.intel.pending import PendingInterrupts
from uintr.intel.receiver import Receiver
from uintr.intel.registers import MSRS, Instruction, Msr
from uintr.interfaces import ANSWER, HartPort, Wishbone
from uintr.registers import XLEN, Privilege, RequestKind, Status

__all__ = ["HartUnit"]

_DESTINATION = MSRS[Msr.X2APIC_ICR].field("destination")


class HartUnit(wiring.Component):
    """Takes a hart's requests, one at a time, and answers each; processes notifications between.

    ``request.ready`` is high when no request is outstanding and no notification is processed or
    begins to be in this cycle: a notification goes before a request. The response is a register, in
    the cycle after the request ended; the next request can be accepted in that cycle.

    Members
    -------
    hart : the port
    bus, lock : to memory
    interrupt : to the fabric
    arrive, vector : an interrupt for this hart comes from it
    idle : nothing is under way or presented, no response is shown, and nothing begins or counts
    outstanding, processing, sending : a request is under way, a notification, a write of ICR; for a
        specification to see
    """

    def __init__(self) -> None:
        self.outstanding = Signal()
        self.processing = Signal()
        self.sending = Signal()
        super().__init__(
            {
                "hart": In(HartPort()),
                "bus": Out(Wishbone()),
                "lock": Out(1),
                "interrupt": Out(stream.Signature(INTERRUPT)),
                "arrive": In(1),
                "vector": In(8),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Four blocks side by side; this one decides what begins and keeps the response."""
        m = Module()
        m.submodules.receiver = receiver = Receiver()
        m.submodules.pending = pending = PendingInterrupts()
        m.submodules.descriptor = descriptor = DescriptorUnit()
        m.submodules.memory = memory = MemoryAccess()
        request, response = self.hart.request, self.hart.response
        payload = request.payload

        # What begins in this cycle.
        outstanding, processing = self.outstanding, self.processing
        free = Signal()
        begins = Signal()
        start = Signal()
        m.d.comb += [
            free.eq(~outstanding & ~processing),
            begins.eq(free & pending.notification & (self.hart.privilege == Privilege.U)),
            request.ready.eq(free & ~begins),
            start.eq(request.valid & request.ready),
            self.idle.eq(free & ~begins & ~request.valid & ~response.valid & ~receiver.restless),
        ]

        # What the blocks see of the request and of each other.
        for block in (receiver, memory):
            m.d.comb += block.privilege.eq(self.hart.privilege)
            for name in ("kind", "function", "address", "data"):
                m.d.comb += getattr(block.request, name).eq(getattr(payload, name))
        m.d.comb += [
            self.hart.interrupt.eq(receiver.interrupt),
            self.hart.supervisor_interrupt.eq(pending.ordinary),
            pending.arrive.eq(self.arrive),
            pending.vector.eq(self.vector),
            pending.enabled.eq(receiver.enabled),
            pending.notification_vector.eq(receiver.misc.uinv),
            pending.take_notification.eq(begins),
            pending.take_ordinary.eq(start & receiver.acknowledges),
            receiver.irr.eq(pending.requests),
            receiver.highest.eq(pending.highest),
            receiver.merge.eq(descriptor.merge),
            receiver.merged.eq(descriptor.merged),
            receiver.refused.eq(descriptor.refused),
            receiver.cause.eq(descriptor.cause),
            receiver.lost.eq(descriptor.lost),
            descriptor.operand.eq(payload.data),
            descriptor.process.eq(begins),
            descriptor.enabled.eq(receiver.enabled),
            descriptor.tt.eq(receiver.tt),
            descriptor.misc.eq(receiver.misc),
            descriptor.pd.eq(receiver.pd),
        ]

        # Only one of the two is ever at the bus, and only one of the two sends.
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            m.d.comb += getattr(self.bus, name).eq(
                Mux(memory.bus.cyc, getattr(memory.bus, name), getattr(descriptor.bus, name))
            )
        m.d.comb += self.lock.eq(Mux(memory.bus.cyc, memory.lock, descriptor.lock))
        for block in (memory, descriptor):
            for name in ("ack", "err", "dat_r"):
                m.d.comb += getattr(block.bus, name).eq(getattr(self.bus, name))
        sending = self.sending
        icr = Signal(XLEN)
        m.d.comb += [
            self.interrupt.valid.eq(sending | descriptor.interrupt.valid),
            self.interrupt.payload.eq(descriptor.interrupt.payload),
            descriptor.interrupt.ready.eq(self.interrupt.ready),
        ]
        with m.If(sending):
            m.d.comb += [
                self.interrupt.payload.vector.eq(icr),
                self.interrupt.payload.destination.eq(icr[_DESTINATION.lsb :]),
            ]

        # How the request ends.
        finish = Signal()
        answer = ANSWER.create()

        def end(block: Any) -> list[Any]:
            return [
                answer.status.eq(block.answer.status),
                answer.data.eq(block.answer.data),
            ]

        kind = payload.kind
        by_descriptor = (kind == RequestKind.UIPI) & (payload.function == Instruction.SENDUIPI)
        by_memory = kind.matches(RequestKind.LOAD, RequestKind.STORE)
        by_receiver = ~by_descriptor & kind.matches(
            RequestKind.CSR, RequestKind.TRAP, RequestKind.URET, RequestKind.UIPI
        )
        m.d.comb += [
            descriptor.start.eq(start & by_descriptor),
            memory.start.eq(start & by_memory),
            receiver.start.eq(start & by_receiver),
        ]
        with m.If(sending):
            m.d.comb += finish.eq(self.interrupt.ready)
        with m.Elif(receiver.start):
            m.d.comb += [finish.eq(~receiver.sends), *end(receiver)]
            with m.If(receiver.sends):
                m.d.sync += [sending.eq(1), icr.eq(payload.data)]
        with m.Elif(memory.done):
            m.d.comb += [finish.eq(1), *end(memory)]
        with m.Elif(descriptor.done):
            m.d.comb += [finish.eq(1), *end(descriptor)]
        with m.Elif(start & ~by_memory & ~by_descriptor):
            m.d.comb += [finish.eq(1), answer.status.eq(Status.ILLEGAL)]

        with m.If(begins):
            m.d.sync += processing.eq(1)
        with m.Elif(descriptor.ended):
            m.d.sync += processing.eq(0)
        m.d.sync += response.valid.eq(finish)
        with m.If(finish):
            m.d.sync += [
                outstanding.eq(0),
                sending.eq(0),
                response.payload.data.eq(answer.data),
                response.payload.status.eq(answer.status),
            ]
        with m.Elif(start):
            m.d.sync += outstanding.eq(1)
        return m

"""A hart: five stages, and what stands beside them."""

from typing import Any

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rv64.access import Access
from rv64.bus_unit import BusUnit
from rv64.commit import Commit
from rv64.execute import Execute
from rv64.fetch import Fetch
from rv64.interfaces import BusPort, RvfiPort, SnoopPort
from rv64.memory_unit import MemoryUnit, Operation
from rv64.store_buffer import StoreBuffer
from rv64.trace import Trace
from rv64.walker import Walker
from uintr.interfaces import HartPort
from uintr.registers import PAGE_BYTES, XLEN, Privilege

__all__ = ["Hart"]

_SV39_BIT = 63


class Hart(wiring.Component):
    """RV64IMAC with machine, supervisor and user mode, Sv39, Sstc, PMP and user interrupts.

    ::

        fetch -> decode -> execute -> access -> commit
          |         (Execute)           |         |
        cache, TLB                 cache, TLB   CSRs, memory unit, store buffer, HartPort
          |                             |         |
          +-------- walker -------------+     bus unit -> bus

    Parameters
    ----------
    cache_bytes : of each cache: a multiple of 4096
    reset_vector : address of the first instruction, which is the beginning of main memory

    Members
    -------
    hart_id : what mhartid reads
    bus, snoop : memory and devices; what others write
    ram_pages : size of main memory
    port : to the hart unit
    mtime, msip, mtip, ssip : timers; ``ssip`` is a pulse
    halt_request, halt_step, halted, waiting : see `Soc`
    rvfi : what retires
    """

    def __init__(self, *, cache_bytes: int, reset_vector: int) -> None:
        ways = cache_bytes // PAGE_BYTES
        self.fetch = Fetch(ways=ways, reset_vector=reset_vector)
        self.execute = Execute()
        self.access = Access(ways=ways)
        self.commit = Commit(ways=ways)
        self._ways = ways
        self._ram_frame = reset_vector // PAGE_BYTES
        super().__init__(
            {
                "hart_id": In(8),
                "bus": Out(BusPort()),
                "snoop": In(SnoopPort()),
                "ram_pages": In(21),
                "port": Out(HartPort()),
                "mtime": In(XLEN),
                "msip": In(1),
                "mtip": In(1),
                "ssip": In(1),
                "halt_request": In(1),
                "halt_step": In(1),
                "halted": Out(1),
                "waiting": Out(1),
                "rvfi": Out(RvfiPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Connect the stages, then what serves them."""
        m = Module()
        m.submodules.fetch = fetch = self.fetch
        m.submodules.execute = execute = self.execute
        m.submodules.access = access = self.access
        m.submodules.commit = commit = self.commit
        m.submodules.store_buffer = store_buffer = StoreBuffer()
        m.submodules.memory_unit = memory_unit = MemoryUnit()
        m.submodules.walker = walker = Walker(ram_frame=self._ram_frame)
        m.submodules.bus_unit = bus_unit = BusUnit()
        csr, last = commit.csr, commit.last

        # The pipeline. The last stage's redirection comes first, with which nothing is ``wrong``.
        m.d.comb += [
            execute.fetched.eq(fetch.fetched),
            fetch.ready.eq(execute.ready),
            fetch.redirect.eq(commit.redirect | execute.follows | execute.wrong),
            fetch.target.eq(
                Mux(
                    execute.wrong,
                    execute.right,
                    Mux(commit.redirect, commit.target, execute.target),
                )
            ),
            execute.hold.eq(commit.hold),
            execute.flush.eq(commit.redirect),
            execute.write.eq(commit.write),
            execute.rd.eq(last.rd),
            execute.value.eq(last.value),
            execute.interrupt.eq(commit.guess.interrupts),
            execute.handler.eq(commit.guess.handler),
            commit.guess.passes.eq(execute.leaves),
            access.executed.eq(execute.executed),
            access.hold.eq(commit.hold),
            access.next_address.eq(execute.sum),
            access.last.eq(last),
            commit.finished.eq(access.finished),
        ]

        # Whose addresses they are.
        m.d.comb += [
            fetch.user.eq(csr.privilege == Privilege.U),
            access.user.eq(csr.effective == Privilege.U),
            access.sum.eq(csr.sum),
            access.mxr.eq(csr.mxr),
        ]
        for space, privilege in ((fetch.space, csr.privilege), (access.space, csr.effective)):
            m.d.comb += [
                space.translated.eq(csr.satp[_SV39_BIT] & (privilege != Privilege.M)),
                space.machine.eq(privilege == Privilege.M),
                space.asid.eq(csr.satp[44:60]),
            ]

        # Stores and slow accesses.
        connect(m, commit.store, store_buffer.input)
        connect(m, store_buffer.output, bus_unit.stores)
        connect(m, memory_unit.bus, bus_unit.memory)
        connect(m, fetch.bus, bus_unit.fetch)
        connect(m, bus_unit.bus, flipped(self.bus))
        m.d.comb += [
            commit.drained.eq(store_buffer.empty),
            access.store.eq(commit.store.valid & commit.store.ready),
            memory_unit.start.eq(commit.start),
            memory_unit.operation.eq(commit.operation),
            memory_unit.address.eq(last.address),
            memory_unit.funct3.eq(last.funct3),
            memory_unit.funct5.eq(last.raw[27:]),
            memory_unit.word.eq(last.word),
            memory_unit.mask.eq(last.mask),
            memory_unit.operand.eq(last.b),
            memory_unit.drained.eq(store_buffer.empty),
            memory_unit.snoop.valid.eq(self.snoop.valid),
            memory_unit.snoop.address.eq(self.snoop.address),
            commit.done.eq(memory_unit.done),
            commit.value.eq(memory_unit.value),
            commit.failed.eq(memory_unit.failed),
            access.fill.eq(memory_unit.beat),
            access.place.eq(memory_unit.place),
            access.done.eq(memory_unit.last),
            access.fill_data.eq(self.bus.read_data),
            access.snoop.valid.eq(self.snoop.valid | memory_unit.own_write),
            access.snoop.address.eq(
                Mux(memory_unit.own_write, memory_unit.bus.address, self.snoop.address)
            ),
        ]

        # Translations.
        connect(m, commit.walk, walker.data)
        connect(m, fetch.walk, walker.fetch)
        pmp = csr.pmp
        m.d.comb += [
            commit.space.eq(access.space),
            walker.root.eq(csr.satp[:44]),
            walker.ram_pages.eq(self.ram_pages),
            walker.flush.eq(commit.flush_tlb),
            pmp.start.eq(walker.start),
            pmp.frame.eq(walker.frame),
            pmp.machine.eq(walker.machine),
            walker.checked.eq(pmp.done),
            walker.allowed.eq(pmp.allowed),
            bus_unit.walker.valid.eq(walker.read),
            bus_unit.walker.address.eq(walker.address),
            bus_unit.walker.mask.eq(~0),
            walker.granted.eq(bus_unit.walker.grant),
            walker.beat.eq(bus_unit.walker.beat),
            walker.error.eq(bus_unit.walker.error),
            walker.read_data.eq(bus_unit.walker.read_data),
        ]
        for tlb, mine in ((fetch.tlb, ~walker.to_data), (access.tlb, walker.to_data)):
            m.d.comb += [
                tlb.fill.eq(walker.fill & mine),
                tlb.fill_vpn.eq(walker.vpn),
                tlb.fill_space.eq(walker.space),
                tlb.fill_frame.eq(walker.to_frame),
                tlb.fill_rights.eq(walker.rights),
                tlb.flush.eq(commit.flush_tlb),
            ]

        # Instruction cache, port, timers, debugger.
        m.d.comb += [
            fetch.invalidate.eq(commit.invalidate),
            commit.invalidated.eq(fetch.invalidated),
            csr.hart_id.eq(self.hart_id),
            csr.mtime.eq(self.mtime),
            csr.msip.eq(self.msip),
            csr.mtip.eq(self.mtip),
            csr.ssip.eq(self.ssip),
            csr.external.eq(self.port.supervisor_interrupt),
            commit.halt_request.eq(self.halt_request),
            commit.halt_step.eq(self.halt_step),
            self.halted.eq(commit.halted),
            self.waiting.eq(commit.waiting),
        ]
        connect(m, commit.port, flipped(self.port))

        m.submodules.trace = trace = Trace(ways=self._ways)
        connect(m, trace.rvfi, flipped(self.rvfi))
        for name in ("last", "retire", "entered", "redirect", "target", "cause"):
            m.d.comb += getattr(trace, name).eq(getattr(commit, name))
        m.d.comb += [
            trace.status.eq(commit.status),
            trace.privilege.eq(commit.mode),
            trace.satp.eq(csr.satp),
            trace.wrote.eq(memory_unit.wrote),
            trace.atomic_word.eq(memory_unit.new),
            trace.icache_miss.eq(fetch.miss),
            trace.dcache_miss.eq(commit.start & (commit.operation == Operation.FILL)),
            trace.walk.eq(walker.begins),
        ]
        return m

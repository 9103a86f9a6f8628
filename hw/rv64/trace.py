"""What retired, told in the RISC-V formal interface."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rv64.access import work
from rv64.encoding import Kind
from rv64.interfaces import RvfiPort
from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN, Status

__all__ = ["Trace"]


class Trace(wiring.Component):
    """Watches the last stage, and has no effect. Everything shows a cycle later.

    Members
    -------
    last, retire, entered, redirect, target, cause, status : of the last stage
    privilege, satp : what it runs in
    wrote, atomic_word : an atomic wrote, and what
    icache_miss, dcache_miss, walk : events
    rvfi : the port
    """

    def __init__(self, *, ways: int) -> None:
        super().__init__(
            {
                "last": In(work(ways)),
                "retire": In(1),
                "entered": In(1),
                "redirect": In(1),
                "target": In(XLEN),
                "cause": In(XLEN),
                "status": In(Status),
                "privilege": In(2),
                "satp": In(XLEN),
                "wrote": In(1),
                "atomic_word": In(XLEN),
                "icache_miss": In(1),
                "dcache_miss": In(1),
                "walk": In(1),
                "rvfi": Out(RvfiPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A trap shows when its handler is entered, with the instruction that raised it."""
        m = Module()
        last, rvfi = self.last, self.rvfi
        order = Signal(64)
        first = Signal()  # of a handler
        interrupt = Signal(XLEN)
        traps = self.entered & ~self.cause[-1]
        with m.If(self.entered):
            m.d.sync += [first.eq(self.cause[-1]), interrupt.eq(self.cause)]
        with m.If(self.retire | traps):
            m.d.sync += order.eq(order + 1)
        with m.If(self.retire):
            m.d.sync += first.eq(0)

        loads, stores = Signal(), Signal()
        is_atomic = last.kind == Kind.ATOMIC
        is_sc = is_atomic & (last.raw[27:] == 3)
        m.d.comb += [
            loads.eq(~traps & ((last.kind == Kind.LOAD) | (is_atomic & ~is_sc))),
            stores.eq(~traps & ((last.kind == Kind.STORE) | (is_atomic & self.wrote))),
        ]
        accesses = last.kind.matches(Kind.LOAD, Kind.STORE, Kind.ATOMIC)
        m.d.sync += [
            rvfi.valid.eq(self.retire | traps),
            rvfi.order.eq(order),
            rvfi.insn.eq(last.raw),
            rvfi.trap.eq(traps),
            rvfi.intr.eq(first),
            rvfi.mode.eq(self.privilege),
            rvfi.ixl.eq(2),
            rvfi.rs1_addr.eq(last.rs1),
            rvfi.rs2_addr.eq(last.rs2),
            rvfi.rs1_rdata.eq(Mux(last.rs1.any(), last.a, 0)),
            rvfi.rs2_rdata.eq(Mux(last.rs2.any(), last.b, 0)),
            rvfi.rd_addr.eq(Mux(traps, 0, last.rd)),
            rvfi.rd_wdata.eq(Mux(last.rd.any() & ~traps, last.value, 0)),
            rvfi.pc_rdata.eq(last.pc),
            rvfi.pc_wdata.eq(Mux(self.redirect, self.target, last.next)),
            rvfi.mem_addr.eq(Mux(accesses, last.virtual & ~(WORD_BYTES - 1), 0)),
            rvfi.mem_rmask.eq(Mux(loads, last.mask, 0)),
            rvfi.mem_wmask.eq(Mux(stores, last.mask, 0)),
            rvfi.mem_rdata.eq(last.value << (last.virtual[:3] << 3)),
            rvfi.mem_wdata.eq(Mux(is_atomic, self.atomic_word, last.word)),
            rvfi.cause.eq(Mux(traps, self.cause, interrupt)),
            rvfi.enters.eq(self.entered & self.cause[-1]),
            rvfi.enters_cause.eq(self.cause),
            rvfi.satp.eq(self.satp),
            rvfi.status.eq(self.status),
            rvfi.icache_miss.eq(self.icache_miss),
            rvfi.dcache_miss.eq(self.dcache_miss),
            rvfi.walk.eq(self.walk),
        ]
        return m

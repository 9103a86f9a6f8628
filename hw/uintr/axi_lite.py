"""AXI4-Lite in front of any block that has a Wishbone."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from uintr.interfaces import ADDRESS_BITS, WORD_BYTES, Wishbone
from uintr.pass_through import pass_through
from uintr.registers import XLEN

__all__ = ["AxiLite", "AxiLiteBridge", "AxiLiteManager", "OnAxiLite"]

_OKAY, _SLVERR = 0, 2
_PRIVILEGED = 0b001


class AxiLite(wiring.Signature):
    """AXI4-Lite with 64 address and data bits, seen from the manager. Names are AMBA's."""

    def __init__(self) -> None:
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(XLEN),
                "awprot": Out(3),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(XLEN),
                "wstrb": Out(WORD_BYTES),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(XLEN),
                "arprot": Out(3),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(XLEN),
                "rresp": In(2),
            }
        )


class AxiLiteBridge(wiring.Component):
    """Turns AXI4-Lite transactions into Wishbone transfers, one at a time.

    Address and data of a write are taken together, in the cycle in which the transfer ends, or
    the address of a read. The response is there in the cycle after, until it is taken; the next
    transfer begins after that. When a read and a write wait, the kind that was not served last goes
    first. A bus error is SLVERR. Lower address bits and protection bits are without effect.

    Members
    -------
    axi : from the manager
    bus : to the block
    running, kind : a transfer is under way since before this cycle, and it is a write; for a
        specification to see
    """

    def __init__(self) -> None:
        self.running = Signal()
        self.kind = Signal()
        super().__init__({"axi": In(AxiLite()), "bus": Out(Wishbone())})

    def elaborate(self, platform: Any) -> Module:
        """Choose, transfer, answer."""
        m = Module()
        axi, bus = self.axi, self.bus
        lsb = XLEN - ADDRESS_BITS
        wrote = Signal()
        running, kind = self.running, self.kind
        write = Signal()
        free = Signal()
        ended = Signal()
        can_write = axi.awvalid & axi.wvalid
        m.d.comb += [
            write.eq(Mux(running, kind, can_write & ~(axi.arvalid & wrote))),
            free.eq(~axi.bvalid & ~axi.rvalid),
            bus.cyc.eq(free & (can_write | axi.arvalid)),
            bus.stb.eq(bus.cyc),
            bus.we.eq(write),
            bus.adr.eq(Mux(write, axi.awaddr[lsb:], axi.araddr[lsb:])),
            bus.sel.eq(Mux(write, axi.wstrb, ~0)),
            bus.dat_w.eq(axi.wdata),
            ended.eq(bus.cyc & (bus.ack | bus.err)),
            axi.awready.eq(ended & write),
            axi.wready.eq(ended & write),
            axi.arready.eq(ended & ~write),
        ]
        with m.If(bus.cyc):
            m.d.sync += [running.eq(~ended), kind.eq(write)]
        with m.If(axi.bvalid & axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        with m.If(axi.rvalid & axi.rready):
            m.d.sync += axi.rvalid.eq(0)
        with m.If(ended):
            m.d.sync += wrote.eq(write)
            response = Mux(bus.err, _SLVERR, _OKAY)
            with m.If(write):
                m.d.sync += [axi.bvalid.eq(1), axi.bresp.eq(response)]
            with m.Else():
                m.d.sync += [axi.rvalid.eq(1), axi.rresp.eq(response), axi.rdata.eq(bus.dat_r)]
        return m


class AxiLiteManager(wiring.Component):
    """Turns Wishbone transfers into AXI4-Lite transactions, one at a time.

    Address and data of a write are offered together, and each stays until it is taken. The transfer
    ends in the cycle of the response: OKAY is ``ack``, everything else ``err``. Accesses are marked
    privileged. Who began a transfer must hold it to its end, since AXI knows no way back.

    Members
    -------
    bus : from the block
    axi : to the subordinate
    taken : of each channel, by name: it was taken, for a specification to see
    """

    def __init__(self) -> None:
        self.taken = {name: Signal(name=f"{name}_taken") for name in ("aw", "w", "ar")}
        super().__init__({"bus": In(Wishbone()), "axi": Out(AxiLite())})

    def elaborate(self, platform: Any) -> Module:
        """Offer, remember what was taken, wait for the response."""
        m = Module()
        axi, bus = self.axi, self.bus
        lsb = XLEN - ADDRESS_BITS
        asked = Signal()
        m.d.comb += [
            asked.eq(bus.cyc & bus.stb),
            axi.awaddr[lsb:].eq(bus.adr),
            axi.araddr[lsb:].eq(bus.adr),
            axi.awprot.eq(_PRIVILEGED),
            axi.arprot.eq(_PRIVILEGED),
            axi.wdata.eq(bus.dat_w),
            axi.wstrb.eq(bus.sel),
            axi.bready.eq(1),
            axi.rready.eq(1),
            bus.dat_r.eq(axi.rdata),
        ]
        ended = Signal()
        for name, taken in self.taken.items():
            valid, ready = getattr(axi, f"{name}valid"), getattr(axi, f"{name}ready")
            wanted = ~bus.we if name == "ar" else bus.we
            m.d.comb += valid.eq(asked & wanted & ~taken)
            with m.If(ended):
                m.d.sync += taken.eq(0)
            with m.Elif(valid & ready):
                m.d.sync += taken.eq(1)
        good = Mux(axi.bvalid, axi.bresp, axi.rresp) == _OKAY
        m.d.comb += [
            ended.eq(axi.bvalid | axi.rvalid),
            bus.ack.eq(ended & good),
            bus.err.eq(ended & ~good),
        ]
        return m


class OnAxiLite(wiring.Component):
    """A block with ``axi`` in the place of its ``bus``. All its other ports are the same.

    Parameters
    ----------
    block : a component with a member ``bus``, a `Wishbone` towards it or from it
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        members = dict(block.signature.members)
        self._begins = members.pop("bus").flow is Out
        axi = AxiLite()
        super().__init__({"axi": Out(axi) if self._begins else In(axi), **members})

    def elaborate(self, platform: Any) -> Module:
        """Bridge and block side by side."""
        m = Module()
        m.submodules.axi_bridge = bridge = AxiLiteManager() if self._begins else AxiLiteBridge()
        m.submodules.block = block = self._block
        connect(m, flipped(self.axi), bridge.axi)
        connect(m, bridge.bus, block.bus)
        pass_through(m, self, block, omit={"bus"})
        return m

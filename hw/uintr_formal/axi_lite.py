"""Properties of AXI4-Lite, towards a subordinate and from a manager.

`AxiLiteManagerSpec`, whatever the subordinate does when it is asked:

* a transfer ends with ``ack`` exactly when its own channel's response is OKAY, and with ``err``
  exactly when it is anything else: BRESP of a write, RRESP of a read, each alone;
* what is read is what RDATA says; address, data and bytes are those of the transfer;
* each of a transfer's channels is used once, and what is offered is held until it is taken.

`AxiLiteBridgeSpec`, whatever the manager does by the rules:

* the transfer is that of the channels that are taken at its end, and is held until then;
* each is answered once, on its own channel, OKAY after ``ack`` and SLVERR after ``err``, with the
  word that was read; the answer is held until it is taken.
"""

from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Cover,
    Module,
    Mux,
    Signal,
)

from uintr.axi_lite import AxiLiteBridge, AxiLiteManager
from uintr_formal.free import ago, free
from uintr_formal.specification import Specification

__all__ = ["AxiLiteBridgeSpec", "AxiLiteManagerSpec"]

_SLVERR = 2


class AxiLiteManagerSpec(Specification):
    """No parameters."""

    def specify(self, m: Module) -> None:
        """What the subordinate owes, from the channels that it took."""
        m.submodules.dut = dut = AxiLiteManager()
        axi, bus = dut.axi, dut.bus
        free(m, bus.cyc, bus.stb, bus.we, bus.adr, bus.sel, bus.dat_w, axi.awready, axi.wready,
             axi.arready, axi.bvalid, axi.bresp, axi.rvalid, axi.rresp, axi.rdata)  # fmt: skip
        asked = bus.cyc & bus.stb
        ends = bus.ack | bus.err
        request = Cat(bus.cyc, bus.stb, bus.we, bus.adr, bus.sel, bus.dat_w)
        held, past = ago(m, asked & ~ends, "held"), ago(m, request, "request")
        m.d.comb += Assume(~held | (request == past))

        taken = {name: Signal(name=f"{name}_taken") for name in ("aw", "w", "ar")}
        for name, flag in taken.items():
            valid, ready = getattr(axi, f"{name}valid"), getattr(axi, f"{name}ready")
            with m.If(ends):
                m.d.sync += flag.eq(0)
            with m.Elif(valid & ready):
                m.d.sync += flag.eq(1)
            m.d.comb += [
                Assert(~(valid & flag)),
                Assert(dut.taken[name] == flag),
                Assert(valid == (asked & ~flag & ((name == "ar") ^ bus.we))),
            ]
        # An answer comes after all that it answers, and to nothing else.
        m.d.comb += [
            Assume(~axi.bvalid | (taken["aw"] & taken["w"])),
            Assume(~axi.rvalid | taken["ar"]),
            Assert(~(taken["aw"] | taken["w"]) | (asked & bus.we)),
            Assert(~taken["ar"] | (asked & ~bus.we)),
        ]
        good = Mux(bus.we, axi.bresp, axi.rresp) == 0
        m.d.comb += [
            Assert(ends == (axi.bvalid | axi.rvalid)),
            Assert(bus.ack == (ends & good)),
            Assert(bus.err == (ends & ~good)),
            Assert(~(ends & ~bus.we) | (bus.dat_r == axi.rdata)),
            Assert(~axi.awvalid | ((axi.awaddr[3:] == bus.adr) & (axi.awaddr[:3] == 0))),
            Assert(~axi.arvalid | ((axi.araddr[3:] == bus.adr) & (axi.araddr[:3] == 0))),
            Assert(~axi.wvalid | ((axi.wdata == bus.dat_w) & (axi.wstrb == bus.sel))),
            Assert(axi.bready & axi.rready),
            Cover(bus.ack & bus.we),
            Cover(bus.err & ~bus.we),
        ]  # fmt: skip


class AxiLiteBridgeSpec(Specification):
    """No parameters."""

    def specify(self, m: Module) -> None:
        """What the bridge owes, from the channels that it took."""
        m.submodules.dut = dut = AxiLiteBridge()
        axi, bus = dut.axi, dut.bus
        channels = {
            "aw": Cat(axi.awvalid, axi.awaddr),
            "w": Cat(axi.wvalid, axi.wdata, axi.wstrb),
            "ar": Cat(axi.arvalid, axi.araddr),
        }
        free(m, axi.awvalid, axi.awaddr, axi.wvalid, axi.wdata, axi.wstrb, axi.arvalid, axi.araddr,
             axi.bready, axi.rready, bus.ack, bus.err, bus.dat_r)  # fmt: skip
        for name, channel in channels.items():
            ready = getattr(axi, f"{name}ready")
            held, past = ago(m, channel[0] & ~ready, f"held_{name}"), ago(m, channel, name)
            m.d.comb += Assume(~held | (channel == past))
        ends = bus.ack | bus.err
        asked = bus.cyc & bus.stb
        waiting = ago(m, asked & ~ends, "waiting")
        m.d.comb += [
            Assume(~ends | waiting),  # registered, so never in the first cycle
            Assume(~(bus.ack & bus.err)),
            Assert(bus.cyc == bus.stb),
        ]
        request = Cat(bus.stb, bus.we, bus.adr, bus.sel, Mux(bus.we, bus.dat_w, 0))
        past = ago(m, request, "request")
        write, read = axi.awready, axi.arready
        m.d.comb += [
            Assert(~waiting | (request == past)),
            Assert(dut.running == waiting),
            Assert(~waiting | (past[0] & (dut.kind == past[1]))),
            Assert(~(asked & bus.we) | (axi.awvalid & axi.wvalid)),
            Assert(~(asked & ~bus.we) | axi.arvalid),
            Assert(axi.awready == axi.wready),
            Assert((write | read) == (ends & asked)),
            Assert(~(write & read)),
            Assert(~write | (axi.awvalid & axi.wvalid & bus.we)),
            Assert(~read | (axi.arvalid & ~bus.we)),
            Assert(~(asked & bus.we) | (bus.adr == axi.awaddr[3:])),
            Assert(~(asked & bus.we) | ((bus.dat_w == axi.wdata) & (bus.sel == axi.wstrb))),
            Assert(~(asked & ~bus.we) | ((bus.adr == axi.araddr[3:]) & bus.sel.all())),
        ]
        wrote, was_read = ago(m, write, "wrote"), ago(m, read, "read")
        failed, word = ago(m, bus.err, "failed"), ago(m, bus.dat_r, "word")
        for valid, ready, begins, what in (
            (axi.bvalid, axi.bready, wrote, axi.bresp),
            (axi.rvalid, axi.rready, was_read, Cat(axi.rresp, axi.rdata)),
        ):
            name = "b" if valid is axi.bvalid else "r"
            kept = ago(m, valid & ~ready, f"kept_{name}")
            before = ago(m, what, f"{name}_before")
            m.d.comb += [Assert(valid == (begins | kept)), Assert(~kept | (what == before))]
            m.d.comb += Assert(~begins | (what[:2] == Mux(failed, _SLVERR, 0)))
        m.d.comb += [
            Assert(~was_read | (axi.rdata == word)),
            Assert(~(asked & (axi.bvalid | axi.rvalid))),
            Cover(axi.bvalid & (axi.bresp == _SLVERR)),
            Cover(was_read & (word != 0)),
            Cover(ends & axi.awvalid & axi.wvalid & axi.arvalid),
        ]

"""Properties of the registers of a hart: delivery, UIF, MSRs and UIRR.

* *order*: what is delivered is the highest vector of UIRR, and only while a user interrupt can be;
* *conservation*: a bit of UIRR is set by a merge, the user-timer event or a write of UINTR_RR, is
  cleared by its own delivery or by such a write, and changes in no other way;
* *faults*: a request that is not answered OK changes no register; neither does any that is not
  started. At privilege U no MSR is written;
* *return*: UIRET is refused without CR4.UINTR and to an address that is not canonical, else done;
* *timer*: the user-timer event is processed only at privilege U, with CR4.UINTR and UIF.
"""

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Assert, Cover, Module, Mux, Signal, Value

from uintr.intel.addresses import canonical
from uintr.intel.receiver import Receiver
from uintr.intel.registers import MSRS, Instruction, Msr
from uintr.registers import VECTORS, CsrFunction, Privilege, RequestKind, Status
from uintr_formal.specification import Specification

__all__ = ["IntelReceiverSpec"]


class IntelReceiverSpec(Specification):
    """No parameters: one hart looks like any other."""

    def specify(self, m: Module) -> None:
        """What the registers were and what was asked, one cycle ago."""
        m.submodules.dut = dut = Receiver()
        request = dut.request
        inputs = [dut.privilege, dut.start, request.kind, request.function, request.address,
                  request.data, dut.merge, dut.merged, dut.refused, dut.cause, dut.lost, dut.irr,
                  dut.highest]  # fmt: skip
        for signal in inputs:
            m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
        words = dut.words
        uirr = words[Msr.UINTR_RR]
        m.d.comb += Assert(
            dut.interrupt == ((dut.privilege == Privilege.U) & dut.uif & dut.enabled & uirr.any())
        )
        takes_event = (dut.privilege == Privilege.U) & dut.uif & dut.enabled
        m.d.comb += Assert(takes_event | ~dut.event.any())

        def ago(value: Any, name: str) -> Signal:
            value = Value.cast(value)
            register = Signal(len(value), name=f"{name}_ago")
            m.d.sync += register.eq(value)
            return register

        good = ago(dut.start & (dut.answer.status == Status.OK), "good")
        start = ago(dut.start, "start")
        kind = ago(request.kind, "kind")
        function = ago(request.function, "function")
        address = ago(request.address, "address")
        word = ago(request.data, "word")
        user = ago(dut.privilege == Privilege.U, "user")
        interrupt = ago(dut.interrupt, "interrupt")
        enabled = ago(dut.enabled, "enabled")
        uif = ago(dut.uif, "uif")
        uirrv = ago(dut.uirrv, "uirrv")
        merged = ago(Mux(dut.merge, dut.merged, 0), "merged")
        event = ago(dut.event, "event")
        was = {msr: ago(each, f"was_{msr.name}") for msr, each in words.items()}
        begun = Signal()
        m.d.sync += begun.eq(1)

        trap = start & (kind == RequestKind.TRAP)
        uret = start & (kind == RequestKind.URET)
        delivery = trap & good
        access = good & (kind == RequestKind.CSR)
        written = access & (function == CsrFunction.WRITE)
        flag = good & (kind == RequestKind.UIPI)
        returned = uret & good
        vector = AnyConst(range(VECTORS))
        before, after = was[Msr.UINTR_RR].bit_select(vector, 1), uirr.bit_select(vector, 1)
        rewritten = written & (address == Msr.UINTR_RR)
        kept = Mux(
            rewritten,
            word.bit_select(vector, 1),
            before & ~(delivery & (dut.uirrv == vector)),
        )
        with m.If(begun):
            m.d.comb += [
                Assert(
                    after == (kept | merged.bit_select(vector, 1) | event.bit_select(vector, 1))
                ),
                Assert(~trap | (good == interrupt)),
                Assert(~uret | (good == (enabled & canonical(word)))),
                Assert(~(written & user) | ~Value.cast(address).matches(*Msr)),
            ]
            with m.If(delivery):
                m.d.comb += [
                    Assert(was[Msr.UINTR_RR] >> dut.uirrv == 1),
                    Assert(uif & ~dut.uif),
                ]
            with m.Else():
                m.d.comb += Assert(dut.uirrv == uirrv)
            with m.If(returned | (flag & (function == Instruction.STUI))):
                m.d.comb += Assert(dut.uif)
            with m.Elif(flag & (function == Instruction.CLUI)):
                m.d.comb += Assert(~dut.uif)
            with m.Elif(~delivery):
                m.d.comb += Assert(dut.uif == uif)
            for msr, each in words.items():
                if msr is not Msr.UINTR_RR:
                    this = written & (address == msr)
                    m.d.comb += [
                        Assert(each == Mux(this, word, was[msr])),
                        Assert((each & MSRS[msr].mask("reserved")) == 0),
                    ]
            with m.If(~written):
                m.d.comb += Assert(dut.enabled == enabled)
        m.d.comb += [
            Cover(delivery & (dut.uirrv == 5) & after),
            Cover(rewritten & merged.bit_select(vector, 1)),
            Cover(event.any()),
            Cover(returned & dut.interrupt),
            Cover(start & ~good & (kind == RequestKind.CSR) & ~user),
        ]

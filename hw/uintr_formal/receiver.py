"""Properties of the receiving side of a hart.

* the user interrupt is exactly: privilege U, ustatus.uie, and uie, sideleg and (uip or line);
* a trap is taken exactly when that holds, moves uie to upie and answers utvec's base; uret restores
  what the trap found, unless the handler wrote it meanwhile, and answers where the trap came from;
* an access is allowed exactly to a CSR that is there, of that privilege or a lower one, and answers
  the word before it, for uip with the line, for uie and uip without what sideleg does not delegate;
* what it leaves behind is what was asked for, bit by bit, where the register can be written and, in
  uie and uip, sideleg delegates; every other bit stays;
* a refused request changes no CSR, and user privilege changes none that is the supervisor's;
* the software bit of uip follows writes, sets and clears alone, whatever the line is.
"""

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Cat,
    Const,
    Cover,
    Module,
    Mux,
    Signal,
    Value,
)

from uintr.receiver import Receiver
from uintr.registers import CSRS, XLEN, Csr, CsrFunction, Privilege, RequestKind, Status
from uintr_formal.specification import Specification

__all__ = ["ReceiverSpec"]

ONES = (1 << XLEN) - 1


class ReceiverSpec(Specification):
    """No parameters: one hart looks like any other."""

    def specify(self, m: Module) -> None:
        """What the registers were and what was asked, one cycle ago."""
        m.submodules.dut = dut = Receiver()
        request = dut.request
        inputs = [dut.privilege, dut.line, dut.start, request.kind, request.function,
                  request.address, request.data]  # fmt: skip
        for signal in inputs:
            m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))

        def ago(value: Any, name: str) -> Signal:
            register = Signal(len(value), name=f"{name}_ago")
            m.d.sync += register.eq(value)
            return register

        words = dut.words
        bit = {csr: words[csr][0] for csr in (Csr.USTATUS, Csr.UIE, Csr.UIP, Csr.SIDELEG)}
        pending = bit[Csr.UIP] | dut.line
        m.d.comb += Assert(
            dut.interrupt
            == (
                (dut.privilege == Privilege.U)
                & bit[Csr.USTATUS] & bit[Csr.UIE] & bit[Csr.SIDELEG] & pending
            )
        )  # fmt: skip
        for csr, register in CSRS.items():
            m.d.comb += Assert((words[csr] & ~register.mask()) == 0)
        # One register at most is asked for, and it is its word that is read. The solver needs that
        # said: what is read is an OR over all of them.
        asked = Cat(dut.asked.values())
        m.d.comb += Assert((asked & (asked - 1)) == 0)
        for csr, asks in dut.asked.items():
            m.d.comb += Assert(~asks | (dut.read == words[csr]))

        start = ago(dut.start, "start")
        good = ago(dut.start & (dut.answer.status == Status.OK), "good")
        kind = ago(Value.cast(request.kind), "kind")
        function = ago(request.function, "function")
        address = ago(request.address, "address")
        data = ago(request.data, "data")
        user = ago(dut.privilege == Privilege.U, "user")
        interrupt = ago(dut.interrupt, "interrupt")
        was = {csr: ago(word, f"was_{csr.name}") for csr, word in words.items()}
        answer = ago(dut.answer.data, "answer")
        line = ago(dut.line, "line")
        level = ago(dut.privilege, "level")
        begun = Signal()
        m.d.sync += begun.eq(1)

        with m.If(begun):
            trap = start & (kind == RequestKind.TRAP)
            uret = start & (kind == RequestKind.URET)
            access = good & (kind == RequestKind.CSR)
            with m.If(trap):
                m.d.comb += Assert(good == interrupt)
            with m.If(trap & interrupt):
                m.d.comb += [
                    Assert(~words[Csr.USTATUS][0]),
                    Assert(words[Csr.USTATUS][4] == was[Csr.USTATUS][0]),
                    Assert(words[Csr.UEPC][1:] == data[1:]),
                    Assert(words[Csr.UCAUSE] == 1 << 63),
                    Assert(words[Csr.UTVAL] == 0),
                ]
            with m.If(uret):
                m.d.comb += [
                    Assert(words[Csr.USTATUS][0] == was[Csr.USTATUS][4]),
                    Assert(words[Csr.USTATUS][4]),
                ]
            with m.If(~good):
                for csr, word in words.items():
                    m.d.comb += Assert(word == was[csr])
            for csr, word in words.items():
                with m.If(word != was[csr]):
                    m.d.comb += Assert(good)
                    with m.If(access):
                        m.d.comb += [
                            Assert(address == csr),
                            Assert(~user | (csr.privilege == Privilege.U)),
                        ]
                    with m.Else():
                        by_trap = csr in (Csr.USTATUS, Csr.UEPC, Csr.UCAUSE, Csr.UTVAL)
                        m.d.comb += Assert((trap & by_trap) | (uret & (csr == Csr.USTATUS)))
            delegated = dict.fromkeys((Csr.UIE, Csr.UIP), was[Csr.SIDELEG])
            there = Signal()
            shown = Signal(64)
            for csr in CSRS:
                with m.If(address == csr):
                    m.d.comb += [
                        there.eq((level >= csr.privilege) & (function <= max(CsrFunction))),
                        shown.eq(
                            (was[csr] | (line if csr is Csr.UIP else 0)) & delegated.get(csr, ONES)
                        ),
                    ]
            with m.If(start & (kind == RequestKind.CSR)):
                m.d.comb += [Assert(good == there), Assert(answer == Mux(there, shown, 0))]
            # Of one bit, whichever it is.
            which = AnyConst(range(XLEN))
            for csr, register in CSRS.items():
                with m.If(access & (address == csr)):
                    asked, old, new = (Signal(name=f"{name}_{csr.name}") for name in "aon")
                    changes = (Const(register.mask(), XLEN) & delegated.get(csr, ONES)) >> which
                    m.d.comb += [old.eq(was[csr] >> which), new.eq(data >> which)]
                    with m.Switch(function):
                        with m.Case(CsrFunction.READ):
                            m.d.comb += asked.eq(old)
                        with m.Case(CsrFunction.WRITE):
                            m.d.comb += asked.eq(new)
                        with m.Case(CsrFunction.SET):
                            m.d.comb += asked.eq(old | new)
                        with m.Case(CsrFunction.CLEAR):
                            m.d.comb += asked.eq(old & ~new)
                    after = (words[csr] >> which)[0]
                    m.d.comb += Assert(after == Mux(changes[0], asked, old))
            with m.If(trap & interrupt):
                m.d.comb += Assert(answer[2:] == was[Csr.UTVEC][2:])

            # From a trap on: what uret has to bring back.
            handles = Signal()
            trapped_at = Signal(64)
            with m.If(trap & interrupt):
                m.d.sync += [handles.eq(1), trapped_at.eq(data & ~1)]
            with m.Elif(uret | (access & ((address == Csr.USTATUS) | (address == Csr.UEPC)))):
                m.d.sync += handles.eq(0)
            with m.If(handles):
                m.d.comb += [
                    Assert(was[Csr.USTATUS] == 1 << 4),
                    Assert(was[Csr.UEPC] == trapped_at),
                ]
            with m.If(handles & uret):
                m.d.comb += [
                    Assert(words[Csr.USTATUS][0]),
                    Assert(answer == trapped_at),
                    Cover(trapped_at != 0),
                ]

            uip = was[Csr.UIP][0]
            written = access & (address == Csr.UIP) & was[Csr.SIDELEG][0]
            after = Mux(function == CsrFunction.WRITE, data[0],
                    Mux(function == CsrFunction.SET, uip | data[0],
                    Mux(function == CsrFunction.CLEAR, uip & ~data[0], uip)))  # fmt: skip
            m.d.comb += [
                Assert(words[Csr.UIP][0] == Mux(written, after, uip)),
                Cover(trap & interrupt),
                Cover(uret & words[Csr.USTATUS][0]),
                Cover(written & (function == CsrFunction.SET) & ~words[Csr.UIP][0] & dut.line),
                Cover(Cat(access, user).all()),
            ]

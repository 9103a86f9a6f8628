"""What the last stage does first with an instruction that was not complete when it came."""

from typing import Any

from amaranth.hdl import Const, Module

from rv64.csr import CsrFile
from rv64.encoding import Cause, Kind
from rv64.memory_unit import Operation
from rv64.outcome import Outcome, Source
from uintr.registers import Privilege

__all__ = ["first_step"]


def first_step(m: Module, stage: Any, outcome: Outcome, csr: CsrFile) -> None:
    """By kind: a state that waits, a trap, or its end. Whether it may be executed in this privilege
    is looked at here, but for CSRs, of which it is known a cycle later."""
    last = stage.last
    supervisor = csr.privilege != Privilege.U
    only_machine = csr.privilege == Privilege.M
    with m.Switch(last.kind):
        with m.Case(Kind.LOAD):
            with m.If(last.device):
                outcome.memory(Operation.LOAD)
            with m.Else():
                outcome.memory(Operation.FILL)
        with m.Case(Kind.STORE):
            outcome.memory(Operation.STORE)
        with m.Case(Kind.ATOMIC):
            outcome.memory(Operation.ATOMIC)
        with m.Case(Kind.FENCE):
            outcome.memory(Operation.DRAIN)
        with m.Case(Kind.FENCE_I):
            outcome.memory(Operation.DRAIN, "FENCE_I")
        with m.Case(Kind.SFENCE):
            with m.If(supervisor & (only_machine | ~csr.tvm)):
                outcome.memory(Operation.DRAIN, "SFENCE")
            with m.Else():
                outcome.illegal()

        with m.Case(Kind.CSR):
            m.next = "OWN_CSR"
            with m.If(csr.behind):
                m.next = "CSR"
        with m.Case(Kind.UIPI):
            m.next = "UIPI"
            with m.If(~stage.drained):
                outcome.memory(Operation.DRAIN, "DRAIN")

        with m.Case(Kind.ECALL):
            outcome.trap(Const(Cause.ECALL_U, 4) + csr.privilege)
        with m.Case(Kind.EBREAK):
            outcome.trap(Cause.BREAKPOINT, virtual=1)
        with m.Case(Kind.MRET):
            with m.If(only_machine):
                m.d.comb += csr.mret.eq(1)
                outcome.end(Source.CSR)
            with m.Else():
                outcome.illegal()
        with m.Case(Kind.SRET):
            with m.If(supervisor & (only_machine | ~csr.tsr)):
                m.d.comb += csr.sret.eq(1)
                outcome.end(Source.CSR)
            with m.Else():
                outcome.illegal()
        with m.Case(Kind.URET):
            m.next = "URET"
        with m.Case(Kind.WFI):
            with m.If(supervisor & (only_machine | ~csr.tw)):
                m.next = "WAIT"
            with m.Else():
                outcome.illegal()
        with m.Default():
            outcome.illegal()

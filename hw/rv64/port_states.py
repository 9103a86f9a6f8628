"""The last stage's states in which an instruction is at the HartPort."""

from typing import Any

from amaranth.hdl import Module, Mux

from rv64.csr import CsrFile
from rv64.guess import Guess
from rv64.outcome import Outcome, Source
from uintr.registers import UIPI_FUNCT3, Csr, CsrFunction, RequestKind, Status

__all__ = ["port_states"]

_FUNCTION_MOST = 0x7F


def port_states(
    m: Module, stage: Any, outcome: Outcome, *, csr: CsrFile, guess: Guess, legal: Any
) -> None:
    """A CSR of which a part or all is there, UIPI, ``uret``: each asks once and uses the answer.

    An instruction comes here when everything ahead of it is done, and UIPI when the store buffer is
    empty, too: the table entry that it has read was perhaps written just before.
    """
    raw = stage.last.raw
    request, response = stage.port.request, stage.port.response

    # UIPI: R-type in either funct3, or the function in an immediate of twelve bits.
    in_immediate = (raw[12:15] != UIPI_FUNCT3) & raw[20:25].any()
    function = Mux(in_immediate, Mux(raw[27:].any(), _FUNCTION_MOST, raw[20:27]), raw[25:])

    with m.State("CSR"):
        with m.If(legal):
            outcome.ask(
                RequestKind.CSR,
                function=Mux(csr.writes, raw[12:14], CsrFunction.READ),
                address=csr.port_number,
            )
        with m.Else():
            outcome.illegal()
        with m.If(legal & request.ready):
            writes = raw[12:14] == CsrFunction.WRITE
            m.d.comb += guess.write.eq((csr.port_number == Csr.UTVEC) & writes)
            m.next = "CSR_ANSWER"
    with m.State("CSR_ANSWER"), m.If(response.valid):
        m.d.sync += stage.status.eq(response.payload.status)
        with m.If(response.payload.status == Status.OK):
            outcome.access_csr()
        with m.Else():
            outcome.illegal()

    with m.State("DRAIN"), m.If(stage.done):
        m.next = "UIPI"
    with m.State("UIPI"):
        outcome.ask(RequestKind.UIPI, function=function)
        with m.If(request.ready):
            m.next = "ANSWER"
    with m.State("ANSWER"), m.If(response.valid):
        m.d.sync += stage.status.eq(response.payload.status)
        with m.If(response.payload.status == Status.ILLEGAL):
            outcome.illegal()
        with m.Else():
            outcome.result()

    with m.State("URET"):
        outcome.ask(RequestKind.URET)
        with m.If(request.ready):
            m.next = "URET_ANSWER"
    with m.State("URET_ANSWER"), m.If(response.valid):
        m.d.sync += stage.status.eq(response.payload.status)
        m.d.comb += csr.uret.eq(1)
        outcome.end(Source.ANSWER)

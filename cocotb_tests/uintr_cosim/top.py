"""The top of the simulation: the whole system with its hart ports packed into wide signals."""

import os
from collections.abc import Callable
from typing import Any

from rel4.machine.device import DeviceConfig
from uintr_cosim.signals import (
    BUS_REQUEST_FIELDS,
    BUS_RESPONSE_FIELDS,
    PRIVILEGE_BITS,
    REQUEST_BITS,
    REQUEST_FIELDS,
    RESPONSE_BITS,
    RESPONSE_FIELDS,
    TOP,
)

__all__ = ["make_top", "verilog"]


def verilog(config: DeviceConfig) -> str:
    """Verilog of the system of the given shape, with the ports that `signals` describes.

    Raises
    ------
    ValueError : the gateware refuses the shape.
    """
    top = make_top(config)
    from uintr.generate import verilog_text

    return verilog_text(top, name=TOP)


def make_top(config: DeviceConfig, front: Callable[[Any, Any], Any] | None = None) -> Any:
    """The top itself, for who writes it in another form.

    Parameters
    ----------
    config : shape of the system
    front : puts something in front of the supervisor's bus, given the module and that bus; answers
        the bus in the place of it

    Raises
    ------
    ValueError : the gateware refuses the shape.
    """
    # Set before Amaranth looks for a Yosys: one of the system's, of any version, must not be used.
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from amaranth.hdl import Cat, Module, Mux, Signal
    from amaranth.lib import wiring
    from amaranth.lib.wiring import In, Out

    from uintr.flavour import make_system

    class Top(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
        def __init__(self) -> None:
            self._system = make_system(**vars(config))
            harts = range(config.harts)
            super().__init__(
                {
                    "privilege": In(PRIVILEGE_BITS * config.harts),
                    **{f"request_{hart}": In(REQUEST_BITS) for hart in harts},
                    "bus_request": In(1 + sum(BUS_REQUEST_FIELDS.values())),
                    "bus_response": Out(sum(BUS_RESPONSE_FIELDS.values())),
                    "status": Out(2 + 3 * config.harts),
                    **{f"response_{hart}": Out(RESPONSE_BITS) for hart in harts},
                }
            )

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            m.submodules.system = system = self._system
            ports = [system.hart[hart] for hart in range(config.harts)]
            for hart, port in enumerate(ports):
                request = [getattr(port.request.payload, name) for name in REQUEST_FIELDS]
                response = [getattr(port.response.payload, name) for name in RESPONSE_FIELDS]
                widths = [len(_value(field)) for field in (*request, *response)]
                if widths != [*REQUEST_FIELDS.values(), *RESPONSE_FIELDS.values()]:
                    raise ValueError(f"the hart port must have fields as in signals, not {widths}")
                word = getattr(self, f"request_{hart}")
                ticket = Signal(name=f"ticket_{hart}")
                with m.If(port.request.valid & port.request.ready):
                    m.d.sync += ticket.eq(word[0])
                m.d.comb += [
                    port.privilege.eq(self.privilege.word_select(hart, PRIVILEGE_BITS)),
                    port.request.valid.eq(word[0] != ticket),
                    Cat(*map(_value, request)).eq(word[1:]),
                    getattr(self, f"response_{hart}").eq(Cat(*map(_value, response))),
                ]
            rests = Signal(init=1)
            bus = system.bus
            if front is not None:  # it may have a transfer that the system does not see
                bus = front(m, bus)
                m.d.comb += rests.eq(~bus.stb)
            ended = self._connect_bus(m, bus)
            m.d.comb += self.status.eq(
                Cat(
                    system.quiescent & rests & ~ended,
                    *(port.response.valid for port in ports),
                    *(port.interrupt for port in ports),
                    *(port.supervisor_interrupt for port in ports),
                    ended,
                )
            )
            return m

        def _connect_bus(self, m: Module, bus: Any) -> Signal:
            """The supervisor's bus. Returns that a transfer ended in the cycle before."""
            word = self.bus_request
            ticket = Signal(name="bus_ticket")
            presented = Signal(name="bus_presented")
            ended = Signal(name="bus_ended")
            end = presented & (bus.ack | bus.err)
            m.d.comb += [
                presented.eq(word[0] != ticket),
                bus.cyc.eq(presented),
                bus.stb.eq(presented),
                Cat(getattr(bus, name) for name in BUS_REQUEST_FIELDS).eq(word[1:]),
            ]
            m.d.sync += ended.eq(end)
            answer = Signal(sum(BUS_RESPONSE_FIELDS.values()), name="bus_answer")
            with m.If(end):
                m.d.sync += [
                    ticket.eq(word[0]),
                    answer.eq(Cat(bus.err, Mux(bus.we | bus.err, 0, bus.dat_r))),
                ]
            m.d.comb += self.bus_response.eq(answer)
            return ended

    return Top()


def _value(field: Any) -> Any:
    from amaranth.hdl import Value

    return Value.cast(field)

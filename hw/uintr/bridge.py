"""The controller on the bus: slot registers to operations."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.interfaces import WORD_BYTES, OperationFunction, OperationPort, Wishbone
from uintr.registers import (
    ACTIVE,
    HIGH,
    LOW,
    MAX_RECEIVERS,
    SEND,
    SLOT_BYTES,
    VECTORS,
    Register,
)

__all__ = ["ControllerBridge"]

_FUNCTIONS: dict[tuple[Register, bool], OperationFunction] = {
    (SEND, False): OperationFunction.SEND,
    (SEND, True): OperationFunction.SEND,
    (LOW, False): OperationFunction.READ_LOW,
    (LOW, True): OperationFunction.WRITE_LOW,
    (HIGH, False): OperationFunction.READ_HIGH,
    (HIGH, True): OperationFunction.WRITE_HIGH,
    (ACTIVE, False): OperationFunction.READ_ACTIVE,
    (ACTIVE, True): OperationFunction.WRITE_ACTIVE,
}
"""The operation that stands for each access to a slot register; True is a write."""


class ControllerBridge(wiring.Component):
    """Turns transfers to receivers' slots into operations of the controller.

    The operation is presented as soon as ``stb`` is seen, and the transfer ends in the cycle of its
    response: three cycles after acceptance, when the hart lines already show it. A read of SEND
    becomes the post of a vector that does not exist, which changes nothing and answers 0.

    A slot at or beyond ``receivers``, or a transfer of less than the whole word, has no effect and
    ends with ``err`` in the cycle after ``stb`` was first seen.

    Parameters
    ----------
    receivers : number of slots

    Members
    -------
    bus : word addresses from the first slot on
    port : to the controller

    Raises
    ------
    ValueError : ``receivers`` is out of range.
    """

    def __init__(self, *, receivers: int) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        self._receivers = receivers
        super().__init__({"bus": In(Wishbone()), "port": Out(OperationPort())})

    def elaborate(self, platform: Any) -> Module:
        """Check, present once, answer."""
        m = Module()
        operation, response = self.port.operation, self.port.response

        wanted = self.bus.cyc & self.bus.stb
        place_bits = (SLOT_BYTES // WORD_BYTES - 1).bit_length()
        place = self.bus.adr[:place_bits]
        slot = self.bus.adr[place_bits:]

        refused = Signal()
        m.d.comb += refused.eq((slot >= self._receivers) | ~self.bus.sel.all())
        m.d.sync += self.bus.err.eq(wanted & refused & ~self.bus.err)

        # From acceptance to response the same transfer must not be presented again.
        waiting = Signal()
        with m.If(operation.valid & operation.ready):
            m.d.sync += waiting.eq(1)
        with m.Elif(response.valid):
            m.d.sync += waiting.eq(0)
        m.d.comb += [
            operation.valid.eq(wanted & ~refused & ~waiting),
            operation.payload.receiver.eq(slot),
            operation.payload.data.eq(self.bus.dat_w),
            self.bus.ack.eq(response.valid),
            self.bus.dat_r.eq(response.payload),
        ]

        with m.Switch(Cat(self.bus.we, place)):
            for (register, is_write), function in _FUNCTIONS.items():
                with m.Case(register.address // WORD_BYTES << 1 | is_write):
                    m.d.comb += operation.payload.function.eq(function)
                    if register is SEND and not is_write:
                        m.d.comb += operation.payload.data.eq(VECTORS)

        return m

"""The controller on the bus: slot registers, masks and control page to operations."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.checks import check_range
from uintr.compare import below
from uintr.interfaces import WORD_BYTES, OperationFunction, OperationPort, Wishbone, layout
from uintr.record import CLAIM_STALE
from uintr.registers import (
    ACTIVE,
    ENABLE,
    HIGH,
    LOW,
    MAX_RECEIVERS,
    SEND,
    SLOT_BYTES,
    VECTORS,
    XLEN,
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
    """Turns transfers to receivers' slots and masks into operations of the controller.

    The operation is presented as soon as ``stb`` is seen, and the transfer ends in the cycle of its
    response, when the hart lines already show it. A read of SEND becomes the post of a vector that
    does not exist, which changes nothing and answers 0. A claim that met a slot that was reset
    since is presented again in the cycle after its response.

    A slot at or beyond ``receivers``, or a transfer of less than the whole word, has no effect and
    ends with ``err`` in the cycle after ``stb`` was first seen.

    Parameters
    ----------
    receivers : number of slots and masks

    Members
    -------
    bus : word addresses from the first slot on
    masks : word addresses from the first mask on
    enable : the register; a write of LOW clears what it does not enable
    operates, function, receiver : the control page's transfer is this operation
    done, answer : it ends in this cycle
    port : to the controller
    wanted, waiting : the transfer is an operation of slot or mask; an operation was accepted and is
        not yet answered; for a specification to see

    Only one of ``bus``, ``masks`` and ``operates`` is in use at a time.

    Raises
    ------
    ValueError : ``receivers`` is out of range.
    """

    def __init__(self, *, receivers: int) -> None:
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        self._receivers = receivers
        self.wanted = Signal()
        self.waiting = Signal()
        super().__init__(
            {
                "bus": In(Wishbone()),
                "masks": In(Wishbone()),
                "enable": In(layout(ENABLE)),
                "operates": In(1),
                "function": In(OperationFunction),
                "receiver": In(16),
                "done": Out(1),
                "answer": Out(XLEN),
                "port": Out(OperationPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Check, present once, answer."""
        m = Module()
        operation, response = self.port.operation, self.port.response

        place_bits = (SLOT_BYTES // WORD_BYTES - 1).bit_length()
        place = self.bus.adr[:place_bits]
        slot = self.bus.adr[place_bits:]

        wanted = self.wanted
        for bus, index in ((self.bus, slot), (self.masks, self.masks.adr)):
            asked = bus.cyc & bus.stb
            refused = ~(below(index, self._receivers) & bus.sel.all())
            m.d.sync += bus.err.eq(asked & refused & ~bus.err)
            with m.If(asked & ~refused):
                m.d.comb += wanted.eq(1)

        # From acceptance to response the same transfer must not be presented again.
        waiting = self.waiting
        again = Signal()
        claims = Signal()
        m.d.comb += [
            claims.eq(self.operates & (self.function == OperationFunction.CLAIM)),
            again.eq(claims & response.payload[CLAIM_STALE]),
        ]
        with m.If(operation.valid & operation.ready):
            m.d.sync += waiting.eq(1)
        with m.Elif(response.valid):
            m.d.sync += waiting.eq(0)
        m.d.comb += [
            operation.valid.eq((wanted | self.operates) & ~waiting),
            self.answer.eq(response.payload),
            self.bus.dat_r.eq(response.payload),
            self.masks.dat_r.eq(response.payload),
        ]
        with m.If(response.valid):
            m.d.comb += [
                self.bus.ack.eq(self.bus.stb),
                self.masks.ack.eq(self.masks.stb),
                self.done.eq(self.operates & ~again),
            ]

        payload = operation.payload
        with m.If(self.operates):
            m.d.comb += [
                payload.function.eq(self.function),
                payload.receiver.eq(self.receiver),
            ]
        with m.Elif(self.masks.stb):
            m.d.comb += [
                payload.function.eq(
                    Mux(
                        self.masks.we,
                        OperationFunction.WRITE_MASK,
                        OperationFunction.READ_MASK,
                    )
                ),
                payload.receiver.eq(self.masks.adr),
                payload.data.eq(self.masks.dat_w),
            ]
        with m.Else():
            m.d.comb += [payload.receiver.eq(slot), payload.data.eq(self.bus.dat_w)]
            with m.Switch(Cat(self.bus.we, place)):
                for (register, is_write), function in _FUNCTIONS.items():
                    with m.Case(register.address // WORD_BYTES << 1 | is_write):
                        m.d.comb += payload.function.eq(function)
                        if register is SEND and not is_write:
                            m.d.comb += payload.data.eq(VECTORS)
                        if register is LOW and is_write:
                            for name in ("supervisor", "notify"):
                                bit = LOW.field(name).lsb
                                known = self.bus.dat_w[bit] & getattr(self.enable, name)
                                m.d.comb += payload.data[bit].eq(known)

        return m

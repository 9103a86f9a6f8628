"""The interfaces between blocks, and of the whole: signatures and the words that travel on them."""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from uintr.registers import XLEN, OperationFunction, Register, RequestKind, Status

__all__ = [
    "ADDRESS_BITS",
    "ANSWER",
    "OPERATION",
    "REQUEST",
    "WORD_BYTES",
    "HartPort",
    "OperationFunction",
    "OperationPort",
    "Wishbone",
    "layout",
]

WORD_BYTES = XLEN // 8
ADDRESS_BITS = XLEN - (WORD_BYTES - 1).bit_length()
"""Width of a Wishbone address, which counts words."""


def layout(register: Register) -> data.FlexibleLayout:
    """The register table's fields of ``register`` as an Amaranth layout of one word."""
    return data.FlexibleLayout(
        XLEN, {field.name: data.Field(field.width, field.lsb) for field in register.fields}
    )


OPERATION = data.StructLayout({"function": OperationFunction, "receiver": 16, "data": XLEN})
"""One operation of the controller."""

REQUEST = wiring.Signature(
    {
        "kind": Out(RequestKind),
        "function": Out(7),
        "address": Out(XLEN),
        "data": Out(XLEN),
    }
)
"""What a hart asks for. ``function`` is as wide as funct7, so that a bad one can be refused."""

ANSWER = wiring.Signature({"data": Out(XLEN), "status": Out(Status)})
"""How a request ended."""


class HartPort(wiring.Signature):
    """What a CPU pipeline connects to, seen from the CPU.

    ``request`` has the handshake of a stream: it is accepted in a cycle in which ``valid`` and
    ``ready`` are high. ``ready`` does not depend on ``valid``. Payloads are nested signatures
    rather than structures, so that each field is a port of its own in Verilog.

    Members
    -------
    privilege : level of the code the hart runs now, sampled in the cycle of acceptance
    request : one request at a time
    response : ``valid`` for one cycle for each request; cannot be held back
    interrupt : level; a user interrupt can be taken under the present ``privilege``
    supervisor_interrupt : level; a receiver of supervisor kind wants this hart. What the hart
        makes of it (sip, sie, privilege) is the CPU's own
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "privilege": Out(2),
                "request": Out(
                    wiring.Signature({"valid": Out(1), "ready": In(1), "payload": Out(REQUEST)})
                ),
                "response": In(wiring.Signature({"valid": Out(1), "payload": Out(ANSWER)})),
                "interrupt": In(1),
                "supervisor_interrupt": In(1),
            }
        )


class OperationPort(wiring.Signature):
    """A way into the controller, seen from the one who operates on receivers.

    Members
    -------
    operation : stream of `OPERATION`; the receiver must be below the number of receivers
    response : one word for each operation, in order, as many cycles after it was accepted as the
        controller's parameter ``latency`` says
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "operation": Out(stream.Signature(OPERATION)),
                "response": In(stream.Signature(unsigned(XLEN), always_ready=True)),
            }
        )


class Wishbone(wiring.Signature):
    """Wishbone classic with 64 data bits, seen from the initiator.

    A transfer is ``cyc`` and ``stb``, held with all else until ``ack`` or ``err``.

    Members
    -------
    cyc, stb : a transfer is wanted; here always given together
    we : it is a write
    adr : word address, byte address / 8
    sel : bytes to transfer
    dat_w, dat_r : data; ``dat_r`` means something in the cycle of ``ack`` alone
    ack, err : the end, good or bad
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "cyc": Out(1),
                "stb": Out(1),
                "we": Out(1),
                "adr": Out(ADDRESS_BITS),
                "sel": Out(WORD_BYTES),
                "dat_w": Out(XLEN),
                "dat_r": In(XLEN),
                "ack": In(1),
                "err": In(1),
            }
        )

"""Initiators for blocks of the gateware, under cocotb: Wishbone, AXI4-Lite, operation ports."""

from typing import Any

from cocotb.triggers import RisingEdge

from uintr.registers import XLEN, OperationFunction

__all__ = ["AxiLiteInitiator", "BusError", "OperationInitiator", "WishboneInitiator"]

_WORD_BYTES = XLEN // 8
_ALL_BYTES = (1 << _WORD_BYTES) - 1
_RECEIVER_LSB, _DATA_LSB = 4, 20
"""Where the fields of an operation lie; its function is below."""


class BusError(Exception):
    """A transfer ended with an error."""


class WishboneInitiator:
    """Transfers of 64 bits on a Wishbone that the block is the target of.

    Parameters
    ----------
    dut : the module that has the bus
    prefix : what the names of its signals begin with
    clock : by default the module's ``clk``
    """

    def __init__(self, dut: Any, *, prefix: str = "bus__", clock: Any = None) -> None:
        self._clock = dut.clk if clock is None else clock
        names = ("cyc", "stb", "we", "adr", "sel", "dat_w", "dat_r", "ack", "err")
        self._pins = {name: getattr(dut, prefix + name) for name in names}
        self._set(cyc=0, stb=0, we=0, adr=0, sel=0, dat_w=0)

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self._pins[name].value = value

    async def _transfer(self, address: int, we: int, word: int, select: int) -> int:
        if address % _WORD_BYTES:
            raise ValueError(f"address must be a multiple of {_WORD_BYTES}, not {address:#x}")
        self._set(cyc=1, stb=1, we=we, adr=address // _WORD_BYTES, sel=select, dat_w=word)
        while True:
            await RisingEdge(self._clock)
            if int(self._pins["ack"].value) or int(self._pins["err"].value):
                break
        failed, answer = int(self._pins["err"].value), self._pins["dat_r"].value
        self._set(cyc=0, stb=0)
        await RisingEdge(self._clock)
        if failed:
            raise BusError(f"{'write' if we else 'read'} of {address:#x}")
        return 0 if we else int(answer)

    async def read(self, address: int) -> int:
        """The word at a byte address. Raises BusError."""
        return await self._transfer(address, 0, 0, _ALL_BYTES)

    async def write(self, address: int, word: int, select: int = _ALL_BYTES) -> None:
        """Write those bytes of a word that have a bit in ``select``. Raises BusError."""
        await self._transfer(address, 1, word, select)


class AxiLiteInitiator:
    """The same on AXI4-Lite, by cocotbext-axi's manager.

    Parameters
    ----------
    dut : the module that has the bus
    prefix : what the names of its signals begin with
    clock, reset : by default the module's ``clk`` and ``rst``
    """

    def __init__(
        self, dut: Any, *, prefix: str = "axi_", clock: Any = None, reset: Any = None
    ) -> None:
        from cocotbext.axi import AxiLiteBus, AxiLiteMaster

        clock, reset = clock or dut.clk, reset or dut.rst
        self.manager = AxiLiteMaster(AxiLiteBus.from_prefix(dut, prefix), clock, reset)

    async def read(self, address: int) -> int:
        """The word at a byte address. Raises BusError."""
        answer = await self.manager.read(address, _WORD_BYTES)
        if int(answer.resp):
            raise BusError(f"read of {address:#x}")
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, word: int) -> None:
        """Write a word. Raises BusError."""
        answer = await self.manager.write(address, word.to_bytes(_WORD_BYTES, "little"))
        if int(answer.resp):
            raise BusError(f"write of {address:#x}")


class OperationInitiator:
    """Operations at a port of a controller that joins hart units (``--block controller --join``).

    Parameters
    ----------
    dut : the controller
    prefix : what the names of the port's signals begin with
    clock : by default the module's ``clk``
    """

    def __init__(self, dut: Any, *, prefix: str = "unit__0__", clock: Any = None) -> None:
        self._clock = dut.clk if clock is None else clock
        self._valid, self._ready, self._payload, self._answered, self._answer = (
            getattr(dut, prefix + name)
            for name in (
                *("operation__valid", "operation__ready", "operation__payload"),
                *("response__valid", "response__payload"),
            )
        )
        self._valid.value = 0
        # What a hart unit tells of itself, where the controller listens.
        for name in ("rejected", "cause", "posted", "posting"):
            pin = getattr(dut, prefix + name, None)
            if pin is not None:
                pin.value = 0

    async def operate(self, function: OperationFunction, receiver: int, word: int = 0) -> int:
        """One operation; returns with its answer, when the lines show it."""
        self._payload.value = function | receiver << _RECEIVER_LSB | word << _DATA_LSB
        self._valid.value = 1
        while True:
            await RisingEdge(self._clock)
            if int(self._ready.value):
                break
        self._valid.value = 0
        while True:
            await RisingEdge(self._clock)
            if int(self._answered.value):
                return int(self._answer.value)

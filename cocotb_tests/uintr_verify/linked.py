"""The system behind halves of words and AXI4-Lite, and its reference."""

from typing import Any

from rel4.machine.device import Response
from uintr.registers import XLEN, Status
from uintr_cosim.shared_reference import ALL_BYTES, BusTransfer, SharedReference

__all__ = ["HIGH", "LOW", "LinkedReference", "linked"]

LOW, HIGH = 0x0F, 0xF0
_HALF = XLEN // 2
_LOW_WORD = (1 << _HALF) - 1


def linked(m: Any, bus: Any) -> Any:
    """The supervisor's bus through `HalfWords`, `AxiLiteManager` and `AxiLiteBridge`."""
    from amaranth.lib.wiring import connect

    from uintr.axi_lite import AxiLiteBridge, AxiLiteManager
    from uintr.half_words import HalfWords

    m.submodules.half_words = halves = HalfWords()
    m.submodules.axi_manager = manager = AxiLiteManager()
    m.submodules.axi_bridge = bridge = AxiLiteBridge()
    connect(m, halves.target, manager.bus)
    connect(m, manager.axi, bridge.axi)
    connect(m, bridge.bus, bus)
    return halves.bus


class LinkedReference(SharedReference):
    """`SharedReference` behind the same.

    AXI4-Lite ends each transfer a cycle later, and reads whole words alone. A low half that is
    written, a high half that is read, and one that does not fit end in the second cycle.
    """

    def _outputs_after_reset(self) -> None:
        super()._outputs_after_reset()
        self._late = Response(0, Status.OK)
        self._left = 0  # steps until it is shown
        self._kept: tuple[bool, int, int] | None = None  # write, address, half
        self._reads_low = -1  # address of the low half that is being read

    def present(self, transfer: BusTransfer) -> None:
        """Present a transfer in this cycle."""
        write, address, data, select = transfer
        kept, self._kept = self._kept, None
        follows = select == HIGH and kept is not None and kept[:2] == (write, address)
        half = kept[2] if kept is not None and follows else 0
        self._reads_low = address if select == LOW and not write else -1
        if select == LOW and write:
            self._kept = (True, address, data & _LOW_WORD)
            self._answer_here(Response(0, Status.OK))
        elif follows and not write:
            self._answer_here(Response(half << _HALF | half, Status.OK))
        elif select == HIGH and not follows:
            self._answer_here(Response(0, Status.BUS))
        elif follows:
            word = data & ~_LOW_WORD | half
            super().present(BusTransfer(write, address, word))
        else:
            super().present(BusTransfer(write, address, data, select if write else ALL_BYTES))

    def _answer_here(self, response: Response) -> None:
        self.outstanding[self.config.harts] = True
        self._late, self._left = response, 2

    def _respond(self, hart: int, response: Response | None) -> None:
        if hart != self.config.harts or response is None:
            super()._respond(hart, response)
            return
        if self._reads_low >= 0 and response.status is Status.OK:
            self._kept = (False, self._reads_low, response.data >> _HALF)
        self._late, self._left = response, 1

    def _active(self) -> bool:
        return super()._active() or self._left > 0

    def _step(self) -> bool:
        due = self._left == 1
        self._left = max(self._left - 1, 0)
        stop = super()._step()
        if due:
            super()._respond(self.config.harts, self._late)
        return stop or due

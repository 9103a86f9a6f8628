"""The reference device's bus: arbiter, decoder, table memory, and the bridge to the controller."""

from typing import NamedTuple, Protocol

from rel4.machine.device import DeviceConfig
from rel4.reference.control_page import ControlPage, Drain
from rel4.reference.controller import CLAIM_STALE, Controller, round_robin
from rel4.reference.operation import Operation
from uintr.registers import (
    ACTIVE,
    CONTROL_OFFSET,
    ENABLE,
    HIGH,
    LOW,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    SEND,
    SLOT_BYTES,
    VECTORS,
    Feature,
)

__all__ = ["Bus", "Tables", "Transfer"]

_SLOT_OPERATION: dict[int, tuple[Operation | None, Operation]] = {
    SEND.address: (None, Operation.SEND),
    LOW.address: (Operation.READ_LOW, Operation.WRITE_LOW),
    HIGH.address: (Operation.READ_HIGH, Operation.WRITE_HIGH),
    ACTIVE.address: (Operation.READ_ACTIVE, Operation.WRITE_ACTIVE),
}
"""Operations that read and write a register of a slot, by its offset. Reading SEND posts a vector
that does not exist, which has no effect, and answers 0."""


class Transfer(NamedTuple):
    """One transfer of eight bytes."""

    write: bool
    address: int
    data: int


class Tables(Protocol):
    """Memory with words of eight bytes at ``base`` to before ``end``."""

    base: int
    end: int

    def get(self, address: int, default: int) -> int:
        """The word at an aligned address."""
        ...

    def __setitem__(self, address: int, word: int) -> None: ...


class Bus:
    """Round-robin arbiter, decoder, table memory and the bridge to the controller.

    Parameters
    ----------
    config : shape and addresses
    controller : the controller behind the bridge
    control : the control page
    tables : memory that the sender tables lie in, instead of the table memory of ``config``

    Members
    -------
    posting : harts whose hart unit presents a post in this cycle
    """

    def __init__(
        self,
        *,
        config: DeviceConfig,
        controller: Controller,
        control: ControlPage,
        tables: Tables | None = None,
    ) -> None:
        self.posting: set[int] = set()
        self._wait_states = config.table_wait_states
        self._controller = controller
        self._control = control
        self._control_base = config.base + CONTROL_OFFSET
        self._mask_base = config.base + MASK_OFFSET
        masks = config.receivers if Feature.MASK in config.features else 0
        self._mask_end = self._mask_base + masks * MASK_BYTES
        self._port = config.harts
        self._base = config.base
        self._end = config.base + config.receivers * SLOT_BYTES
        self._table_base = config.table_base
        self._table_end = config.table_base + config.table_pages * PAGE_BYTES
        self._table: Tables | dict[int, int] = {}
        if tables is not None:
            self._table_base, self._table_end = tables.base, tables.end
            self._table = tables
        self._transfers = [Transfer(False, 0, 0)] * config.harts
        self.reset()

    def reset(self) -> None:
        """End all transfers. The table memory keeps its words."""
        self.waiting = 0
        self.owner = -1
        self._last = self._port
        self.reply: tuple[int, bool] | None = None
        self.again = False  # the claim under way has to be made again
        self.draining: Drain | None = None  # the transfer waits for posts
        self._wait = 0  # cycles until the reply is given
        self.posting.clear()

    def look(self, address: int) -> int:
        """The word at an aligned address of the table memory."""
        return self._table.get(address, 0)

    def request(self, initiator: int, transfer: Transfer) -> None:
        """Raise `cyc` and `stb` from this cycle on, until `step` returns with the end."""
        self._transfers[initiator] = transfer
        self.waiting |= 1 << initiator

    def step(self) -> tuple[int, int, bool] | None:
        """One clock edge. Returns (initiator, data, error) of the transfer that ends in the cycle
        before it. To be called before `Controller.step`: the bridge presents its operation in the
        cycle in which the arbiter connects.
        """
        if self.owner >= 0:
            if self.again:
                self.again = False
                self._controller.present(self._port, Operation.CLAIM, 0, 0)
                return None
            if self.draining is not None:
                if self.posting.isdisjoint(self.draining.harts):
                    then, self.draining = self.draining.then, None
                    if then is None:
                        self.reply = (0, False)
                    else:
                        self._controller.present(self._port, *then, 0)
                return None
            if self.reply is not None:
                if self._wait:
                    self._wait -= 1
                    return None
                data, error = self.reply
            else:
                answer = self._controller.response
                if answer is None or answer.port != self._port:
                    return None
                data, error = answer.data, False
                if self._claims and data == CLAIM_STALE:
                    self.again = True
                    return None
            owner = self.owner
            self.waiting &= ~(1 << owner)
            self.owner = -1
            self.reply = None
            return owner, data, error
        if self.waiting:
            self.owner = self._last = round_robin(self.waiting, self._last)
            self._connect(self._transfers[self.owner])
        return None

    def _connect(self, transfer: Transfer) -> None:
        write, address, data = transfer
        self._claims = False
        if self._table_base <= address < self._table_end:
            self.reply = (0 if write else self._table.get(address, 0), False)
            self._wait = self._wait_states
            if write:
                self._table[address] = data
        elif self._base <= address < self._end:
            receiver, offset = divmod(address - self._base, SLOT_BYTES)
            operation = _SLOT_OPERATION[offset][write]
            if operation is None:
                operation, data = Operation.SEND, VECTORS
            elif operation is Operation.WRITE_LOW:
                for name in ("supervisor", "notify"):  # what software does not say that it knows
                    if not ENABLE.field(name).get(self._control.enable):
                        data &= ~LOW.field(name).mask
            self._controller.present(self._port, operation, receiver, data)
        elif self._mask_base <= address < self._mask_end:
            operation = Operation.WRITE_MASK if write else Operation.READ_MASK
            receiver = (address - self._mask_base) // MASK_BYTES
            self._controller.present(self._port, operation, receiver, data)
        elif self._control_base <= address < self._control_base + PAGE_BYTES:
            self._control_transfer(write, address - self._control_base, data)
        else:
            self.reply = (0, True)

    def _control_transfer(self, write: bool, offset: int, data: int) -> None:
        answer = self._control.transfer(write, offset, data)
        if answer is None:
            self.reply = (0, True)
        elif isinstance(answer, int):
            self.reply = (answer, False)
        elif isinstance(answer, Drain):
            self.draining = answer
        else:
            operation, receiver = answer
            self._claims = operation is Operation.CLAIM
            self._controller.present(self._port, operation, receiver, data)

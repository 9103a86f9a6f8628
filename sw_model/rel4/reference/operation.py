"""The operations of the reference device's controller."""

from enum import IntEnum

__all__ = ["Operation"]


class Operation(IntEnum):
    """What a port asks of the controller, for one receiver."""

    SEND = 0
    READ_LOW = 1
    WRITE_LOW = 2
    READ_HIGH = 3
    WRITE_HIGH = 4
    READ_ACTIVE = 5
    WRITE_ACTIVE = 6
    RESET_SLOT = 7
    READ_MASK = 8
    WRITE_MASK = 9
    CLAIM = 10  # the controller chooses the receiver

"""What can go wrong at one operation: the exception of a thread, and the error of the model."""

__all__ = [
    "FETCH_PAGE_FAULT",
    "GENERAL_PROTECTION",
    "ILLEGAL_INSTRUCTION",
    "LOAD_ACCESS_FAULT",
    "LOAD_MISALIGNED",
    "LOAD_PAGE_FAULT",
    "STORE_ACCESS_FAULT",
    "STORE_MISALIGNED",
    "STORE_PAGE_FAULT",
    "MachineError",
    "OperationFault",
]

ILLEGAL_INSTRUCTION = 2
LOAD_MISALIGNED, STORE_MISALIGNED = 4, 6
LOAD_ACCESS_FAULT, STORE_ACCESS_FAULT = 5, 7
FETCH_PAGE_FAULT, LOAD_PAGE_FAULT, STORE_PAGE_FAULT = 12, 13, 15
GENERAL_PROTECTION = 24
"""Intel's #GP, as the first of the causes that RISC-V leaves to the platform."""


class MachineError(Exception):
    """The model reached a state that the hardware or a correct kernel cannot be in."""


class OperationFault(Exception):  # noqa: N818  # a fault is what the architecture calls it
    """The running operation is not allowed; user code traps, kernel code is wrong.

    ``cause`` and ``value`` are what scause and stval say.
    """

    def __init__(self, sentence: str, cause: int = ILLEGAL_INSTRUCTION, value: int = 0) -> None:
        super().__init__(sentence)
        self.cause = cause
        self.value = value

"""Faults of threads: what happened, the message that tells the handler, and its reply.

Numbers and layouts are those of seL4 on 64-bit RISC-V without MCS.
"""

from dataclasses import dataclass
from enum import IntEnum

from . import registers
from .errors import LookupFailure
from .objects import TCB, ThreadFault
from .registers import ProgramText

__all__ = [
    "CapFault",
    "FaultLabel",
    "UnknownSyscall",
    "UserException",
    "VMFault",
    "fault_of_trap",
    "reply_to_fault",
]

VM_CAUSES = {1, 5, 7, 12, 13, 15}
"""scause values that are faults of memory: access and page faults of fetch, load and store."""
FETCH_CAUSES = {1, 12}
SYSCALL_REGISTERS = ("pc", "sp", "ra", "a0", "a1", "a2", "a3", "a4", "a5", "a6")
"""Registers that the message of an unknown system call shows and its reply sets."""


class FaultLabel(IntEnum):
    """Label of a fault message (seL4_FaultType)."""

    NULL_FAULT = 0
    CAP_FAULT = 1
    UNKNOWN_SYSCALL = 2
    USER_EXCEPTION = 3
    VM_FAULT = 5


@dataclass(frozen=True, slots=True)
class CapFault:
    """A system call named a capability that is not there."""

    address: int
    receiving: bool
    failure: LookupFailure

    @property
    def label(self) -> FaultLabel:
        return FaultLabel.CAP_FAULT

    def message(self, tcb: TCB) -> tuple[int, ...]:
        return (registers.pc(tcb), self.address, int(self.receiving), *self.failure.words())


@dataclass(frozen=True, slots=True)
class UnknownSyscall:
    """The number of a system call is none."""

    number: int

    @property
    def label(self) -> FaultLabel:
        return FaultLabel.UNKNOWN_SYSCALL

    def message(self, tcb: TCB) -> tuple[int, ...]:
        return (
            *(registers.read(tcb, name) for name in SYSCALL_REGISTERS),
            self.number & (1 << 64) - 1,
        )


@dataclass(frozen=True, slots=True)
class UserException:
    """An exception that is no fault of memory; ``number`` is scause."""

    number: int
    code: int = 0

    @property
    def label(self) -> FaultLabel:
        return FaultLabel.USER_EXCEPTION

    def message(self, tcb: TCB) -> tuple[int, ...]:
        return (registers.pc(tcb), registers.read(tcb, "sp"), self.number, self.code)


@dataclass(frozen=True, slots=True)
class VMFault:
    """A fetch, load or store that the address space does not allow; ``status`` is scause."""

    address: int
    fetch: bool
    status: int

    @property
    def label(self) -> FaultLabel:
        return FaultLabel.VM_FAULT

    def message(self, tcb: TCB) -> tuple[int, ...]:
        return (registers.pc(tcb), self.address, int(self.fetch), self.status)


def fault_of_trap(cause: int, value: int) -> ThreadFault:
    """The fault of an exception with these scause and stval."""
    if cause in VM_CAUSES:
        return VMFault(value, cause in FETCH_CAUSES, cause)
    return UserException(cause)


def reply_to_fault(tcb: TCB, label: int, words: list[int], code: ProgramText) -> bool:
    """A handler replied to ``tcb``'s fault; True if it is to go on.

    The reply to an unknown system call or an exception carries registers, among them the program
    counter to go on at; label 0 lets the thread go on.
    """
    fault = tcb.fault
    names: tuple[str, ...] = ()
    if isinstance(fault, UnknownSyscall):
        names = SYSCALL_REGISTERS
    elif isinstance(fault, UserException):
        names = ("pc", "sp")
    for name, word in zip(names, words, strict=False):
        registers.write(tcb, name, word, code)
    return label == 0

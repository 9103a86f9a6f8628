"""Operations of the Intel flavour: MSRs, and the instructions for user interrupts."""

from dataclasses import dataclass

from .ops import Op

__all__ = ["Clui", "Pop", "ReadMsr", "SendUipi", "Stui", "Testui", "Uiret", "WriteMsr"]


@dataclass(frozen=True, slots=True)
class ReadMsr(Op[int]):
    """RDMSR, and for the kernel also what microcode keeps (`uintr.intel.registers.Internal`)."""

    msr: int


@dataclass(frozen=True, slots=True)
class WriteMsr(Op[None]):
    """WRMSR; #GP if a reserved bit is set or an address is not canonical."""

    msr: int
    value: int


@dataclass(frozen=True, slots=True)
class SendUipi(Op[None]):
    """SENDUIPI: post through entry ``index`` of the thread's table. #UD without a table, #GP if the
    entry is not right."""

    index: int


@dataclass(frozen=True, slots=True)
class Clui(Op[None]):
    """Clear the user-interrupt flag."""


@dataclass(frozen=True, slots=True)
class Stui(Op[None]):
    """Set the user-interrupt flag."""


@dataclass(frozen=True, slots=True)
class Testui(Op[int]):
    """The user-interrupt flag."""


@dataclass(frozen=True, slots=True)
class Pop(Op[int]):
    """Load the word at RSP and add 8 to RSP: a handler's way to its vector."""


@dataclass(frozen=True, slots=True)
class Uiret(Op[None]):
    """Return from a user-interrupt handler: pops RIP, RFLAGS and RSP, and sets the flag. The
    coroutine that awaits it is not resumed."""

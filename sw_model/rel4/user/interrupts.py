"""User interrupts as a thread sees them: receive, send, and what stands at the end of a handler.

One small interface; the instructions behind it are the flavour's.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from rel4.machine.ops import AmoOr, CsrClear, CsrSet, CsrWrite, Path, Uipi, Uret
from uintr.registers import CSRS, Csr, UipiFunction

if TYPE_CHECKING:
    from rel4.abi.numbers import SeL4Error
    from rel4.machine.machine import Machine

    from .syscalls import Kernel

__all__ = [
    "RISCV",
    "RiscvInterrupts",
    "UserInterrupts",
    "enable_user_interrupts",
    "interrupts_of",
]


class UserInterrupts(ABC):
    """What a thread does for user interrupts.

    Members
    -------
    handler_path : what entry, handler in C and return cost
    """

    handler_path: ClassVar[str]

    @abstractmethod
    async def register(
        self, kernel: "Kernel", notification: int, tcb: int, handler: int
    ) -> "SeL4Error":
        """Let user interrupts of ``notification`` run the code at ``handler`` in this thread,
        whose capability ``tcb`` is. Enabled from now on, if the call succeeds."""

    @abstractmethod
    async def send(self, operand: int) -> None:
        """Post through a sender entry, without the kernel."""

    @abstractmethod
    async def take(self) -> int:
        """In the handler: take what is pending, one bit a vector."""

    @abstractmethod
    async def leave(self) -> None:
        """In the handler: go on where the thread was interrupted. What follows is not executed."""

    async def note(self, word: int) -> None:
        """A whole handler: note the vectors in the word at ``word``, and return."""
        async with Path(self.handler_path):
            vectors = await self.take()
            if vectors:
                await AmoOr(word, vectors)
        await self.leave()


class RiscvInterrupts(UserInterrupts):
    """The N extension's CSRs and UIPI; one interrupt takes all that is pending."""

    handler_path = "user.interrupt_handler"

    async def register(
        self, kernel: "Kernel", notification: int, tcb: int, handler: int
    ) -> "SeL4Error":
        """Enable, then register: the kernel takes the CSRs for the thread's."""
        await enable_user_interrupts(handler)
        return await kernel.uintr_register_receiver(notification, tcb)

    async def send(self, operand: int) -> None:
        """UIPI SEND."""
        await Uipi(UipiFunction.SEND, operand)

    async def take(self) -> int:
        """UIPI READ, and then the software bit: the line is low by now."""
        vectors = await Uipi(UipiFunction.READ)
        await CsrClear(Csr.UIP, CSRS[Csr.UIP].pack(software=1))
        return vectors

    async def leave(self) -> None:
        """Uret."""
        await Uret()


RISCV = RiscvInterrupts()


def interrupts_of(machine: "Machine") -> UserInterrupts:
    """User interrupts of the flavour of ``machine``'s hardware."""
    return RISCV


async def enable_user_interrupts(handler: int) -> None:
    """Let user interrupts of this thread go to the code at ``handler`` (RISC-V)."""
    await CsrWrite(Csr.UTVEC, handler)
    await CsrSet(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))
    await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))

"""User interrupts as a thread sees them: receive, send, and what stands at the end of a handler.

One small interface; the instructions behind it are the flavour's.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from rel4.abi.numbers import SeL4Error
from rel4.machine.ops import AmoOr, CsrClear, CsrSet, CsrWrite, Path, Uipi, Uret
from rel4.machine.ops_intel import Clui, Pop, SendUipi, Stui, Uiret
from uintr.intel.registers import MSRS, Msr
from uintr.registers import CSRS, PAGE_BYTES, Csr, Flavour, UipiFunction

if TYPE_CHECKING:
    from rel4.machine.machine import Machine

    from .syscalls import SystemCalls

__all__ = [
    "INTEL",
    "RISCV",
    "IntelInterrupts",
    "RiscvInterrupts",
    "UserInterrupts",
    "enable_user_interrupts",
    "interrupts_of",
]


LOAD = MSRS[Msr.UINTR_STACKADJUST].pack(load=1)


class UserInterrupts(ABC):
    """What a thread does for user interrupts.

    Members
    -------
    handler_path : what entry, handler in C and return cost
    """

    handler_path: ClassVar[str]

    @abstractmethod
    async def register(
        self,
        kernel: "SystemCalls",
        notification: int,
        tcb: int,
        handler: int,
        *,
        enabled: bool = True,
    ) -> SeL4Error:
        """Let user interrupts of ``notification`` run the code at ``handler`` in this thread,
        whose capability ``tcb`` is; from now on, or from `enable` on."""

    @abstractmethod
    async def enable(self) -> None:
        """Let user interrupts come."""

    @abstractmethod
    async def disable(self) -> None:
        """Keep user interrupts pending."""

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
        self,
        kernel: "SystemCalls",
        notification: int,
        tcb: int,
        handler: int,
        *,
        enabled: bool = True,
    ) -> SeL4Error:
        """Say where to go, then register, which delegates: only then uie can be set."""
        await CsrWrite(Csr.UTVEC, handler)
        if enabled:
            await self.enable()
        error = await kernel.uintr_register_receiver(notification, tcb)
        await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))
        return error

    async def enable(self) -> None:
        """Ustatus.uie is set."""
        await CsrSet(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))

    async def disable(self) -> None:
        """Ustatus.uie is cleared."""
        await CsrClear(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))

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


class IntelInterrupts(UserInterrupts):
    """SENDUIPI and UIRET; one interrupt takes one vector, which lies on the handler's stack.

    The handler runs on a stack of its own: the upper end of the page that holds the thread's IPC
    buffer.
    """

    handler_path = "user.interrupt_handler_intel"

    async def register(
        self,
        kernel: "SystemCalls",
        notification: int,
        tcb: int,
        handler: int,
        *,
        enabled: bool = True,
    ) -> SeL4Error:
        """Register, then enable: the registers are the kernel's to write."""
        stack = kernel.ipc_buffer + PAGE_BYTES | LOAD
        error = await kernel.uintr_register_receiver(notification, tcb, (handler, stack))
        if enabled and error is SeL4Error.NO_ERROR:
            await self.enable()
        return error

    async def enable(self) -> None:
        """STUI."""
        await Stui()

    async def disable(self) -> None:
        """CLUI."""
        await Clui()

    async def send(self, operand: int) -> None:
        """SENDUIPI."""
        await SendUipi(operand)

    async def take(self) -> int:
        """Pop the vector."""
        return 1 << await Pop()

    async def leave(self) -> None:
        """UIRET."""
        await Uiret()


RISCV = RiscvInterrupts()
INTEL = IntelInterrupts()


def interrupts_of(machine: "Machine") -> UserInterrupts:
    """User interrupts of the flavour of ``machine``'s hardware."""
    return INTEL if machine.device.config.flavour is Flavour.INTEL else RISCV


async def enable_user_interrupts(handler: int) -> None:
    """Let user interrupts of this thread go to the code at ``handler`` (RISC-V)."""
    await CsrWrite(Csr.UTVEC, handler)
    await RISCV.enable()
    await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))

"""What a hart needs to run a thread: a stack of coroutines, registers, privilege, address space."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uintr.registers import Privilege

from . import ops
from .faults import FETCH_PAGE_FAULT, OperationFault

__all__ = ["Context", "Frame", "OpenPath", "Program"]

Program = Coroutine[Any, Any, Any]


@dataclass(slots=True)
class OpenPath:
    """A path that a coroutine is in: ``spent`` cycles are charged so far, from ``begin`` on."""

    name: str
    begin: int
    spent: int = 0


class Frame:
    """One coroutine on a context's stack: the thread, or an interrupt handler on top of it."""

    __slots__ = ("awaits_registers", "coroutine", "ended", "op", "paths", "pc", "value")

    def __init__(self, coroutine: Program) -> None:
        self.coroutine = coroutine
        self.value: Any = None  # result of the last operation, to be sent in
        self.op: ops.Op[Any] | None = None  # operation that was interrupted and goes on
        self.pc = 0
        self.awaits_registers = False
        self.ended = False
        self.paths: list[OpenPath] = []

    def charge(self, cycles: int) -> None:
        """Count ``cycles`` of software work against the innermost open path."""
        if self.paths:
            self.paths[-1].spent += cycles


class Context:
    """What a hart needs to run a thread: its coroutines, registers, privilege and address space.

    Parameters
    ----------
    name : shown in the event log
    program : makes the thread's coroutine, when it first runs; None: there is no code at its
        program counter, and to run it is a fault
    privilege : U, or S for the idle thread
    root : physical address of its Sv39 root table; None runs on physical addresses

    Members
    -------
    sp : stack pointer, which Intel's user interrupts use; a coroutine itself has no stack in memory
    fault, cause, value : of the last exception: a sentence, and what scause and stval say
    """

    def __init__(
        self,
        name: str,
        program: Callable[[], Program] | None,
        *,
        privilege: Privilege = Privilege.U,
        root: int | None = None,
    ) -> None:
        self.name = name
        self.privilege = privilege
        self.root = root
        self.registers = ops.Registers()
        self.sp = 0
        self.fault = ""
        self.cause = 0
        self.value = 0
        self.frames: list[Frame] = []
        self._program = program
        self._entry = 0x1_0000
        self._pc = 0x1_0000

    def top(self) -> Frame:
        """The frame that runs."""
        if not self.frames:
            if self._program is None:
                raise OperationFault(
                    f"page fault at {self._entry:#x} (fetch)", FETCH_PAGE_FAULT, self._entry
                )
            self.frames.append(Frame(self._program()))
        return self.frames[-1]

    def next_pc(self) -> int:
        """A program counter for the next operation: unique within the thread, so that a return to
        the wrong place is noticed."""
        self._pc += 4
        return self._pc

    def enter(self, handler: Program) -> None:
        """Run an interrupt handler on top of what runs, which keeps its registers: the answer of a
        system call that it has not looked at yet stays, whatever calls the handler makes."""
        below = self.top()
        if below.awaits_registers:
            below.awaits_registers, below.value = False, self.registers
        self.frames.append(Frame(handler))
        self.frames[-1].pc = self.next_pc()

    @property
    def pc(self) -> int:
        """Program counter of the operation that the thread is in."""
        return self.frames[-1].pc if self.frames else self._entry

    def restart(self) -> None:
        """Let the system call that the thread is in begin again when it runs."""
        if self.frames and self.frames[-1].awaits_registers:
            frame = self.frames[-1]
            frame.awaits_registers = False
            frame.op = ops.Ecall(self.registers)

    def set_pc(self, pc: int, program: Callable[[], Program] | None) -> None:
        """Go on at ``pc``: at the operation that the thread is in, behind it, or with ``program``,
        which is the code at ``pc`` if there is any."""
        if self.frames and not self.frames[-1].ended:
            frame = self.frames[-1]
            if pc == frame.pc:
                return
            if pc == frame.pc + 4:
                frame.awaits_registers = isinstance(frame.op, ops.Ecall)
                frame.op, frame.value = None, 0
                return
        for frame in reversed(self.frames):
            with suppress(RuntimeError):
                frame.coroutine.close()
        self.frames.clear()
        self._program = program
        self._entry = pc

    def leave_handler(self, pc: int) -> None:
        """A user-interrupt handler returned to ``pc``.

        Raises
        ------
        OperationFault : that is not where it interrupted.
        """
        if len(self.frames) < 2 or self.frames[-2].pc != pc:
            raise OperationFault(
                f"uret of {self.name} returned to {pc:#x}, which is not where it "
                "was interrupted: user-interrupt state was lost or mixed up",
                FETCH_PAGE_FAULT,
                pc,
            )
        with suppress(RuntimeError):
            self.frames.pop().coroutine.close()

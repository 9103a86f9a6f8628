"""A machine whose harts stop before every operation that another hart could notice.

Who moves next is a choice and not a matter of cycles. Between two stops a hart does what concerns
it alone: computing, its own memory, and in the kernel, under the big lock, the kernel's data. That
is the reduction: where the lock makes orders equal there is no stop. A hart stops

* when it has left the kernel, before its thread makes a step or anything interrupts it;
* before a thread's system call, its user-interrupt instructions and registers, and what it does to
  memory that it shares with the kernel;
* in the kernel before the lock is taken and given back, before user-interrupt hardware is accessed,
  before another hart is interrupted, and at each look whether one has come in.

Time passes only as operations take it; the timer is never due by itself (`SteppedMachine.tick`).
"""

from collections.abc import Generator
from typing import Any

import simpy

from rel4.kernel.harts import STALL_POLL
from rel4.kernel.kernel import KERNEL_BASE
from rel4.machine import ops
from rel4.machine.board import Board
from rel4.machine.context import Context, Frame, Program
from rel4.machine.core import Steps
from rel4.machine.events import TrapCause
from rel4.machine.faults import MachineError
from rel4.machine.hart import Hart, Kernel
from rel4.machine.machine import Machine
from uintr.registers import Privilege

__all__ = ["NEVER", "SteppedHart", "SteppedMachine"]

NEVER = 1 << 60
"""A deadline that does not come."""
LOCK_BYTES = 128
MEMORY = (ops.Load, ops.Store, ops.Swap, ops.AmoAdd, ops.AmoOr, ops.AmoAnd)


class SteppedHart(Hart):
    """A hart that stops.

    Members
    -------
    at : what it is about to do; empty while it does not stand
    seen : what its operations answered so far, as a hash: all that its software knows
    in_kernel : it runs the kernel, or waits for its lock
    """

    at = ""
    in_kernel = False
    polls = False
    seen = 0
    _held: simpy.Event | None = None
    _granted = False

    def __init__(self, board: Board, index: int, kernel: Kernel) -> None:
        super().__init__(board, index, kernel)
        self._at_once.clear()

    @property
    def stands(self) -> bool:
        """True if it waits to be moved."""
        return self._held is not None

    @property
    def restless(self) -> bool:
        """True while it is at work for the kernel, or is about to be."""
        return self.stands and (self.in_kernel or self.supervisor_interrupt_pending)

    def go(self) -> None:
        """Let it pass the stop."""
        held, self._held = self._held, None
        if held is None:
            raise MachineError(f"hart {self.index} does not stand")
        held.succeed()

    def _stop(self, at: str) -> Steps:
        board = self.board
        assert isinstance(board, SteppedMachine)
        if board.free:
            return
        self.at = at
        self._held = self.env.event()
        yield self._held
        self.at, self.polls = "", False

    def _kernel(self, coroutine: Program) -> Steps:
        self.in_kernel = True
        yield from super()._kernel(coroutine)
        self.in_kernel = False

    def _user(self, context: Context) -> Steps:
        if context.privilege is Privilege.U:
            yield from self._stop("return")
        yield from super()._user(context)

    def _execute(
        self, op: ops.Op[Any], context: Context, frame: Frame
    ) -> Generator[simpy.Event, Any, TrapCause | None]:
        if self._noticed(op):
            yield from self._stop(_name(op))
            if context.privilege is Privilege.U and (
                self.supervisor_interrupt_pending or self.line
            ):
                frame.op = op  # what came meanwhile is taken first
                return None
            self._granted = True
        cause = yield from super()._execute(op, context, frame)
        self._granted = False
        return cause

    def _perform(self, op: ops.Op[Any], frame: Frame) -> Steps:
        if not self._granted and self._privilege is Privilege.S:
            if isinstance(op, ops.Compute) and op.cycles == STALL_POLL:
                self.polls = True
                yield from self._stop("look")
            elif self._noticed(op):
                yield from self._stop(_name(op))
        self._granted = False
        answer = yield from super()._perform(op, frame)
        if not isinstance(op, ops.Compute | ops.ReadTime | ops.SetTimer):  # time decides nothing
            seen = answer if isinstance(answer, int) else 0
            self.seen = hash((self.seen, type(op).__name__, seen))
        return answer

    def _noticed(self, op: ops.Op[Any]) -> bool:
        if isinstance(op, MEMORY):
            board = self.board
            assert isinstance(board, SteppedMachine)
            return board.notices(op.address) or board.is_device(op.address)
        return (
            isinstance(op, ops.Ecall | ops.SendIpi | self.unit.returns)
            or type(op) in self.unit.performs
        )


def _name(op: ops.Op[Any]) -> str:
    name = type(op).__name__
    address = getattr(op, "address", None)
    if address in (KERNEL_BASE, KERNEL_BASE + 64):
        return f"{name} lock"
    detail = address if address is not None else getattr(op, "csr", getattr(op, "msr", None))
    function = getattr(op, "function", None)
    if function is not None:
        return f"{name} {function.name}"
    return name if detail is None else f"{name} {int(detail):#x}"


class SteppedMachine(Machine):
    """Members
    -------
    free : harts do not stop
    endless : other threads go on when the initial one has ended
    shared : physical addresses that threads and kernel share without the lock
    """

    hart_type = SteppedHart
    free = True
    endless = False
    shared: tuple[range, ...] = ()

    def notices(self, address: int) -> bool:
        """True for an address whose word another hart may look at without the lock."""
        if KERNEL_BASE <= address < KERNEL_BASE + LOCK_BYTES:
            return True
        return any(address in part for part in self.shared)

    def stop(self) -> None:
        if not self.endless:
            super().stop()

    async def settle(self) -> None:
        """Until every hart stands or waits."""
        while not self.stopped and await self.advance(NEVER):
            pass

    def hart(self, index: int) -> SteppedHart:
        """One of its harts."""
        hart = self.harts[index]
        assert isinstance(hart, SteppedHart)
        return hart

    def tick(self, index: int) -> None:
        """The timer of a hart is due."""
        hart = self.harts[index]
        hart.deadline = self.now
        hart.poke()

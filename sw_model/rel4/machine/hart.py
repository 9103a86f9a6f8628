"""A simulated hart: takes one operation at a time, spends its cycles, takes traps between them.

Order of events at an instruction boundary in user mode, first one wins: supervisor interrupt (a
trap into the kernel), user interrupt (no trap), next operation of the thread. Inside the kernel no
interrupt is taken.
"""

from collections.abc import Generator
from contextlib import suppress
from typing import Any, Protocol

import simpy

from uintr.registers import Flavour, Privilege

from . import ops
from .board import Board
from .context import Context, Frame, Program
from .core import Core, Steps
from .events import Trap, TrapCause, TrapReturn
from .faults import MachineError, OperationFault
from .intel_instructions import IntelInstructions
from .riscv_instructions import RiscvInstructions

__all__ = ["Hart", "Kernel"]


class Kernel(Protocol):
    """What a hart asks of the kernel that runs on it. Both coroutines run in privilege S."""

    def start(self, hart: "Hart") -> Program:
        """Boot ``hart``; must leave `Hart.context` set."""
        ...

    def trap(self, hart: "Hart", cause: TrapCause) -> Program:
        """Handle a trap of ``hart.context``; may set another context."""
        ...


class Hart(Core):
    """One hart of a machine. The kernel chooses what it runs by setting `context`.

    Parameters
    ----------
    board, index : as `Core`
    kernel : what it boots, and traps into
    """

    def __init__(self, board: Board, index: int, kernel: Kernel) -> None:
        super().__init__(board, index)
        self.line = False
        self.supervisor_line = False
        self.ipi = False
        self._waiting = False
        self._software = kernel
        intel = board.device.config.flavour is Flavour.INTEL
        self.unit = IntelInstructions(self) if intel else RiscvInstructions(self)
        self._perform_by_type.update(self.unit.performs)
        self.process = self.env.process(self._run())

    def device_amo(self, op: Any, address: int) -> Steps:
        return self.unit.amo(op, address)

    # --- what the rest of the machine tells a hart ------------------------------------------------

    def set_line(self, level: bool) -> None:
        """The hart unit's user interrupt as of the last clock edge."""
        rises = level and not self.line
        self.line = level
        if rises:
            self.poke()

    def set_supervisor_line(self, level: bool) -> None:
        """The hart's supervisor line as of the last clock edge: a receiver of supervisor kind."""
        rises = level and not self.supervisor_line
        self.supervisor_line = level
        if rises:
            self.poke()

    def poke(self) -> None:
        """Something happened that a waiting hart has to look at."""
        if self._waiting:
            self._waiting = False
            self.process.interrupt()

    def interrupt(self) -> None:
        """Another hart sends this one an interrupt."""
        self.ipi = True
        self.poke()

    # --- the main loop ----------------------------------------------------------------------------

    def _run(self) -> Steps:
        yield from self._kernel(self._software.start(self))
        while True:
            if self.context is None:
                raise MachineError(f"the kernel left hart {self.index} with nothing to run")
            yield from self._user(self.context)

    def _user(self, context: Context) -> Steps:
        """Run ``context`` until it traps, and the kernel for that trap."""
        self._root = context.root
        self._set_privilege(context.privilege)
        self.log(TrapReturn(context.name))
        is_user = context.privilege is Privilege.U
        while True:
            cause = self._supervisor_cause()
            if cause is not None:
                yield from self._trap(cause, context)
                return
            try:
                if self.line and is_user:
                    yield from self.unit.take(context)
                    continue
                ended = self._user_steps(context)
                if isinstance(ended, ops.Op):
                    ended = yield from self._execute(ended, context, context.top())
            except OperationFault as fault:
                context.fault, context.cause, context.value = str(fault), fault.cause, fault.value
                yield from self._trap(TrapCause.FAULT, context)
                return
            if ended is not None:
                yield from self._trap(ended, context)
                return

    def _user_steps(self, context: Context) -> ops.Op[Any] | TrapCause | None:
        """The thread's operations for as long as they can be performed at once: returns the next
        one, or the cause if the thread ends, or None if there is an interrupt to look at."""
        frame = context.top()
        at_once, interrupts = self._at_once, self.board.interrupts
        while True:
            if frame.ended:
                return TrapCause.EXIT
            op = frame.op
            if op is None:
                if frame.awaits_registers:
                    frame.awaits_registers = False
                    frame.value = context.registers
                value, frame.value = frame.value, None
                try:
                    op = frame.coroutine.send(value)
                except StopIteration:
                    frame.ended = True
                    return TrapCause.EXIT
                frame.pc = context.next_pc()
            else:
                frame.op = None
            perform = at_once.get(type(op))
            try:
                if perform is None or not perform(op, frame):
                    return op
            except OperationFault:
                frame.op = op
                raise
            if (  # as `supervisor_interrupt_pending`
                self.line
                or self.ipi
                or self.supervisor_line
                or (self.deadline is not None and self.env.now >= self.deadline)
                or (interrupts.pending and self.index == 0)
            ):
                return None

    def _execute(
        self, op: ops.Op[Any], context: Context, frame: Frame
    ) -> Generator[simpy.Event, Any, TrapCause | None]:
        """Perform ``op`` for the thread. An operation that faults is its next one again."""
        try:
            if isinstance(op, ops.Compute):
                yield from self._user_compute(op, frame)
            elif isinstance(op, ops.PathEnd | ops.PathWork):
                yield from self._user_path(op, frame)
            elif isinstance(op, ops.SpinWhile):
                yield from self._user_spin(op, frame)
            elif isinstance(op, ops.Ecall):
                context.registers = op.registers
                frame.awaits_registers = True
                return TrapCause.ECALL
            elif isinstance(op, self.unit.returns):
                yield from self.unit.leave(op, context)
            elif isinstance(op, ops.WaitForInterrupt):
                yield from self._wait(None)
            else:
                frame.value = yield from self._perform(op, frame)
        except OperationFault:
            frame.op = op
            raise
        return None

    def _trap(self, cause: TrapCause, context: Context) -> Steps:
        self._set_privilege(Privilege.S)
        self._root = None
        self.log(Trap(cause, context.name))
        yield from self._kernel(self._software.trap(self, cause))

    def _kernel(self, coroutine: Program) -> Steps:
        """Drive a kernel coroutine to its end; no interrupts are taken."""
        frame = Frame(coroutine)
        at_once = self._at_once
        while True:
            value, frame.value = frame.value, None
            try:
                op = coroutine.send(value)
            except StopIteration:
                return
            try:
                perform = at_once.get(type(op))
                if perform is None or not perform(op, frame):
                    frame.value = yield from self._perform(op, frame)
            except OperationFault as fault:
                raise MachineError(f"kernel fault on hart {self.index}: {fault}") from fault

    # --- waiting ----------------------------------------------------------------------------------

    def _timer_pending(self) -> bool:
        return self.deadline is not None and self.env.now >= self.deadline

    def _supervisor_cause(self) -> TrapCause | None:
        """The pending interrupt that traps into the kernel: external, software, timer, as in the
        privileged architecture. UIPI is a level: it comes again until the kernel has emptied
        the receiver."""
        if self.index == 0 and self.board.interrupts.pending:
            return TrapCause.INTERRUPT
        if self.ipi:
            self.ipi = False
            return TrapCause.IPI
        if self.supervisor_line:
            return TrapCause.UIPI
        return TrapCause.TIMER if self._timer_pending() else None

    @property
    def supervisor_interrupt_pending(self) -> bool:
        """An interrupt would trap into the kernel if this hart were in user mode."""
        return (
            self.ipi
            or self.supervisor_line
            or (self.deadline is not None and self.env.now >= self.deadline)
            or (self.index == 0 and self.board.interrupts.pending)
        )

    def _interrupt_pending(self) -> bool:
        return self.supervisor_interrupt_pending or self.line

    def _wait(self, cycles: int | None) -> Generator[simpy.Event, Any, int]:
        """Wait ``cycles`` (None: for ever), at most until the timer; ends early when poked."""
        start = self.env.now
        span = cycles
        if self.deadline is not None:
            left = max(self.deadline - start, 0)
            span = left if span is None else min(span, left)
        self._waiting = True
        with suppress(simpy.Interrupt):
            yield self.env.event() if span is None else self.env.timeout(span)
        self._waiting = False
        return self.env.now - start

    def _user_compute(self, op: ops.Compute, frame: Frame) -> Steps:
        if op.cycles <= 0:
            return
        spent = yield from self._wait(op.cycles)
        frame.charge(spent)
        if spent < op.cycles:
            frame.op = ops.Compute(op.cycles - spent)

    def _user_path(self, op: ops.PathEnd | ops.PathWork, frame: Frame) -> Steps:
        """Spend the rest of a path; ended early by an interrupt, go on with it afterwards."""
        rest = self._path_rest(frame, op.leaving if isinstance(op, ops.PathWork) else 0)
        if rest:
            spent = yield from self._wait(rest)
            frame.charge(spent)
            if spent < rest:
                frame.op = op
                return
        if isinstance(op, ops.PathEnd):
            self._path_close(frame)

    def _user_spin(self, op: ops.SpinWhile, frame: Frame) -> Steps:
        memory, spinning = self.board.memory, self.board.spinning
        while memory.load(address := self.translate(op.address, write=False)) == op.value:
            left = None if op.until is None else op.until - self.env.now
            if left is not None and left <= 0:
                break
            memory.watch(address, self.poke)
            spinning.add(self.index)
            yield from self._wait(left)
            spinning.discard(self.index)
            memory.unwatch(address, self.poke)
            if self._interrupt_pending():
                frame.op = op
                return
        yield self.env.timeout(self._spin_cycles)

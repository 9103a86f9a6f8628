"""A simulated hart: takes one operation at a time, spends its cycles, takes traps between them.

Order of events at an instruction boundary in user mode, first one wins: supervisor interrupt (a
trap into the kernel), user interrupt (no trap), next operation of the thread. Inside the kernel no
interrupt is taken.
"""

from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import simpy

from uintr.registers import Flavour, Privilege, RequestKind, Status

from . import ops, sv39
from .device import Request, Response
from .events import Event, PathDone, Trap, TrapReturn
from .faults import (
    FETCH_PAGE_FAULT,
    LOAD_ACCESS_FAULT,
    LOAD_MISALIGNED,
    LOAD_PAGE_FAULT,
    STORE_ACCESS_FAULT,
    STORE_MISALIGNED,
    STORE_PAGE_FAULT,
    MachineError,
    OperationFault,
)
from .hart_intel import IntelUnit
from .hart_riscv import RiscvUnit

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Context", "Hart", "MachineError", "Program"]

Program = Coroutine[Any, Any, Any]
Steps = Generator[simpy.Event, Any, Any]


class _Frame:
    """One coroutine on a context's stack: the thread, or an interrupt handler on top of it."""

    __slots__ = ("awaits_registers", "coroutine", "ended", "op", "paths", "pc", "value")

    def __init__(self, coroutine: Program) -> None:
        self.coroutine = coroutine
        self.value: Any = None  # result of the last operation, to be sent in
        self.op: ops.Op[Any] | None = None  # operation that was interrupted and goes on
        self.pc = 0
        self.awaits_registers = False
        self.ended = False
        self.paths: list[tuple[str, int, int]] = []  # name, cycles charged so far, begin

    def charge(self, cycles: int) -> None:
        """Count ``cycles`` of software work against the innermost open path."""
        if self.paths and cycles:
            name, spent, begin = self.paths[-1]
            self.paths[-1] = (name, spent + cycles, begin)


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
        self.frames: list[_Frame] = []
        self._program = program
        self._entry = 0x1_0000
        self._pc = 0x1_0000

    def top(self) -> _Frame:
        """The frame that runs."""
        if not self.frames:
            if self._program is None:
                raise OperationFault(
                    f"page fault at {self._entry:#x} (fetch)", FETCH_PAGE_FAULT, self._entry
                )
            self.frames.append(_Frame(self._program()))
        return self.frames[-1]

    def next_pc(self) -> int:
        """A program counter for the next operation: unique within the thread, so that a return to
        the wrong place is noticed."""
        self._pc += 4
        return self._pc

    def enter(self, handler: Program) -> None:
        """Run an interrupt handler on top of what runs."""
        self.frames.append(_Frame(handler))
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


def _succeed(event: simpy.Event) -> None:
    event.succeed()


class Hart:
    """One hart of a machine. The kernel chooses what it runs by setting `context`."""

    def __init__(self, machine: "Machine", index: int) -> None:
        self.machine = machine
        self.index = index
        self.env = machine.env
        self.context: Context | None = None
        self.line = False
        self.supervisor_line = False
        self.ipi = False
        self.deadline: int | None = None
        self._waiting = False
        self._root: int | None = None
        self._privilege = Privilege.S
        intel = machine.device.config.flavour is Flavour.INTEL
        self.unit = IntelUnit(self) if intel else RiscvUnit(self)
        costs = machine.costs
        self._load_cycles = costs["machine.load"]
        self._store_cycles = costs["machine.store"]
        self._amo_cycles = costs["machine.amo"]
        self._fence_cycles = costs["machine.fence"]
        self._spin_cycles = costs["machine.spin_iteration"]
        self._ipi_cycles = costs["machine.ipi"]
        self._perform_by_type: dict[type, Callable[[Any, _Frame], Steps]] = {
            ops.Compute: self._compute,
            ops.Load: self._load,
            ops.Store: self._store,
            ops.Clear: self._clear,
            ops.Swap: self._amo,
            ops.AmoAdd: self._amo,
            ops.AmoOr: self._amo,
            ops.AmoAnd: self._amo,
            ops.Fence: self._fence,
            ops.SfenceVma: self._sfence,
            ops.SpinWhile: self._kernel_spin,
            ops.SendIpi: self._send_ipi,
            ops.SetTimer: self._set_timer,
            ops.ReadTime: self._read_time,
            ops.PathWork: self._kernel_path_work,
            ops.PathEnd: self._kernel_path_end,
            **self.unit.performs,
        }
        self.process = self.env.process(self._run())

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

    def log(self, event: Event) -> None:
        """Append to the machine's event log with this cycle and hart."""
        self.machine.log.append(event, cycle=int(self.env.now), hart=self.index)

    # --- the main loop ----------------------------------------------------------------------------

    def _run(self) -> Steps:
        kernel = self.machine.kernel
        yield from self._kernel(kernel.start(self))
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
                ended = yield from self._user_step(context)
            except OperationFault as fault:
                context.fault, context.cause, context.value = str(fault), fault.cause, fault.value
                yield from self._trap("fault", context)
                return
            if ended is not None:
                yield from self._trap(ended, context)
                return

    def _user_step(self, context: Context) -> Generator[simpy.Event, Any, str | None]:
        """One operation of the thread; answers the cause if it ends in a trap. An operation that
        faults is the thread's next one again."""
        frame = context.top()
        if frame.ended:
            return "exit"
        op = frame.op
        if op is None:
            if frame.awaits_registers:
                frame.awaits_registers = False
                frame.value = context.registers
            try:
                op = frame.coroutine.send(frame.value)
            except StopIteration:
                frame.ended = True
                return "exit"
            frame.value = None
            frame.pc = context.next_pc()
        else:
            frame.op = None
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
                return "ecall"
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

    def _trap(self, cause: str, context: Context) -> Steps:
        self._set_privilege(Privilege.S)
        self._root = None
        self.log(Trap(cause, context.name))
        yield from self._kernel(self.machine.kernel.trap(self, cause))

    def _kernel(self, coroutine: Program) -> Steps:
        """Drive a kernel coroutine to its end; no interrupts are taken."""
        frame = _Frame(coroutine)
        while True:
            try:
                op = coroutine.send(frame.value)
            except StopIteration:
                return
            try:
                frame.value = yield from self._perform(op, frame)
            except OperationFault as fault:
                raise MachineError(f"kernel fault on hart {self.index}: {fault}") from fault

    def resume(self, context: Context, pc: int) -> None:
        """A user-interrupt handler returned to ``pc``, which must be where it interrupted."""
        if len(context.frames) < 2 or context.frames[-2].pc != pc:
            raise OperationFault(
                f"uret of {context.name} returned to {pc:#x}, which is not where it "
                "was interrupted: user-interrupt state was lost or mixed up",
                FETCH_PAGE_FAULT,
                pc,
            )
        with suppress(RuntimeError):
            context.frames.pop().coroutine.close()

    # --- waiting ----------------------------------------------------------------------------------

    def _timer_pending(self) -> bool:
        return self.deadline is not None and self.env.now >= self.deadline

    def _supervisor_cause(self) -> str | None:
        """The pending interrupt that traps into the kernel: external, software, timer, as in the
        privileged architecture. "uipi" is a level: it comes again until the kernel has emptied
        the receiver."""
        if self.index == 0 and self.machine.interrupts.pending:
            return "interrupt"
        if self.ipi:
            self.ipi = False
            return "ipi"
        if self.supervisor_line:
            return "uipi"
        return "timer" if self._timer_pending() else None

    @property
    def supervisor_interrupt_pending(self) -> bool:
        """An interrupt would trap into the kernel if this hart were in user mode."""
        external = self.index == 0 and self.machine.interrupts.pending
        return external or self.ipi or self.supervisor_line or self._timer_pending()

    def _interrupt_pending(self) -> bool:
        return self.supervisor_interrupt_pending or self.line

    def _wait(self, cycles: int | None) -> Generator[simpy.Event, Any, int]:
        """Wait ``cycles`` (None: for ever), at most until the timer; ends early when poked."""
        start = self.env.now
        span = cycles
        if self.deadline is not None:
            left = max(self.deadline - int(start), 0)
            span = left if span is None else min(span, left)
        self._waiting = True
        with suppress(simpy.Interrupt):
            yield self.env.event() if span is None else self.env.timeout(span)
        self._waiting = False
        return int(self.env.now - start)

    def _user_compute(self, op: ops.Compute, frame: _Frame) -> Steps:
        if op.cycles <= 0:
            return
        spent = yield from self._wait(op.cycles)
        frame.charge(spent)
        if spent < op.cycles:
            frame.op = ops.Compute(op.cycles - spent)

    def _user_path(self, op: ops.PathEnd | ops.PathWork, frame: _Frame) -> Steps:
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

    def _user_spin(self, op: ops.SpinWhile, frame: _Frame) -> Steps:
        address = self.translate(op.address, write=False)
        memory = self.machine.memory
        while memory.load(address) == op.value:
            left = None if op.until is None else op.until - int(self.env.now)
            if left is not None and left <= 0:
                break
            memory.watch(address, self.poke)
            yield from self._wait(left)
            memory.unwatch(address, self.poke)
            if self._interrupt_pending():
                frame.op = op
                return
        yield self.env.timeout(self._spin_cycles)

    # --- paths ------------------------------------------------------------------------------------

    def _path_rest(self, frame: _Frame, leaving: int = 0) -> int:
        name, spent, _ = frame.paths[-1]
        return max(0, self.machine.costs[name] - spent - leaving) if name else 0

    def _path_close(self, frame: _Frame) -> None:
        name, spent, begin = frame.paths.pop()
        if not name:
            return
        frame.charge(spent)
        self.log(PathDone(name, spent, begin))

    def _kernel_path_work(self, op: ops.PathWork, frame: _Frame) -> Steps:
        rest = self._path_rest(frame, op.leaving)
        if rest:
            yield self.env.timeout(rest)
            frame.charge(rest)

    def _kernel_path_end(self, op: ops.PathEnd, frame: _Frame) -> Steps:
        rest = self._path_rest(frame)
        if rest:
            yield self.env.timeout(rest)
            frame.charge(rest)
        self._path_close(frame)

    # --- operations -------------------------------------------------------------------------------

    def _perform(self, op: ops.Op[Any], frame: _Frame) -> Steps:
        if isinstance(op, ops.Log):
            self.log(op.event)
            return None
        if isinstance(op, ops.PathBegin):
            frame.paths.append((op.name, 0, int(self.env.now)))
            return None
        perform = self._perform_by_type.get(type(op))
        if perform is None:
            raise OperationFault(f"{type(op).__name__} is not an operation for this privilege")
        return (yield from perform(op, frame))

    def _compute(self, op: ops.Compute, frame: _Frame) -> Steps:
        if op.cycles > 0:
            yield self.env.timeout(op.cycles)
            frame.charge(op.cycles)

    def _load(self, op: ops.Load, frame: _Frame) -> Steps:
        address = self.translate(op.address, write=False)
        if self.machine.is_device(address):
            return (yield from self.bus(Request(RequestKind.LOAD, address=address)))
        return (yield from self.load_word(address, frame))

    def load_word(self, address: int, frame: _Frame) -> Steps:
        """Load from memory at a physical address."""
        yield self.env.timeout(self._load_cycles)
        frame.charge(self._load_cycles)
        return self.machine.memory.load(address)

    def _store(self, op: ops.Store, frame: _Frame) -> Steps:
        address = self.translate(op.address, write=True)
        if self.machine.is_device(address):
            request = Request(RequestKind.STORE, address=address, data=op.value)
            yield from self.bus(request)
            return
        yield from self.store_word(address, op.value, frame)

    def store_word(self, address: int, value: int, frame: _Frame) -> Steps:
        """Store to memory at a physical address."""
        yield self.env.timeout(self._store_cycles)
        frame.charge(self._store_cycles)
        self.machine.memory.store(address, value)

    def _clear(self, op: ops.Clear, frame: _Frame) -> Steps:
        self._supervisor_only("clear")
        cycles = op.size // 8 * self._store_cycles
        yield self.env.timeout(cycles)
        frame.charge(cycles)
        self.machine.memory.clear(op.address, op.size)

    def _supervisor_only(self, what: str) -> None:
        if self._privilege is Privilege.U:
            raise OperationFault(f"{what} is an operation of the supervisor")

    def _amo(self, op: ops.Swap | ops.AmoAdd | ops.AmoAnd | ops.AmoOr, frame: _Frame) -> Steps:
        address = self.translate(op.address, write=True)
        if self.machine.is_device(address):
            return (yield from self.unit.amo(op, address))
        yield self.env.timeout(self._amo_cycles)
        frame.charge(self._amo_cycles)
        memory = self.machine.memory
        old = memory.load(address)
        if isinstance(op, ops.Swap):
            new = op.value
        elif isinstance(op, ops.AmoAdd):
            new = old + op.value
        elif isinstance(op, ops.AmoAnd):
            new = old & op.value
        else:
            new = old | op.value
        memory.store(address, new)
        return old

    def _fence(self, op: ops.Fence, frame: _Frame) -> Steps:
        yield self.env.timeout(self._fence_cycles)
        frame.charge(self._fence_cycles)

    def _sfence(self, op: ops.SfenceVma, frame: _Frame) -> Steps:
        self._supervisor_only("sfence.vma")
        yield self.env.timeout(self._fence_cycles)
        frame.charge(self._fence_cycles)
        self.machine.forget_translations(op.address)

    def _kernel_spin(self, op: ops.SpinWhile, frame: _Frame) -> Steps:
        memory = self.machine.memory
        while memory.load(op.address) == op.value:
            left = None if op.until is None else op.until - int(self.env.now)
            if left is not None and left <= 0:
                break
            changed = self.env.event()
            notify = partial(_succeed, changed)
            memory.watch(op.address, notify)
            yield changed if left is None else changed | self.env.timeout(left)
            memory.unwatch(op.address, notify)
        yield self.env.timeout(self._spin_cycles)

    def _send_ipi(self, op: ops.SendIpi, frame: _Frame) -> Steps:
        if self._privilege is Privilege.U:
            raise OperationFault("an interrupt to another hart is sent by the kernel")
        yield self.env.timeout(self._ipi_cycles)
        frame.charge(self._ipi_cycles)
        self.machine.harts[op.hart].interrupt()

    def _set_timer(self, op: ops.SetTimer, frame: _Frame) -> Steps:
        if self._privilege is Privilege.U:
            raise OperationFault("stimecmp is a supervisor register")
        yield self.env.timeout(1)
        frame.charge(1)
        self.deadline = op.deadline

    def _read_time(self, op: ops.ReadTime, frame: _Frame) -> Steps:
        yield self.env.timeout(1)
        frame.charge(1)
        return int(self.env.now)

    # --- the device -------------------------------------------------------------------------------

    def _set_privilege(self, privilege: Privilege) -> None:
        self._privilege = privilege
        self.machine.device.set_privilege(self.index, privilege)

    def request(self, request: Request) -> Generator[simpy.Event, Response, Response]:
        """Make one request of the hart unit and wait for the answer."""
        return (yield self.machine.submit(self.index, request))

    def bus(self, request: Request) -> Generator[simpy.Event, Any, int]:
        """Make one memory request; answers the word read, or raises an access fault."""
        response = yield from self.request(request)
        if response.status is not Status.OK:
            store = request.kind is RequestKind.STORE
            raise OperationFault(
                f"access fault at {request.address:#x} ({response.status.name})",
                STORE_ACCESS_FAULT if store else LOAD_ACCESS_FAULT,
                request.address,
            )
        return response.data

    def translate(self, address: int, *, write: bool) -> int:
        """Physical address of a word; a fault if the running code may not access it so."""
        if address & 7:
            cause = STORE_MISALIGNED if write else LOAD_MISALIGNED
            raise OperationFault(f"address {address:#x} must be a multiple of 8", cause, address)
        if self._root is None:
            return address
        page = self.machine.translate(self._root, address >> sv39.PAGE_BITS)
        if page is None or not page[1] & (sv39.PTE.W if write else sv39.PTE.R):
            raise OperationFault(
                f"page fault at {address:#x} ({'store' if write else 'load'})",
                STORE_PAGE_FAULT if write else LOAD_PAGE_FAULT,
                address,
            )
        return page[0] | address & ((1 << sv39.PAGE_BITS) - 1)

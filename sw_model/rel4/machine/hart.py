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

from uintr.registers import Csr, CsrFunction, Privilege, RequestKind, Status

from . import ops, sv39
from .device import Request, Response
from .events import Event, PathDone, Trap, TrapReturn, UipiDone, UserReturn, UserTrap

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Context", "Hart", "MachineError", "Program"]

Program = Coroutine[Any, Any, Any]
Steps = Generator[simpy.Event, Any, Any]

_CSR_FUNCTIONS: dict[type, CsrFunction] = {
    ops.CsrRead: CsrFunction.READ,
    ops.CsrWrite: CsrFunction.WRITE,
    ops.CsrSet: CsrFunction.SET,
    ops.CsrClear: CsrFunction.CLEAR,
}


ILLEGAL_INSTRUCTION = 2
LOAD_MISALIGNED, STORE_MISALIGNED = 4, 6
LOAD_ACCESS_FAULT, STORE_ACCESS_FAULT = 5, 7
FETCH_PAGE_FAULT, LOAD_PAGE_FAULT, STORE_PAGE_FAULT = 12, 13, 15


class MachineError(Exception):
    """The model reached a state that the hardware or a correct kernel cannot be in."""


class _FaultError(Exception):
    """The running operation is not allowed; user code traps, kernel code is wrong.

    ``cause`` and ``value`` are what scause and stval say.
    """

    def __init__(self, sentence: str, cause: int = ILLEGAL_INSTRUCTION, value: int = 0) -> None:
        super().__init__(sentence)
        self.cause = cause
        self.value = value


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
                raise _FaultError(
                    f"page fault at {self._entry:#x} (fetch)", FETCH_PAGE_FAULT, self._entry
                )
            self.frames.append(_Frame(self._program()))
        return self.frames[-1]

    def next_pc(self) -> int:
        """A program counter for the next operation: unique within the thread, so that a return to
        the wrong place is noticed."""
        self._pc += 4
        return self._pc

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
        self.suist = 0  # as last written, for the log
        self.suirs = 0
        self._waiting = False
        self._root: int | None = None
        self._privilege = Privilege.S
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
            ops.Fence: self._fence,
            ops.SfenceVma: self._sfence,
            ops.SpinWhile: self._kernel_spin,
            ops.CsrRead: self._csr,
            ops.CsrWrite: self._csr,
            ops.CsrSet: self._csr,
            ops.CsrClear: self._csr,
            ops.Uipi: self._uipi,
            ops.SendIpi: self._send_ipi,
            ops.SetTimer: self._set_timer,
            ops.ReadTime: self._read_time,
            ops.PathWork: self._kernel_path_work,
            ops.PathEnd: self._kernel_path_end,
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
                    yield from self._user_trap(context)
                    continue
                ended = yield from self._user_step(context)
            except _FaultError as fault:
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
            elif isinstance(op, ops.Uret):
                yield from self._uret(context)
            elif isinstance(op, ops.WaitForInterrupt):
                yield from self._wait(None)
            else:
                frame.value = yield from self._perform(op, frame)
        except _FaultError:
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
            except _FaultError as fault:
                raise MachineError(f"kernel fault on hart {self.index}: {fault}") from fault

    # --- user interrupts --------------------------------------------------------------------------

    def _user_trap(self, context: Context) -> Steps:
        pc = context.top().pc
        response = yield from self._request(Request(RequestKind.TRAP, data=pc))
        if response.status is not Status.OK:
            return  # the line fell before the trap was taken
        handler = self.machine.code.get(response.data)
        if handler is None:
            raise _FaultError(
                f"utvec points to {response.data:#x}, where no handler was placed",
                FETCH_PAGE_FAULT,
                response.data,
            )
        self.log(UserTrap(context.name, pc, response.data))
        context.frames.append(_Frame(handler()))
        context.frames[-1].pc = context.next_pc()

    def _uret(self, context: Context) -> Steps:
        response = yield from self._request(Request(RequestKind.URET))
        if len(context.frames) < 2 or context.frames[-2].pc != response.data:
            raise _FaultError(
                f"uret of {context.name} returned to {response.data:#x}, which is not where it "
                "was interrupted: user-interrupt state was lost or mixed up",
                FETCH_PAGE_FAULT,
                response.data,
            )
        with suppress(RuntimeError):
            context.frames.pop().coroutine.close()
        self.log(UserReturn(context.name, response.data))

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
        address = self._translate(op.address, write=False)
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
            raise _FaultError(f"{type(op).__name__} is not an operation for this privilege")
        return (yield from perform(op, frame))

    def _compute(self, op: ops.Compute, frame: _Frame) -> Steps:
        if op.cycles > 0:
            yield self.env.timeout(op.cycles)
            frame.charge(op.cycles)

    def _load(self, op: ops.Load, frame: _Frame) -> Steps:
        address = self._translate(op.address, write=False)
        if self.machine.is_device(address):
            return (yield from self._bus(Request(RequestKind.LOAD, address=address)))
        yield self.env.timeout(self._load_cycles)
        frame.charge(self._load_cycles)
        return self.machine.memory.load(address)

    def _store(self, op: ops.Store, frame: _Frame) -> Steps:
        address = self._translate(op.address, write=True)
        if self.machine.is_device(address):
            request = Request(RequestKind.STORE, address=address, data=op.value)
            yield from self._bus(request)
            return
        yield self.env.timeout(self._store_cycles)
        frame.charge(self._store_cycles)
        self.machine.memory.store(address, op.value)

    def _clear(self, op: ops.Clear, frame: _Frame) -> Steps:
        self._supervisor_only("clear")
        cycles = op.size // 8 * self._store_cycles
        yield self.env.timeout(cycles)
        frame.charge(cycles)
        self.machine.memory.clear(op.address, op.size)

    def _supervisor_only(self, what: str) -> None:
        if self._privilege is Privilege.U:
            raise _FaultError(f"{what} is an operation of the supervisor")

    def _amo(self, op: ops.Swap | ops.AmoAdd | ops.AmoOr, frame: _Frame) -> Steps:
        address = self._translate(op.address, write=True)
        yield self.env.timeout(self._amo_cycles)
        frame.charge(self._amo_cycles)
        memory = self.machine.memory
        old = memory.load(address)
        if isinstance(op, ops.Swap):
            new = op.value
        elif isinstance(op, ops.AmoAdd):
            new = old + op.value
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

    def _csr(self, op: Any, frame: _Frame) -> Steps:
        function = _CSR_FUNCTIONS[type(op)]
        operand = 0 if function is CsrFunction.READ else op.value
        response = yield from self._request(
            Request(RequestKind.CSR, function=function, address=op.csr, data=operand)
        )
        if response.status is not Status.OK:
            raise _FaultError(f"illegal access to CSR {Csr(op.csr).name.lower()}")
        if function is CsrFunction.WRITE:
            if op.csr == Csr.SUIST:
                self.suist = operand
            elif op.csr == Csr.SUIRS:
                self.suirs = operand
        return response.data

    def _uipi(self, op: ops.Uipi, frame: _Frame) -> Steps:
        response = yield from self._request(
            Request(RequestKind.UIPI, function=op.function, data=op.operand)
        )
        if response.status is Status.ILLEGAL:
            raise _FaultError("illegal UIPI function")
        self.log(
            UipiDone(
                op.function.name,
                op.operand,
                self.suist,
                self.suirs,
                response.data,
                response.status.name,
            )
        )
        return response.data

    def _send_ipi(self, op: ops.SendIpi, frame: _Frame) -> Steps:
        if self._privilege is Privilege.U:
            raise _FaultError("an interrupt to another hart is sent by the kernel")
        yield self.env.timeout(self._ipi_cycles)
        frame.charge(self._ipi_cycles)
        self.machine.harts[op.hart].interrupt()

    def _set_timer(self, op: ops.SetTimer, frame: _Frame) -> Steps:
        if self._privilege is Privilege.U:
            raise _FaultError("stimecmp is a supervisor register")
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

    def _request(self, request: Request) -> Generator[simpy.Event, Response, Response]:
        return (yield self.machine.submit(self.index, request))

    def _bus(self, request: Request) -> Generator[simpy.Event, Any, int]:
        response = yield from self._request(request)
        if response.status is not Status.OK:
            store = request.kind is RequestKind.STORE
            raise _FaultError(
                f"access fault at {request.address:#x} ({response.status.name})",
                STORE_ACCESS_FAULT if store else LOAD_ACCESS_FAULT,
                request.address,
            )
        return response.data

    def _translate(self, address: int, *, write: bool) -> int:
        if address & 7:
            cause = STORE_MISALIGNED if write else LOAD_MISALIGNED
            raise _FaultError(f"address {address:#x} must be a multiple of 8", cause, address)
        if self._root is None:
            return address
        page = self.machine.translate(self._root, address >> sv39.PAGE_BITS)
        if page is None or not page[1] & (sv39.PTE.W if write else sv39.PTE.R):
            raise _FaultError(
                f"page fault at {address:#x} ({'store' if write else 'load'})",
                STORE_PAGE_FAULT if write else LOAD_PAGE_FAULT,
                address,
            )
        return page[0] | address & ((1 << sv39.PAGE_BITS) - 1)

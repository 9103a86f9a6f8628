"""The datapath of one hart: performs operations, one at a time, and spends their cycles.

What there is of operations in both privileges is here; what makes a hart choose what to perform
next, traps and waiting, is `rel4.machine.hart`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import simpy

from uintr.registers import Privilege, RequestKind, Status

from . import ops, sv39
from .board import Board
from .context import Context, Frame, OpenPath
from .costs import Costs
from .device import Request, Response
from .events import Event, PathDone
from .faults import (
    LOAD_ACCESS_FAULT,
    LOAD_MISALIGNED,
    LOAD_PAGE_FAULT,
    STORE_ACCESS_FAULT,
    STORE_MISALIGNED,
    STORE_PAGE_FAULT,
    OperationFault,
)

__all__ = ["AtOnce", "Core", "Steps"]

Steps = Generator[simpy.Event, Any, Any]
AtOnce = Callable[[Any, Frame], bool]
"""Performs an operation at once, with its result in the frame, if nothing else happens meanwhile
(`rel4.machine.clock.Clock.skip`). False: it does, or a device is asked; nothing is done."""


def _succeed(event: simpy.Event) -> None:
    event.succeed()


class _Costs(dict[str, int]):
    """Costs by name, which are looked up at every path."""

    def __init__(self, costs: Costs) -> None:
        super().__init__(costs)
        self._costs = costs

    def __missing__(self, name: str) -> int:
        return self._costs[name]  # which says what there is


class Core(ABC):
    """Performs the operations of one hart.

    Parameters
    ----------
    board : what all harts share
    index : number of the hart

    Members
    -------
    context : the thread that it runs, or ran last
    deadline : cycle of the next timer interrupt
    """

    def __init__(self, board: Board, index: int) -> None:
        self.board = board
        self.index = index
        self.env = board.env
        self.context: Context | None = None
        self.deadline: int | None = None
        self._root: int | None = None
        self._privilege = Privilege.S
        costs = self._costs = _Costs(board.costs)
        self._load_cycles = costs["machine.load"]
        self._store_cycles = costs["machine.store"]
        self._amo_cycles = costs["machine.amo"]
        self._fence_cycles = costs["machine.fence"]
        self._spin_cycles = costs["machine.spin_iteration"]
        self._ipi_cycles = costs["machine.ipi"]
        self._perform_by_type: dict[type, Callable[[Any, Frame], Steps]] = {
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
            ops.AwaitTicket: self._await_ticket,
            ops.SendIpi: self._send_ipi,
            ops.SetTimer: self._set_timer,
            ops.ReadTime: self._read_time,
            ops.PathWork: self._kernel_path_work,
            ops.PathEnd: self._kernel_path_end,
        }
        amo = self._amo_at_once
        self._at_once: dict[type, AtOnce] = {
            ops.Compute: self._compute_at_once,
            ops.Load: self._load_at_once,
            ops.Store: self._store_at_once,
            ops.Swap: amo,
            ops.AmoAdd: amo,
            ops.AmoOr: amo,
            ops.AmoAnd: amo,
            ops.Fence: self._fence_at_once,
            ops.SpinWhile: self._spin_at_once,
            ops.SetTimer: self._set_timer_at_once,
            ops.ReadTime: self._read_time_at_once,
            ops.PathBegin: self._path_begin_at_once,
            ops.PathWork: self._path_work_at_once,
            ops.PathEnd: self._path_end_at_once,
            ops.Log: self._log_at_once,
        }

    @abstractmethod
    def device_amo(self, op: Any, address: int) -> Steps:
        """An atomic operation at an address of the user-interrupt hardware."""

    def log(self, event: Event) -> None:
        """Append to the event log with this cycle and hart."""
        self.board.log.append(event, cycle=self.env.now, hart=self.index)

    # --- paths ------------------------------------------------------------------------------------

    def _path_rest(self, frame: Frame, leaving: int = 0) -> int:
        path = frame.paths[-1]
        if not path.name:
            return 0
        rest = self._costs[path.name] - path.spent - leaving
        return rest if rest > 0 else 0

    def _path_close(self, frame: Frame) -> None:
        path = frame.paths.pop()
        if not path.name:
            return
        frame.charge(path.spent)
        self.log(PathDone(path.name, path.spent, path.begin))

    def _log_at_once(self, op: ops.Log, frame: Frame) -> bool:
        self.log(op.event)
        return True

    def _path_begin_at_once(self, op: ops.PathBegin, frame: Frame) -> bool:
        frame.paths.append(OpenPath(op.name, self.env.now))
        return True

    def _path_work_at_once(self, op: ops.PathWork, frame: Frame) -> bool:
        rest = self._path_rest(frame, op.leaving)
        if rest:
            if not self.skip(rest):
                return False
            frame.charge(rest)
        return True

    def _path_end_at_once(self, op: ops.PathEnd, frame: Frame) -> bool:
        rest = self._path_rest(frame)
        if rest:
            if not self.skip(rest):
                return False
            frame.charge(rest)
        self._path_close(frame)
        return True

    def _kernel_path_work(self, op: ops.PathWork, frame: Frame) -> Steps:
        rest = self._path_rest(frame, op.leaving)
        if rest:
            yield self.env.timeout(rest)
            frame.charge(rest)

    def _kernel_path_end(self, op: ops.PathEnd, frame: Frame) -> Steps:
        rest = self._path_rest(frame)
        if rest:
            yield self.env.timeout(rest)
            frame.charge(rest)
        self._path_close(frame)

    # --- operations -------------------------------------------------------------------------------

    def _perform(self, op: ops.Op[Any], frame: Frame) -> Steps:
        if isinstance(op, ops.Log):
            self.log(op.event)
            return None
        if isinstance(op, ops.PathBegin):
            frame.paths.append(OpenPath(op.name, self.env.now))
            return None
        perform = self._perform_by_type.get(type(op))
        if perform is None:
            raise OperationFault(f"{type(op).__name__} is not an operation for this privilege")
        return (yield from perform(op, frame))

    def _compute(self, op: ops.Compute, frame: Frame) -> Steps:
        if op.cycles > 0:
            yield self.env.timeout(op.cycles)
            frame.charge(op.cycles)

    def skip(self, cycles: int) -> bool:
        """Let ``cycles`` pass at once, if the running code would spend them in one piece."""
        late = self.deadline is not None and self.deadline < self.env.now + cycles
        return not (late and self.in_user_mode) and self.env.skip(cycles)

    def _compute_at_once(self, op: ops.Compute, frame: Frame) -> bool:
        if op.cycles > 0:
            if not self.skip(op.cycles):
                return False
            frame.charge(op.cycles)
        return True

    def _load_at_once(self, op: ops.Load, frame: Frame) -> bool:
        address = self.translate(op.address, write=False)
        if self.board.is_device(address) or not self.env.skip(self._load_cycles):
            return False
        frame.charge(self._load_cycles)
        frame.value = self.board.memory.load(address)
        return True

    def _load(self, op: ops.Load, frame: Frame) -> Steps:
        address = self.translate(op.address, write=False)
        if self.board.is_device(address):
            return (yield from self.bus(Request(RequestKind.LOAD, address=address)))
        translated = self.board.translated
        yield self.env.timeout(self._load_cycles)
        frame.charge(self._load_cycles)
        if translated != self.board.translated:
            address = self.translate(op.address, write=False)
        return self.board.memory.load(address)

    def load_word(self, address: int, frame: Frame) -> Steps:
        """Load from the user's memory, as part of an instruction."""
        yield self.env.timeout(self._load_cycles)
        frame.charge(self._load_cycles)
        return self.board.memory.load(self.translate(address, write=False))

    def _store(self, op: ops.Store, frame: Frame) -> Steps:
        address = self.translate(op.address, write=True)
        if self.board.is_device(address):
            request = Request(RequestKind.STORE, address=address, data=op.value)
            yield from self.bus(request)
            return
        translated = self.board.translated
        yield self.env.timeout(self._store_cycles)
        frame.charge(self._store_cycles)
        if translated != self.board.translated:  # no store lands behind another hart's sfence.vma
            address = self.translate(op.address, write=True)
        self.board.memory.store(address, op.value)

    def _store_at_once(self, op: ops.Store, frame: Frame) -> bool:
        address = self.translate(op.address, write=True)
        if self.board.is_device(address) or not self.env.skip(self._store_cycles):
            return False
        frame.charge(self._store_cycles)
        self.board.memory.store(address, op.value)
        return True

    def store_word(self, address: int, value: int, frame: Frame) -> Steps:
        """Store to the user's memory, as part of an instruction."""
        yield self.env.timeout(self._store_cycles)
        frame.charge(self._store_cycles)
        self.board.memory.store(self.translate(address, write=True), value)

    def _clear(self, op: ops.Clear, frame: Frame) -> Steps:
        self._supervisor_only("clear")
        cycles = op.size // 8 * self._store_cycles
        yield self.env.timeout(cycles)
        frame.charge(cycles)
        self.board.memory.clear(op.address, op.size)

    @property
    def in_user_mode(self) -> bool:
        """True while it runs code of privilege U."""
        return self._privilege is Privilege.U

    def _supervisor_only(self, what: str) -> None:
        if self.in_user_mode:
            raise OperationFault(f"{what} is an operation of the supervisor")

    def _amo(self, op: ops.Swap | ops.AmoAdd | ops.AmoAnd | ops.AmoOr, frame: Frame) -> Steps:
        address = self.translate(op.address, write=True)
        if self.board.is_device(address):
            return (yield from self.device_amo(op, address))
        translated = self.board.translated
        yield self.env.timeout(self._amo_cycles)
        frame.charge(self._amo_cycles)
        if translated != self.board.translated:
            address = self.translate(op.address, write=True)
        return self._exchange(op, address)

    def _amo_at_once(
        self, op: ops.Swap | ops.AmoAdd | ops.AmoAnd | ops.AmoOr, frame: Frame
    ) -> bool:
        address = self.translate(op.address, write=True)
        if self.board.is_device(address) or not self.env.skip(self._amo_cycles):
            return False
        frame.charge(self._amo_cycles)
        frame.value = self._exchange(op, address)
        return True

    def _exchange(self, op: ops.Swap | ops.AmoAdd | ops.AmoAnd | ops.AmoOr, address: int) -> int:
        memory = self.board.memory
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

    def _fence(self, op: ops.Fence, frame: Frame) -> Steps:
        yield self.env.timeout(self._fence_cycles)
        frame.charge(self._fence_cycles)

    def _fence_at_once(self, op: ops.Fence, frame: Frame) -> bool:
        if not self.env.skip(self._fence_cycles):
            return False
        frame.charge(self._fence_cycles)
        return True

    def _sfence(self, op: ops.SfenceVma, frame: Frame) -> Steps:
        self._supervisor_only("sfence.vma")
        yield self.env.timeout(self._fence_cycles)
        frame.charge(self._fence_cycles)
        self.board.forget_translations(op.address)

    def _kernel_spin(self, op: ops.SpinWhile, frame: Frame) -> Steps:
        memory = self.board.memory
        while memory.load(op.address) == op.value:
            left = None if op.until is None else op.until - self.env.now
            if left is not None and left <= 0:
                break
            changed = self.env.event()
            notify = partial(_succeed, changed)
            memory.watch(op.address, notify)
            yield changed if left is None else changed | self.env.timeout(left)
            memory.unwatch(op.address, notify)
        yield self.env.timeout(self._spin_cycles)

    def _await_ticket(self, op: ops.AwaitTicket, frame: Frame) -> Steps:
        self._supervisor_only("to wait for a ticket")
        memory = self.board.memory
        if memory.load(op.address) != op.ticket:
            served = self.env.event()
            memory.await_word(op.address, op.ticket, partial(_succeed, served))
            yield served
        yield self.env.timeout(self._spin_cycles)
        yield self.env.timeout(self._load_cycles)
        frame.charge(self._load_cycles * (op.ticket - op.seen))

    def _spin_at_once(self, op: ops.SpinWhile, frame: Frame) -> bool:
        address = self.translate(op.address, write=False)
        return self.board.memory.load(address) != op.value and self.env.skip(self._spin_cycles)

    def _send_ipi(self, op: ops.SendIpi, frame: Frame) -> Steps:
        if self._privilege is Privilege.U:
            raise OperationFault("an interrupt to another hart is sent by the kernel")
        yield self.env.timeout(self._ipi_cycles)
        frame.charge(self._ipi_cycles)
        self.board.interrupt(op.hart)

    def _set_timer(self, op: ops.SetTimer, frame: Frame) -> Steps:
        if self._privilege is Privilege.U:
            raise OperationFault("stimecmp is a supervisor register")
        yield self.env.timeout(1)
        frame.charge(1)
        self.deadline = op.deadline

    def _set_timer_at_once(self, op: ops.SetTimer, frame: Frame) -> bool:
        if self.in_user_mode or not self.env.skip(1):
            return False
        frame.charge(1)
        self.deadline = op.deadline
        return True

    def _read_time(self, op: ops.ReadTime, frame: Frame) -> Steps:
        yield self.env.timeout(1)
        frame.charge(1)
        return self.env.now

    def _read_time_at_once(self, op: ops.ReadTime, frame: Frame) -> bool:
        if not self.env.skip(1):
            return False
        frame.charge(1)
        frame.value = self.env.now
        return True

    # --- the device -------------------------------------------------------------------------------

    def _set_privilege(self, privilege: Privilege) -> None:
        self._privilege = privilege
        self.board.set_privilege(self.index, privilege)

    def request(self, request: Request) -> Generator[simpy.Event, Response, Response]:
        """Make one request of the hart unit and wait for the answer."""
        return (yield self.board.submit(self.index, request))

    def bus(self, request: Request) -> Generator[simpy.Event, Any, int]:
        """Make one memory request; returns the word read, or raises an access fault."""
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
        page = self.board.translate(self._root, address >> sv39.PAGE_BITS)
        if page is None or not page[1] & (sv39.PTE.W if write else sv39.PTE.R):
            raise OperationFault(
                f"page fault at {address:#x} ({'store' if write else 'load'})",
                STORE_PAGE_FAULT if write else LOAD_PAGE_FAULT,
                address,
            )
        return page[0] | address & ((1 << sv39.PAGE_BITS) - 1)

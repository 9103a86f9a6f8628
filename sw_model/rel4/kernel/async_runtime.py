"""The kernel's side of asynchronous system calls: handler coroutines and who runs them when."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rel4.abi.coroutine import Poll, Suspend, Task
from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.abi.syscall_buffer import BufferError, Item, SyscallBuffer
from rel4.machine.events import AsyncHandled, Fault, TaskRun
from rel4.machine.ops import Log, Path

from . import tcb as tcb_invocations
from . import vspace
from .capability import Capability, CNodeCap, Rights
from .cspace import lookup_cap
from .errors import InvocationError
from .objects import TCB

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .kernel import Kernel

__all__ = ["ASYNC_CALLS", "AsyncRuntime", "HandlerTask", "Policy"]


@dataclass(eq=False)
class HandlerTask:
    """A handler coroutine: the buffer it serves, whose requests they are, and how to answer.

    ``entry`` is the index in the kernel's sender table that wakes the owner's receiver coroutine.
    ``closed``: it has ended, and is not woken any more.
    """

    cid: int
    tcb: TCB
    buffer: SyscallBuffer
    entry: int
    coroutine: Task | None = None
    ready: bool = False
    closed: bool = False


class Policy(Protocol):
    """Where and when the kernel runs handler coroutines."""

    name: str

    async def on_wake(self, kernel: "Kernel", hart: "Hart", task: HandlerTask) -> None:
        """A user woke ``task`` by WakeSyscallHandler on ``hart``; it is in the ready queue."""
        ...

    async def on_tick(self, kernel: "Kernel", hart: "Hart") -> None:
        """A timer tick of ``hart``, before the scheduler's own."""
        ...


class AsyncRuntime:
    """One executor for the kernel, protected by the big kernel lock: a FIFO of ready handlers."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._ready: deque[HandlerTask] = deque()
        self.tasks: list[HandlerTask] = []

    def spawn(self, tcb: TCB, buffer: SyscallBuffer, entry: int) -> HandlerTask:
        """A new handler coroutine, ready to run."""
        task = HandlerTask(len(self.tasks), tcb, buffer, entry)
        self.tasks.append(task)
        self.wake(task)
        return task

    def wake(self, task: HandlerTask) -> None:
        """Make a handler ready; nothing happens if it is, or has ended."""
        if not task.ready and not task.closed:
            task.ready = True
            self._ready.append(task)

    async def run_ready(self, hart: "Hart") -> None:
        """Run every ready handler until it suspends."""
        while self._ready:
            task = self._ready.popleft()
            task.ready = False
            if task.closed:
                continue
            await Log(TaskRun("kernel", task.cid))
            self._hart = hart
            if task.coroutine is None:
                task.coroutine = self._serve_for_ever(task)
            task.closed = await Poll(task.coroutine)

    async def deregister(self, task: HandlerTask, hart: "Hart") -> None:
        """Stop serving a buffer, while its user goes on: what is in the request ring is answered
        as cancelled, what comes later the user takes back itself (`SyscallBuffer.closing`).

        To be called on ``hart`` with the big lock held, so that the handler is suspended and no
        request is half served.
        """
        if task.closed:
            return
        task.closed = True
        if task.coroutine is not None:
            task.coroutine.close()
        buffer = task.buffer
        await buffer.close_begin()
        try:
            for _ in range(buffer.capacity):
                request = await buffer.requests.take(0)
                if request is None:
                    break
                await self._check_room(buffer)
                code = SeL4Error.CANCELLED
                await Log(AsyncHandled(request.cid, _label_name(request.label), code.name))
                await buffer.replies.put(Item(request.cid, request.label, code))
                if await buffer.receiver_online.claim():
                    await self._kernel.uintr.send(hart.index, task.entry)
        except BufferError as error:
            await Log(Fault(task.tcb.name, f"syscall buffer: {error}"))
        await buffer.close_end()

    async def _serve_for_ever(self, task: HandlerTask) -> None:
        try:
            while True:
                await self._drain(task)
                if await task.buffer.handler_online.retire(task.buffer.requests):
                    await Suspend()
        except BufferError as error:
            await Log(Fault(task.tcb.name, f"syscall buffer: {error}"))

    async def _drain(self, task: HandlerTask) -> None:
        """Serve the requests that are there; bounded by the ring's capacity."""
        buffer = task.buffer
        for _ in range(buffer.capacity):
            if await buffer.requests.count() == 0:
                return
            async with Path("kernel.async_call"):
                request = await buffer.requests.take()
                assert request is not None  # this side alone takes from the ring
                await self._check_room(buffer)
                reply = await self._serve(task.tcb, request)
                label, error = _label_name(request.label), SeL4Error(reply.error).name
                await Log(AsyncHandled(request.cid, label, error))
                await buffer.replies.put(reply)
                wake = await buffer.receiver_online.claim()
            if wake:
                await self._kernel.uintr.send(self._hart.index, task.entry)

    async def _check_room(self, buffer: SyscallBuffer) -> None:
        """Raise BufferError if there is no room for the reply to a request that was just taken.

        The user takes a reply before it puts a request in its stead, so this look must come after
        the fence in `Ring.take`: an earlier one may still see the ring full.
        """
        if await buffer.replies.full():
            raise BufferError("the reply ring is full: more requests than the user has room for")

    async def _serve(self, tcb: TCB, request: Item) -> Item:
        try:
            call = ASYNC_CALLS.get(request.label)
            if call is None:
                raise InvocationError(
                    SeL4Error.ILLEGAL_OPERATION, f"{_label_name(request.label)} is not asynchronous"
                )
            words = await call(self._kernel, tcb, request.words)
        except InvocationError as error:
            return Item(request.cid, request.label, error.code)
        return Item(request.cid, request.label, SeL4Error.NO_ERROR, words)


def _label_name(label: int) -> str:
    return AsyncLabel(label).name if label in AsyncLabel.__members__.values() else str(label)


Words = tuple[int, ...]


def _root(tcb: TCB) -> CNodeCap | None:
    return tcb.cspace


def _cap(tcb: TCB, cptr: int) -> Capability:
    return lookup_cap(_root(tcb), cptr).cap


async def _put_char(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    kernel.put_char(words[0])
    return ()


async def _page_table_map(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    table, space, virtual, _attributes = words[:4]
    await vspace.page_table_map(lookup_cap(_root(tcb), table), _cap(tcb, space), virtual)
    return ()


async def _page_table_unmap(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    await vspace.page_table_unmap(lookup_cap(_root(tcb), words[0]))
    return ()


async def _page_map(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    frame, space, virtual, rights, attributes = words[:5]
    slot = lookup_cap(_root(tcb), frame)
    await vspace.page_map(slot, _cap(tcb, space), virtual, Rights.from_word(rights), attributes)
    return ()


async def _page_unmap(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    await vspace.page_unmap(lookup_cap(_root(tcb), words[0]))
    return ()


async def _page_get_address(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    return (vspace.page_get_address(lookup_cap(_root(tcb), words[0])),)


async def _bind_notification(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    tcb_invocations.bind_notification(_cap(tcb, words[0]), _cap(tcb, words[1]))
    return ()


async def _unbind_notification(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    tcb_invocations.unbind_notification(_cap(tcb, words[0]))
    return ()


ASYNC_CALLS: dict[int, Callable[["Kernel", TCB, Words], Awaitable[Words]]] = {
    AsyncLabel.PUT_CHAR: _put_char,
    AsyncLabel.RISCV_PAGE_TABLE_MAP: _page_table_map,
    AsyncLabel.RISCV_PAGE_TABLE_UNMAP: _page_table_unmap,
    AsyncLabel.RISCV_PAGE_MAP: _page_map,
    AsyncLabel.RISCV_PAGE_UNMAP: _page_unmap,
    AsyncLabel.RISCV_PAGE_GET_ADDRESS: _page_get_address,
    AsyncLabel.TCB_BIND_NOTIFICATION: _bind_notification,
    AsyncLabel.TCB_UNBIND_NOTIFICATION: _unbind_notification,
}
"""Calls that can be made asynchronously. They run the very functions that synchronous invocations
run; only where arguments come from differs."""

"""The kernel's side of asynchronous system calls: handler coroutines and who runs them when."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    from .policies import Policy

__all__ = ["ASYNC_CALLS", "AsyncRuntime", "HandlerTask"]


@dataclass(eq=False)
class HandlerTask:
    """A handler coroutine: the buffer it serves, whose requests they are, and how to answer.

    ``entry`` is the index in the kernel's sender table that wakes the owner's receiver coroutine;
    ``hart`` is where the handler runs or ran last.
    """

    cid: int
    tcb: TCB
    buffer: SyscallBuffer
    entry: int
    policy: "Policy"
    coroutine: Task | None = None
    hart: "Hart | None" = None
    ready: bool = False


class AsyncRuntime:
    """One executor for the kernel, protected by the big kernel lock."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self.tasks: list[HandlerTask] = []

    def spawn(self, tcb: TCB, buffer: SyscallBuffer, entry: int, policy: "Policy") -> HandlerTask:
        """A new handler coroutine, ready to run."""
        task = HandlerTask(len(self.tasks), tcb, buffer, entry, policy)
        self.tasks.append(task)
        self.wake(task)
        return task

    def wake(self, task: HandlerTask) -> None:
        """Make a handler ready; nothing happens if it is."""
        if not task.ready:
            task.ready = True
            task.policy.ready.append(task)

    async def run_ready(self, policy: "Policy", hart: "Hart") -> None:
        """Run every ready handler of ``policy`` until it suspends."""
        while policy.ready:
            task = policy.ready.popleft()
            task.ready = False
            task.hart = hart
            await Log(TaskRun("kernel", task.cid))
            if task.coroutine is None:
                task.coroutine = self._serve_for_ever(task)
            await Poll(task.coroutine)

    async def _serve_for_ever(self, task: HandlerTask) -> None:
        flag, requests = task.buffer.handler_online, task.buffer.requests
        try:
            while True:
                if await self._drain(task):
                    if await task.policy.linger(self._kernel, task):
                        continue
                    sleeps = await flag.retire(requests)
                else:
                    # Out of budget. The handler stays ready for the policy's next occasion, and a
                    # thread that waits for the rest can wake it sooner.
                    await flag.clear()
                    self.wake(task)
                    sleeps = True
                if sleeps:
                    await Suspend()
        except BufferError as error:
            await Log(Fault(task.tcb.name, f"syscall buffer: {error}"))

    async def _drain(self, task: HandlerTask) -> bool:
        """Serve the requests that are there, at most the policy's budget and never more than the
        ring holds. True: the ring was found empty."""
        buffer = task.buffer
        for _ in range(task.policy.budget(task) or buffer.capacity):
            if await buffer.requests.count() == 0:
                return True
            if await buffer.replies.full():
                raise BufferError(
                    "the reply ring is full: more requests than the user has room for"
                )
            async with Path("kernel.async_call"):
                request = await buffer.requests.take()
                assert request is not None  # this side alone takes from the ring
                reply = await self._serve(task.tcb, request)
                label, error = _label_name(request.label), SeL4Error(reply.error).name
                await Log(AsyncHandled(request.cid, label, error))
                await buffer.replies.put(reply)
                wake = await buffer.receiver_online.claim()
            if wake:
                assert task.hart is not None  # it runs
                await self._kernel.uintr.send(task.hart.index, task.entry)
            if task.policy.preemptible:
                await self._kernel.lock.pass_on()
        return await buffer.requests.count() == 0

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

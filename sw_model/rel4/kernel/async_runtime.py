"""The kernel's side of asynchronous system calls: handler coroutines and who runs them when."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rel4.abi.coroutine import Poll, Suspend, Task
from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.abi.syscall_buffer import PUBLISH_CYCLES, BufferError, Item, SyscallBuffer
from rel4.machine.events import AsyncHandled, Fault, TaskRun
from rel4.machine.ops import Log, Path

from .capability import Slot
from .errors import InvocationError, Preempted
from .harts import Harts
from .objects import TCB
from .uintr import UserInterrupts
from .uintr_entries import SenderEntry

__all__ = ["LOOKS", "AsyncRuntime", "HandlerTask", "Policy", "Words", "label_name"]

Words = tuple[int, ...]
Serve = Callable[[TCB, int, Words], Awaitable[Words]]
"""Serves one request of a thread: label and words; returns the words of the reply."""
LOOKS = 16
"""How often one activation looks again after it found the ring empty. A user who keeps changing its
indices just then gets no more of the kernel's time, however fast it is."""


def label_name(label: int) -> str:
    """The name of an asynchronous call's label, or its number where it is none."""
    return AsyncLabel(label).name if label in AsyncLabel.__members__.values() else str(label)


@dataclass(eq=False)
class HandlerTask:
    """A handler coroutine: the buffer it serves, whose requests they are, and how to answer.

    ``entry``, of the kernel's sender table, wakes the owner's receiver coroutine; ``hart`` is where
    the handler runs or ran last. ``over``: it stopped with work left. ``closed``: it has ended, and
    is not woken any more. ``siblings`` are further handlers of the same buffer. ``slots`` hold the
    capabilities that it depends on. ``unfinished`` is a request that was preempted, and begins
    again.
    """

    cid: int
    tcb: TCB
    buffer: SyscallBuffer
    entry: SenderEntry
    policy: "Policy"
    runtime: "AsyncRuntime"
    coroutine: Task | None = None
    hart: int | None = None
    ready: bool = False
    running: bool = False
    again: bool = False
    over: bool = False
    closed: bool = False
    sender: SenderEntry | None = None
    siblings: "list[HandlerTask]" = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    unfinished: Item | None = None

    def depend(self, *slots: Slot) -> None:
        """The handler is its thread's from now on, and ends with any of these capabilities or with
        the user interrupts by which it answers."""
        self.tcb.attached.append(self)
        self.entry.attached.append(self)
        self.slots.extend(slots)
        for slot in slots:
            slot.attached.append(self)

    async def detach(self) -> None:
        """The thread, its buffer or what it is answered by goes: serve no more requests, and give
        everything back. The next handler of this buffer is not thought to be awake."""
        if self.closed:
            return
        self.closed = True
        await self.buffer.handler_online.clear()
        await self.release()

    async def release(self) -> None:
        """Undo what made the handler; it is ``closed``."""
        for sibling in self.siblings:
            if not sibling.closed:
                sibling.closed = True
                await sibling.release()
        if self.ready:
            self.ready = False
            self.policy.ready.remove(self)
        self.policy.forget(self)
        self.runtime.tasks.remove(self)
        for attached in (self.tcb.attached, self.entry.attached):
            if self in attached:
                attached.remove(self)
        for slot in self.slots:
            if self in slot.attached:
                slot.attached.remove(self)
        await self.entry.detach()
        if self.sender is not None:
            await self.sender.detach()

    def moved(self, slot: Slot) -> None:
        """A capability that the handler depends on is in another slot."""
        self.slots = [slot, *(other for other in self.slots if self in other.attached)]


class Policy:
    """Base of all policies: handlers that are woken wait for an occasion, and none comes.

    Members
    -------
    name : as on the command line
    preemptible : between two requests, harts that wait for the kernel go first
    keeps_time : a client's calls cost a thread of higher priority, or another client, no more than
        a bounded part of its time. The published policies do not promise that
    ready : handlers that were woken, first come first served
    """

    name = "never"
    preemptible = False
    keeps_time = False

    def __init__(self) -> None:
        self.ready: deque[HandlerTask] = deque()

    async def register(self, runtime: "AsyncRuntime", task: HandlerTask) -> int | None:
        """A buffer chose this policy. Returns the operand of the UIPI SEND that wakes the handler,
        or None: it is woken by the WakeSyscallHandler trap.

        Raises
        ------
        InvocationError : the policy cannot serve this buffer, on this hardware or any more.
        """
        return None

    def forget(self, task: HandlerTask) -> None:
        """The handler has ended, or was never quite registered."""

    def kept(self) -> list[HandlerTask]:
        """The handlers that it knows, for inspection: none that has ended."""
        return list(self.ready)

    async def on_wake(self, runtime: "AsyncRuntime", task: HandlerTask) -> None:
        """WakeSyscallHandler made ``task`` ready, by a trap on this hart."""

    async def on_tick(self, runtime: "AsyncRuntime") -> None:
        """A timer tick of this hart, before the scheduler's own."""

    async def on_ipi(self, runtime: "AsyncRuntime") -> None:
        """Another hart interrupted this one."""

    async def on_signal(self, runtime: "AsyncRuntime", vectors: int) -> None:
        """User interrupts were posted to the kernel on this hart: one bit a vector."""

    def budget(self, task: HandlerTask) -> int | None:
        """Requests that the handler serves at a time before it lets go of its hart; None: all."""
        return None

    def gives_way(self, runtime: "AsyncRuntime", task: HandlerTask, served: int) -> bool:
        """After ``served`` requests of this activation: others go first now, and the rest waits."""
        return False

    async def on_idle(self, hart: int, idle: bool) -> None:
        """``hart`` begins (or ends) to have no thread to run."""

    async def on_backlog(self, runtime: "AsyncRuntime", task: HandlerTask, waiting: int) -> None:
        """``task`` is about to serve one of ``waiting`` requests."""

    async def linger(self, runtime: "AsyncRuntime", task: HandlerTask) -> bool:
        """The handler found no request and is about to sleep. True: it looks again instead."""
        return False


class AsyncRuntime:
    """One executor for the kernel, protected by the big kernel lock.

    Parameters
    ----------
    harts : who is here
    uintr : what wakes users, and handlers
    serve : serves a request

    Members
    -------
    tasks : handlers that have not ended
    """

    def __init__(self, harts: Harts, uintr: UserInterrupts, serve: Serve) -> None:
        self.harts = harts
        self.uintr = uintr
        self._serve_request = serve
        self.tasks: list[HandlerTask] = []
        self._made = 0

    def spawn(
        self,
        tcb: TCB,
        buffer: SyscallBuffer,
        entry: SenderEntry,
        policy: Policy,
        *,
        ready: bool = True,
    ) -> HandlerTask:
        """A new handler coroutine, ready to run or suspended."""
        task = HandlerTask(self._made, tcb, buffer, entry, policy, self)
        self._made += 1
        self.tasks.append(task)
        if ready:
            self.wake(task)
        return task

    def wake(self, task: HandlerTask) -> None:
        """Make a handler ready; nothing happens if it is, or has ended.

        A handler that runs may have let another hart into the kernel: it is made ready when it
        suspends, because a coroutine can run on one hart only.
        """
        if task.closed:
            return
        if task.running:
            task.again = True
        elif not task.ready:
            task.ready = True
            task.policy.ready.append(task)

    async def run_ready(
        self, policy: Policy, mine: Callable[[HandlerTask], bool] | None = None
    ) -> None:
        """Run the ready handlers of ``policy``, or those of them that are ``mine``, until each has
        suspended: by the priority of their threads, first come first served within one. A handler
        that is woken meanwhile runs too, but what a budget leaves over waits for the next
        occasion."""
        done: list[HandlerTask] = []
        while True:
            task = max(
                (t for t in policy.ready if t not in done and (not mine or mine(t))),
                key=lambda ready: ready.tcb.priority,  # the first of the most urgent
                default=None,
            )
            if task is None:
                return
            policy.ready.remove(task)
            done.append(task)
            task.ready = False
            if task.closed:
                continue
            task.hart = self.harts.here
            await Log(TaskRun("kernel", task.cid))
            if task.coroutine is None:
                task.coroutine = self._serve_for_ever(task)
            task.running = True
            ended = await Poll(task.coroutine)
            task.running = False
            if ended:
                await task.detach()
            if task.again and not task.over:
                done.remove(task)
            if task.again or task.over:
                task.again = task.over = False
                self.wake(task)

    async def deregister(self, task: HandlerTask) -> None:
        """Stop serving a buffer, while its user goes on: what is in the request ring is answered
        as cancelled, what comes later the user takes back itself (`SyscallBuffer.closing`).

        To be called with the big lock held, while the handler is suspended, so that no
        request is half served.

        Raises
        ------
        InvocationError : the handler is at work on another hart, which let this one in.
        """
        if task.running:
            raise InvocationError(SeL4Error.ILLEGAL_OPERATION, "the handler is at work")
        if task.closed:
            return
        task.closed = True
        if task.coroutine is not None:
            task.coroutine.close()
        buffer = task.buffer
        await buffer.close_begin()
        try:
            for _ in range(buffer.capacity + 1):
                request, task.unfinished = task.unfinished or await buffer.requests.take(0), None
                if request is None:
                    break
                await self._check_room(buffer)
                code = SeL4Error.CANCELLED
                label = label_name(request.label)
                await Log(AsyncHandled(request.cid, label, code.name, task.tcb.name))
                await buffer.replies.put(Item(request.cid, request.label, code))
                if await buffer.receiver_online.claim():
                    await self.uintr.send(task.entry)
        except BufferError as error:
            await Log(Fault(task.tcb.name, f"syscall buffer: {error}"))
        await buffer.close_end()
        await task.release()

    async def _serve_for_ever(self, task: HandlerTask) -> None:
        try:
            while True:
                await self._activation(task)
                if task.closed:
                    return
                await Suspend()
        except BufferError as error:
            await Log(Fault(task.tcb.name, f"syscall buffer: {error}"))

    async def _activation(self, task: HandlerTask) -> None:
        """Serve requests until there are none, or for as long as one activation may take."""
        flag, requests = task.buffer.handler_online, task.buffer.requests
        for _ in range(LOOKS):
            drained = await self._drain(task)
            if task.closed:
                return
            if not drained:
                break
            if await task.policy.linger(self, task):
                continue
            if task.closed or await flag.retire(requests):
                return
        # The handler stays ready for the policy's next occasion.
        task.over = True
        if task.policy.budget(task) is not None:
            await flag.clear()  # a thread that waits for the rest can wake it sooner

    async def _drain(self, task: HandlerTask) -> bool:
        """Serve the requests that are there, at most the policy's budget and never more than the
        ring holds. True: the ring was found empty."""
        buffer = task.buffer
        for served in range(task.policy.budget(task) or buffer.capacity):
            waiting = await buffer.requests.count()
            if waiting and served and task.policy.preemptible:
                await self.harts.pass_on()
                if task.closed:
                    return True
                waiting = await buffer.requests.count()  # another handler may have been here
            if waiting == 0 and task.unfinished is None:
                return True
            if served and task.policy.gives_way(self, task, served):
                return False
            await task.policy.on_backlog(self, task, waiting)
            async with Path("kernel.async_call") as path:
                request, task.unfinished = task.unfinished or await buffer.requests.take(), None
                if request is None:  # the user took its own index back since the count
                    return True
                await self._check_room(buffer)
                reply = await self._serve(task, request)
                if task.closed:  # by this very request
                    return True
                if reply is None:
                    task.unfinished = request
                    return False
                label, error = label_name(request.label), SeL4Error(reply.error).name
                await path.work(leaving=PUBLISH_CYCLES)
                await Log(AsyncHandled(request.cid, label, error, task.tcb.name))
                await buffer.replies.put(reply)
                wake = await buffer.receiver_online.claim()
            if wake:
                await self.uintr.send(task.entry)
        return await buffer.requests.count() == 0

    async def _check_room(self, buffer: SyscallBuffer) -> None:
        """Raise BufferError if there is no room for the reply to a request that was just taken.

        The user takes a reply before it puts a request in its stead, so this look must come after
        the fence in `Ring.take`: an earlier one may still see the ring full.
        """
        if await buffer.replies.full():
            raise BufferError("the reply ring is full: more requests than the user has room for")

    async def _serve(self, task: HandlerTask, request: Item) -> Item | None:
        """The reply; None if the call was preempted, and begins again at the next occasion."""
        error = SeL4Error.NO_ERROR
        try:
            with self.harts.preemptible():
                words = await self._serve_request(task.tcb, request.label, request.words)
        except Preempted:
            return None
        except InvocationError as failure:
            error, words = failure.code, failure.details
        return Item(request.cid, request.label, error, words)

"""Asynchronous system calls: submit coroutines on one side, replies on the other.

Two ways to bring replies to their coroutines:

* *published*: a receiver coroutine, woken by the user interrupt, takes replies and puts their
  owners into the executor's queues. Every submission looks whether the kernel must be woken.
* *direct*: the executor itself, when no coroutine is ready, takes the next reply and resumes its
  owner at once: no queue between. Submissions are announced to the kernel in batches, at the latest
  when the thread has nothing else to do. Only a thread that finds no reply either polls for a
  bounded time, then sleeps and is woken by a user interrupt.
"""

from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from rel4.abi.coroutine import Suspend
from rel4.abi.numbers import ASYNC_INVOCATIONS, AsyncLabel, Invocation, SeL4Error
from rel4.abi.syscall_buffer import PUBLISH_CYCLES, STRING_BYTES, Item, SyscallBuffer
from rel4.machine.events import AsyncHandled, AsyncReplied, AsyncSubmitted
from rel4.machine.ops import Fence, Load, Log, Path, ReadTime, SpinWhile

from .calls import Answer, ObjectCalls
from .executor import Executor, Handed
from .syscalls import SystemCalls

__all__ = ["ASYNC_FORMS", "AsyncSyscalls", "Meter", "Style"]

T = TypeVar("T")

ASYNC_FORMS = {int(invocation): label for label, (invocation, _) in ASYNC_INVOCATIONS.items()}
"""Labels of asynchronous calls by invocation."""


@dataclass(frozen=True)
class Style:
    """How the user's side of a buffer works.

    Parameters
    ----------
    direct : replies are handed to their coroutines without a receiver coroutine
    batch : submissions after which the kernel is told at the latest; it is told earlier when no
        coroutine is ready, and, where it can be told without a trap, when half of what is
        outstanding is new to it: sooner it is still at work, later it would wait
    adaptive : each call site chooses between synchronous and asynchronous calls, and each wake-up
        between a user interrupt, while the kernel's helper is idle, and a trap
    poll_cycles : how long to look for a reply before sleeping
    """

    direct: bool = False
    batch: int = 1
    poll_cycles: int = 0
    adaptive: bool = False


@dataclass
class Meter:
    """What asynchronous calls cost their thread: cycles in this module's code, with wake-up traps
    and waiting for replies, without what the coroutines do themselves.

    Submitting and taking replies are counted apart, so that the sum of their means is right while
    many calls are on their way too.

    Members
    -------
    taken : replies that were taken and handed over
    """

    taken: int = 0
    _submitted: int = 0
    _submitting: int = 0
    _taking: int = 0

    def submitted(self, cycles: int) -> None:
        """One call was submitted."""
        self._submitted += 1
        self._submitting += cycles

    def took(self, cycles: int) -> None:
        """One reply was found and taken."""
        self.taken += 1
        self._taking += cycles

    def resumed(self, cycles: int) -> None:
        """Its coroutine has it."""
        self._taking += cycles

    @property
    def cost(self) -> float:
        """Cycles per call; there must have been one."""
        return self._submitting / self._submitted + self._taking / self.taken


class AsyncSyscalls(ObjectCalls):
    """Asynchronous calls of the coroutines of ``executor`` through one syscall buffer.

    Calls on their way, from the request to the reply being taken, use at most as many slots as a
    ring has: so the kernel finds room for every reply, and the request ring is never full.

    Parameters
    ----------
    thread : name in the event log

    Members
    -------
    sender : operand of the send that wakes the kernel's handler; None: it is woken by a trap
    executor : whose coroutines make the calls
    outstanding : requests without a reply
    meter : measures what calls cost, where there is one
    """

    def __init__(
        self,
        executor: Executor,
        kernel: SystemCalls,
        buffer: SyscallBuffer,
        style: Style,
        *,
        thread: str = "root",
    ) -> None:
        self._thread = thread
        self.executor = executor
        self._kernel = kernel
        self._buffer = buffer
        self._style = style
        self._waiting_for_room: deque[Item] = deque()
        self._unannounced = 0
        self._slots: dict[int, int] = {}
        self._slots_in_use = 0
        self._idle_since = 0
        self.outstanding = 0
        self.meter: Meter | None = None
        self.sender: int | None = None

    # --- submission -------------------------------------------------------------------------------

    async def call(self, label: AsyncLabel, *words: int) -> Answer:
        """Submit one call from the running coroutine and wait for its answer.

        While as many calls are on their way as there may be, the coroutine waits for room; others
        go on. Room is given in order of arrival: no small call overtakes a large one that waits.
        The error is CANCELLED if the kernel deregisters the buffer, or has done so.
        """
        item = Item(self.executor.current, label, words=words)
        if item.slots > self._buffer.capacity:
            raise ValueError(
                f"{label.name} must be sent through a ring of at least {item.slots} items, "
                f"not {self._buffer.capacity}"
            )
        waiting, cycles = self._waiting_for_room, 0
        submitted = False
        if not waiting:
            submitted, cycles = await self._timed(self._submit(item))
        if not submitted:
            waiting.append(item)
            while not submitted:
                await Suspend()
                submitted, cycles = await self._timed(self._submit(item))
            waiting.popleft()  # it was the first: nobody else was woken
            self._admit()
        if self.meter is not None:
            self.meter.submitted(cycles)
        reply: Item = await Suspend()
        answer, cycles = await self._timed(self._resume(reply))
        if self.meter is not None:
            self.meter.resumed(cycles)
        return answer

    async def _resume(self, reply: Item) -> Answer:
        async with Path("user.resume"):
            padded = (*reply.words, 0, 0, 0, 0)
            return Answer(SeL4Error(reply.error), (padded[0], padded[1], padded[2], padded[3]))

    async def _timed(self, work: Coroutine[Any, Any, T]) -> tuple[T, int]:
        """What ``work`` returns, and its cycles where there is a meter."""
        if self.meter is None:
            return await work, 0
        begin = await ReadTime()
        result = await work
        return result, await ReadTime() - begin

    async def _submit(self, item: Item) -> bool:
        async with Path("user.fill_and_send") as path:
            if self._slots_in_use + item.slots > self._buffer.capacity:
                return False
            # Logged first: a timer tick may have it handled right after it was published.
            await Log(AsyncSubmitted(item.cid, AsyncLabel(item.label).name, self._thread))
            self.outstanding += 1
            self._slots[item.cid] = item.slots
            self._slots_in_use += item.slots
            await path.work(leaving=PUBLISH_CYCLES)
            await self._buffer.requests.put(item)
            self._unannounced += 1
            due = self._unannounced >= self._style.batch or (
                2 * self._unannounced >= self.outstanding and await self._helped()
            )
            wake = due and await self._claim()
            if not due:
                await Fence("rw,rw")  # as in the claim: put before looking whether it is closing
            closing = await self._buffer.closing()
        if closing:
            await self._withdraw()
        elif wake:
            await self._wake()
        return True

    async def _withdraw(self) -> None:
        """The kernel serves no more: answer what it left in the request ring as cancelled."""
        await self._buffer.closed()
        error = SeL4Error.CANCELLED
        while (request := await self._buffer.requests.take(0)) is not None:
            label = AsyncLabel(request.label).name
            await Log(AsyncHandled(request.cid, label, error.name, self._thread))
            self._settle(request.cid)
            self.executor.wake(request.cid, Item(request.cid, request.label, error))
            await Log(AsyncReplied(request.cid, self._thread))

    async def _claim(self) -> bool:
        self._unannounced = 0
        return await self._buffer.handler_online.claim()

    async def _helped(self) -> bool:
        """True if the kernel can be told without a trap, and by a hart that has time for it."""
        if self.sender is None:
            return False
        return not self._style.adaptive or bool(await Load(self._buffer.helper_idle))

    async def _wake(self) -> None:
        if self.sender is not None and await self._helped():
            await self.executor.interrupts.send(self.sender)
        else:
            await self._kernel.wake_syscall_handler()

    # --- replies ----------------------------------------------------------------------------------

    async def _take(self) -> Item:
        async with Path("user.get_reply"):
            reply = await self._buffer.replies.take()
        assert reply is not None  # this side alone takes from the ring
        self._settle(reply.cid)
        return reply

    def _settle(self, cid: int) -> None:
        """A call of ``cid`` is over: whoever waits for room tries again."""
        self.outstanding -= 1
        self._slots_in_use -= self._slots.pop(cid, 0)
        self._admit()

    def _admit(self) -> None:
        """Whoever waits for room longest tries again, if there is enough for it."""
        if self._waiting_for_room:
            first = self._waiting_for_room[0]
            if self._slots_in_use + first.slots <= self._buffer.capacity:
                self.executor.wake(first.cid)

    async def receive(self) -> None:
        """The receiver coroutine (published): hand each reply to the coroutine that waits."""
        replies = self._buffer.replies
        while True:
            while await replies.count():
                reply = await self._take()
                async with Path("user.wake"):
                    self.executor.wake(reply.cid, reply)
                await Log(AsyncReplied(reply.cid, self._thread))
            if await self._buffer.receiver_online.retire(replies):
                await Suspend()

    async def next_reply(self) -> Handed | None:
        """The executor's `on_idle` (direct): the next reply with its owner; None: go to sleep."""
        if self.meter is None:
            return await self._next_reply()
        begin = self._idle_since or await ReadTime()
        handed = await self._next_reply()
        # Sleep is waiting too: it is counted when the thread is back.
        self._idle_since = begin if handed is None and self.outstanding else 0
        if handed is not None:
            self.meter.took(await ReadTime() - begin)
        return handed

    async def _next_reply(self) -> Handed | None:
        await Path("user.look").spend()
        replies = self._buffer.replies
        while True:
            if await replies.count():
                reply = await self._take()
                await Log(AsyncReplied(reply.cid, self._thread))
                return reply.cid, reply
            if not self.outstanding:
                return None
            # Whoever waits must be sure that the kernel knows of every request.
            if await self._claim():
                await self._wake()
                continue
            if self._style.poll_cycles and await self._poll():
                continue
            if await self._buffer.receiver_online.retire(replies):
                return None

    async def _poll(self) -> bool:
        """Look for a reply for a bounded time; True if one came."""
        replies = self._buffer.replies
        until = await ReadTime() + self._style.poll_cycles
        await SpinWhile(replies.tail, await replies.last_taken(), until)
        return await replies.count() > 0

    # --- calls ------------------------------------------------------------------------------------

    async def invoke(
        self, cap: int, label: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> Answer:
        """One invocation of a kernel object.

        Raises
        ------
        ValueError : this invocation cannot be made asynchronously.
        """
        found = ASYNC_FORMS.get(label)
        if found is None:
            names = ", ".join(Invocation(known).name for known in ASYNC_FORMS)
            raise ValueError(f"invocation must be one of {names}, not {label!r}")
        return await self.call(found, cap, *caps, *words)

    async def put_char(self, character: str) -> SeL4Error:
        """PutChar."""
        return (await self.call(AsyncLabel.PUT_CHAR, ord(character))).error

    async def put_string(self, text: str) -> SeL4Error:
        """PutString, of any length: as many requests as it takes, one after the other."""
        data = text.encode("latin-1", "replace")
        for begin in range(0, len(data), STRING_BYTES):
            part = data[begin : begin + STRING_BYTES]
            words = [int.from_bytes(part[at : at + 8], "little") for at in range(0, len(part), 8)]
            error = (await self.call(AsyncLabel.PUT_STRING, len(part), *words)).error
            if error is not SeL4Error.NO_ERROR:
                return error
        return SeL4Error.NO_ERROR

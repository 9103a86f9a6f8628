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
from dataclasses import dataclass

from rel4.abi.coroutine import Suspend
from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.machine.events import AsyncReplied, AsyncSubmitted
from rel4.machine.ops import Load, Log, Path, ReadTime, SpinWhile, Uipi
from uintr.registers import UipiFunction

from .executor import Executor, Handed
from .syscalls import READ_WRITE, Answer, Kernel

__all__ = ["AsyncSyscalls", "Style"]


@dataclass(frozen=True)
class Style:
    """How the user's side of a buffer works.

    Parameters
    ----------
    direct : replies are handed to their coroutines without a receiver coroutine
    batch : submissions after which the kernel is told by a trap at the latest; it is told earlier
        when no coroutine is ready, and at once where it can be told without a trap
    adaptive : each call site chooses between synchronous and asynchronous calls, and each wake-up
        between a user interrupt, while the kernel's helper is idle, and a trap
    poll_cycles : how long to look for a reply before sleeping
    """

    direct: bool = False
    batch: int = 1
    poll_cycles: int = 0
    adaptive: bool = False


class AsyncSyscalls:
    """Asynchronous calls of the coroutines of ``executor`` through one syscall buffer.

    Parameters
    ----------
    sender : operand of UIPI SEND that wakes the kernel's handler; None: it is woken by a trap
    """

    def __init__(
        self, executor: Executor, kernel: Kernel, buffer: SyscallBuffer, style: Style
    ) -> None:
        self._executor = executor
        self._kernel = kernel
        self._buffer = buffer
        self._style = style
        self._waiting_for_room: deque[int] = deque()
        self._unannounced = 0
        self.outstanding = 0
        self.sender: int | None = None

    # --- submission -------------------------------------------------------------------------------

    async def call(self, label: AsyncLabel, *words: int) -> Answer:
        """Submit one call from the running coroutine and wait for its answer.

        While the request ring is full the coroutine waits for room; others go on.
        """
        cid = self._executor.current
        while not await self._submit(Item(cid, label, words=words)):
            self._waiting_for_room.append(cid)
            await Suspend()
        reply: Item = await Suspend()
        async with Path("user.resume"):
            padded = (*reply.words, 0, 0, 0, 0)
            return Answer(SeL4Error(reply.error), (padded[0], padded[1], padded[2], padded[3]))

    async def _submit(self, item: Item) -> bool:
        async with Path("user.fill_and_send"):
            if await self._buffer.requests.full():
                return False
            # Logged first: a timer tick may have it handled right after it was published.
            await Log(AsyncSubmitted(item.cid, AsyncLabel(item.label).name))
            await self._buffer.requests.put(item)
            self.outstanding += 1
            self._unannounced += 1
            due = self.sender is not None or self._unannounced >= self._style.batch
            wake = due and await self._claim()
        if wake:
            await self._wake()
        return True

    async def _claim(self) -> bool:
        self._unannounced = 0
        return await self._buffer.handler_online.claim()

    async def _wake(self) -> None:
        helped = not self._style.adaptive or await Load(self._buffer.helper_idle)
        if self.sender is None or not helped:
            await self._kernel.wake_syscall_handler()
        else:
            await Uipi(UipiFunction.SEND, self.sender)

    # --- replies ----------------------------------------------------------------------------------

    async def _take(self) -> Item:
        async with Path("user.get_reply"):
            reply = await self._buffer.replies.take()
        assert reply is not None  # this side alone takes from the ring
        self.outstanding -= 1
        return reply

    def _room(self) -> None:
        if self._waiting_for_room:
            self._executor.wake(self._waiting_for_room.popleft())

    async def receive(self) -> None:
        """The receiver coroutine (published): hand each reply to the coroutine that waits."""
        replies = self._buffer.replies
        while True:
            while await replies.count():
                reply = await self._take()
                async with Path("user.wake"):
                    self._executor.wake(reply.cid, reply)
                await Log(AsyncReplied(reply.cid))
                self._room()
            if await self._buffer.receiver_online.retire(replies):
                await Suspend()

    async def next_reply(self) -> Handed | None:
        """The executor's `on_idle` (direct): the next reply with its owner; None: go to sleep."""
        replies = self._buffer.replies
        while True:
            if await replies.count():
                reply = await self._take()
                await Log(AsyncReplied(reply.cid))
                self._room()
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

    async def page_map(
        self, frame: int, vspace: int, virtual: int, rights: int = READ_WRITE, attributes: int = 0
    ) -> SeL4Error:
        """RISCV_Page_Map."""
        label = AsyncLabel.RISCV_PAGE_MAP
        return (await self.call(label, frame, vspace, virtual, rights, attributes)).error

    async def page_unmap(self, frame: int) -> SeL4Error:
        """RISCV_Page_Unmap."""
        return (await self.call(AsyncLabel.RISCV_PAGE_UNMAP, frame)).error

    async def page_get_address(self, frame: int) -> Answer:
        """RISCV_Page_GetAddress; the address is word 0."""
        return await self.call(AsyncLabel.RISCV_PAGE_GET_ADDRESS, frame)

    async def put_char(self, character: str) -> SeL4Error:
        """PutChar."""
        return (await self.call(AsyncLabel.PUT_CHAR, ord(character))).error

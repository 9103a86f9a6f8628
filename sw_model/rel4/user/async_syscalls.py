"""Asynchronous system calls: submit coroutines on one side, the receiver coroutine on the other."""

from collections import deque

from rel4.abi.coroutine import Suspend
from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.machine.events import AsyncHandled, AsyncReplied, AsyncSubmitted
from rel4.machine.ops import Log, Path

from .executor import Executor
from .syscalls import READ_WRITE, Answer, Kernel

__all__ = ["AsyncSyscalls"]


class AsyncSyscalls:
    """Asynchronous calls of the coroutines of ``executor`` through one syscall buffer.

    At most as many calls are on their way as a ring has items, from the request to the reply being
    taken: so that the kernel finds room for every reply, and the request ring is never full.
    """

    def __init__(self, executor: Executor, kernel: Kernel, buffer: SyscallBuffer) -> None:
        self._executor = executor
        self._kernel = kernel
        self._buffer = buffer
        self._waiting_for_room: deque[int] = deque()
        self._outstanding = 0

    async def receive(self) -> None:
        """The receiver coroutine: hand each reply to the coroutine that waits for it."""
        replies = self._buffer.replies
        while True:
            while await replies.count():
                async with Path("user.get_reply"):
                    reply = await replies.take()
                assert reply is not None  # this side alone takes from the ring
                async with Path("user.wake"):
                    self._hand_over(reply)
                await Log(AsyncReplied(reply.cid))
            if await self._buffer.receiver_online.retire(replies):
                await Suspend()

    def _hand_over(self, reply: Item) -> None:
        """Wake the coroutine that waits for ``reply``, and one that waits for room."""
        self._outstanding -= 1
        self._executor.wake(reply.cid, reply)
        if self._waiting_for_room:
            self._executor.wake(self._waiting_for_room.popleft())

    async def call(self, label: AsyncLabel, *words: int) -> Answer:
        """Submit one call from the running coroutine and wait for its answer.

        While as many calls are on their way as there may be, the coroutine waits for room; others
        go on. The error is CANCELLED if the kernel deregisters the buffer, or has done so.
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
            if self._outstanding == self._buffer.capacity:
                return False
            # Logged first: a timer tick may have it handled right after it was published.
            await Log(AsyncSubmitted(item.cid, AsyncLabel(item.label).name))
            self._outstanding += 1
            await self._buffer.requests.put(item)
            wake = await self._buffer.handler_online.claim()
            closing = await self._buffer.closing()  # behind the fence in claim
        if closing:
            await self._withdraw()
        elif wake:
            await self._kernel.wake_syscall_handler()
        return True

    async def _withdraw(self) -> None:
        """The kernel serves no more: answer what it left in the request ring as cancelled."""
        await self._buffer.closed()
        error = SeL4Error.CANCELLED
        while (request := await self._buffer.requests.take(0)) is not None:
            label = AsyncLabel(request.label).name
            await Log(AsyncHandled(request.cid, label, error.name))
            self._hand_over(Item(request.cid, request.label, error))
            await Log(AsyncReplied(request.cid))

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

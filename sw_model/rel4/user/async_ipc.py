"""IPC between two user threads over the asynchronous machinery: a ring each way in a shared frame,
user interrupts in both directions, and the kernel only to set it up.

The client's side is that of asynchronous system calls (`AsyncSyscalls`): a request goes into the
ring, a user interrupt wakes the server if it sleeps, and a receiver coroutine takes the replies.
The server here is the plainest one: it serves what is there in order, replies, and sleeps.
"""

from collections.abc import Awaitable, Callable

from rel4.abi.syscall_buffer import PUBLISH_CYCLES, Item, SyscallBuffer
from rel4.machine.ops import Path, SpinWhile, Swap

from .interrupts import UserInterrupts

__all__ = ["IpcServer"]


class IpcServer:
    """One server thread.

    Parameters
    ----------
    buffer : the shared rings
    interrupts : user interrupts of this flavour
    wake_word : address of a word of its own, where its interrupt handler leaves the vectors
    give_way : awaited when there is nothing to do; None: spin until a user interrupt comes
    """

    def __init__(
        self,
        buffer: SyscallBuffer,
        interrupts: UserInterrupts,
        wake_word: int,
        give_way: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._buffer = buffer
        self._interrupts = interrupts
        self._wake_word = wake_word
        self._give_way = give_way

    async def serve(self, client: int, handle: Callable[[Item], Item]) -> None:
        """Serve for ever; ``client`` is the operand of the send that wakes the client."""
        buffer = self._buffer
        while True:
            while await buffer.requests.count():
                async with Path("user.get_request"):
                    request = await buffer.requests.take(1)
                assert request is not None  # this side alone takes from the ring
                async with Path("user.put_reply") as path:
                    await path.work(leaving=PUBLISH_CYCLES)
                    await buffer.replies.put(handle(request))
                    wake = await buffer.receiver_online.claim()
                if wake:
                    await self._interrupts.send(client)
            if await buffer.handler_online.retire(buffer.requests):
                await self._sleep()

    async def _sleep(self) -> None:
        """Until the interrupt handler has left a vector. Who gave way also looks at the ring when
        it is back, since a pending interrupt is taken a few cycles after the return only."""
        while not await Swap(self._wake_word, 0):
            if self._give_way is None:
                await SpinWhile(self._wake_word, 0)
                continue
            await self._give_way()
            if await self._buffer.requests.count():
                return

    async def interrupt_handler(self) -> None:
        """Take the pending vectors, note them, return."""
        await self._interrupts.note(self._wake_word)

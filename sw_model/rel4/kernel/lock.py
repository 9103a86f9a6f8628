"""The big kernel lock: a ticket lock, fair in order of arrival as seL4's CLH lock is."""

from rel4.machine.events import LockWait
from rel4.machine.ops import AmoAdd, AwaitTicket, Load, Log, ReadTime, Store

__all__ = ["KernelLock"]


class KernelLock:
    """Two words of kernel memory at ``address``: next ticket, ticket being served."""

    def __init__(self, address: int) -> None:
        self._next = address
        self._serving = address + 64

    async def acquire(self) -> None:
        """Take the lock; waits behind every hart that asked before."""
        ticket = await AmoAdd(self._next, 1)
        serving = await Load(self._serving)
        if serving == ticket:
            return
        begin = await ReadTime()
        await AwaitTicket(self._serving, serving, ticket)
        await Log(LockWait(await ReadTime() - begin))

    async def pass_on(self, most: int) -> bool:
        """As the holder, at a point where others may go first: let those in who wait, if they are
        ``most`` at most. True if nobody waits any more."""
        waiting = await Load(self._next) - (await Load(self._serving) + 1)
        if waiting > most:
            return False
        if waiting:
            await self.release()
            await self.acquire()
        return True

    async def release(self) -> None:
        """Give the lock to the next in line."""
        await Store(self._serving, await Load(self._serving) + 1)

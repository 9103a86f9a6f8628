"""The compiled kernel's batches, in the model.

The model's kernel publishes each reply at once. The compiled one publishes the replies of a batch
together, behind one fence of translations; a batch is what was there when it began. Where another
hart makes the requests, that decides who waits for whom, so `rel4 validate` runs the model with it.
"""

from rel4.abi.syscall_buffer import Item, Ring
from rel4.kernel.async_runtime import AsyncRuntime, HandlerTask, Policy
from rel4.machine.ops import Compute

__all__ = ["batched"]


class _Replies(Ring):
    """A reply ring, where what is put is published when the batch is served.

    Parameters
    ----------
    ring : the ring
    once : cycles of what is done once a batch

    Members
    -------
    left : requests of the batch that are not served yet
    """

    def __init__(self, ring: Ring, once: int) -> None:
        vars(self).update(vars(ring))
        self._once = once
        self._held: list[Item] = []
        self.left = 0

    async def full(self) -> bool:
        """What is held takes room as well."""
        return await self.count() + len(self._held) >= self._capacity

    async def put(self, item: Item) -> None:
        """Hold a reply; publish all when it is the last one of the batch."""
        self._held.append(item)
        if self.left:
            return
        await Compute(self._once)
        for held in self._held:
            await super().put(held)
        self._held.clear()


class _Batched(Policy):
    """Before a policy among the bases of a class: it serves in batches."""

    once: int
    most: int | None

    def __init__(self) -> None:
        super().__init__()
        self._served = 0

    def _batch(self, task: HandlerTask) -> _Replies:
        replies = task.buffer.replies
        if not isinstance(replies, _Replies):
            replies = task.buffer.replies = _Replies(replies, self.once)
        return replies

    def gives_way(self, runtime: AsyncRuntime, task: HandlerTask, served: int) -> bool:
        self._served = served
        return not self._batch(task).left and super().gives_way(runtime, task, served)

    async def on_backlog(self, runtime: AsyncRuntime, task: HandlerTask, waiting: int) -> None:
        batch = self._batch(task)
        if not batch.left:
            room = (self.budget(task) or task.buffer.capacity) - self._served
            batch.left = min(waiting, room, self.most or waiting)
        batch.left -= 1
        self._served = 0
        await super().on_backlog(runtime, task, waiting)


def batched(policy: type[Policy], once: int, most: int | None) -> type[Policy]:
    """``policy`` with batches of at most ``most`` requests (None: all that are there), and ``once``
    cycles of work for each batch."""
    return type("Batched", (_Batched, policy), {"once": once, "most": most})

"""Coroutines inside a thread: their operations pass through to the hart, `Suspend` does not."""

from collections.abc import Coroutine, Generator
from typing import Any

from rel4.machine.ops import Op

__all__ = ["Poll", "Suspend", "Task"]

Task = Coroutine[Any, Any, Any]


class Suspend:
    """``value = await Suspend()``: block this coroutine (not its thread) until it is woken.

    The value is what the executor sends when it resumes the coroutine.
    """

    __slots__ = ()

    def __await__(self) -> Generator["Suspend", Any, Any]:
        return (yield self)


class Poll:
    """``finished = await Poll(task, value)``: run a coroutine until it suspends or ends.

    Operations of the task are performed by the hart that runs the caller; the caller is suspended
    meanwhile, and both may be interrupted.
    """

    __slots__ = ("task", "value")

    def __init__(self, task: Task, value: Any = None) -> None:
        self.task = task
        self.value = value

    def __await__(self) -> Generator[Op[Any], Any, bool]:
        value = self.value
        while True:
            try:
                yielded = self.task.send(value)
            except StopIteration:
                return True
            if isinstance(yielded, Suspend):
                return False
            value = yield yielded

"""A test that is the program of the initial thread."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from rel4.user.root_task import RootTask

__all__ = ["Program", "initial_thread"]

Program = AsyncGenerator[None, Any]


def initial_thread(
    *names: str, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """The decorator of a test that the initial thread runs: to its end, or up to its ``yield``.

    Its first argument is the task, the others are pytest's. ``run = yield`` returns when the
    machine has stopped, with what is left of the run; what comes behind judges it. The fixture
    ``run_program`` gets the options, and the test's arguments called ``names`` as options too.
    """

    def decorate(test: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(test)
        def run_test(run_program: Callable[..., Any], **arguments: Any) -> None:
            ended: list[Any] = []

            async def body(task: RootTask) -> None:
                program = test(task, **arguments)
                await (anext(program) if inspect.isasyncgen(program) else program)
                ended.append(program)

            run = run_program(body, **options, **{name: arguments[name] for name in names})
            assert ended, "the initial thread did not come to the end of the test"
            if inspect.isasyncgen(ended[0]):
                with pytest.raises(StopAsyncIteration):
                    ended[0].asend(run).send(None)

        fixture = inspect.signature(run_test, follow_wrapped=False).parameters["run_program"]
        own = list(inspect.signature(test).parameters.values())[1:]
        run_test.__signature__ = inspect.Signature([fixture, *own])  # type: ignore[attr-defined]
        return run_test

    return decorate

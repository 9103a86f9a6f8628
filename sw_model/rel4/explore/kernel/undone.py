"""Watches that an invocation which answers an error changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rel4.kernel import async_calls, invocation, syscall
from rel4.kernel.errors import InvocationError
from rel4.kernel.kernel import Kernel
from rel4.kernel.snapshot import snapshot

__all__ = ["errors_are_undone"]


@contextmanager
def errors_are_undone(kernel: Kernel, complain: Any) -> Iterator[None]:
    """Within this block every invocation of ``kernel`` that ends in an error is compared with the
    state before it: ``complain(sentence)`` is called where something has changed."""
    invoke = invocation.invoke

    async def checked(state: Any, slot: Any, label: int, arguments: Any) -> Any:
        if state is not kernel.state:
            return await invoke(state, slot, label, arguments)
        before = snapshot(kernel, holds=True)
        try:
            return await invoke(state, slot, label, arguments)
        except InvocationError as error:
            after = snapshot(kernel, holds=True)
            changed = [part for part in before if before[part] != after[part]]
            if changed:
                complain(f"invocation {label} answers {error.code.name} and changed {changed}")
            raise

    for module in (syscall, async_calls):
        module.invoke = checked  # type: ignore[attr-defined]  # what they imported
    try:
        yield
    finally:
        for module in (syscall, async_calls):
            module.invoke = invoke  # type: ignore[attr-defined]

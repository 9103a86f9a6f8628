"""The calls that can be made asynchronously: what a request's label and words mean.

An asynchronous call runs the very invocation that its synchronous twin runs; only where arguments
come from differs, and so errors and effects are the same. Capability pointers, addresses and badges
are full 64-bit words. A pointer that leads nowhere, for which the synchronous call sends a fault
message, ends in FailedLookup: there is no thread at fault that could be stopped.
"""

from rel4.abi.numbers import ASYNC_INVOCATIONS, AsyncLabel, SeL4Error
from rel4.machine.ops import Path

from .arguments import Arguments
from .async_runtime import Words, label_name
from .capability import Slot
from .cspace import lookup
from .errors import InvocationError, LookupFailure
from .invocation import IN_PATH, invoke
from .objects import TCB
from .state import State

__all__ = ["serve"]


async def serve(state: State, tcb: TCB, label: int, words: Words) -> Words:
    """Serve one request of thread ``tcb``; returns the words of the reply.

    Raises
    ------
    InvocationError : IllegalOperation (no such call), TruncatedMessage, FailedLookup, or what the
        invocation raises.
    """
    if label == AsyncLabel.PUT_CHAR:
        _need(label, words, 1)
        state.put_char(words[0])
        return ()
    if label == AsyncLabel.PUT_STRING:
        _put_string(state, words)
        return ()
    found = ASYNC_INVOCATIONS.get(label)  # type: ignore[call-overload]  # any number may come
    if found is None:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, f"{label_name(label)} is not asynchronous"
        )
    invocation, caps = found
    _need(label, words, 1 + caps)
    slot, *extra = [_slot(tcb, cptr) for cptr in words[: 1 + caps]]
    values = list(words[1 + caps :])
    arguments = Arguments(tcb, values, len(values), extra)
    if invocation in IN_PATH:
        return await invoke(state, slot, invocation, arguments)
    async with Path.on_top():  # as in the synchronous twin
        return await invoke(state, slot, invocation, arguments)


def _need(label: int, words: Words, count: int) -> None:
    if len(words) < count:
        raise InvocationError(
            SeL4Error.TRUNCATED_MESSAGE,
            f"{label_name(label)} needs {count} words, {len(words)} were sent",
        )


def _slot(tcb: TCB, cptr: int) -> Slot:
    try:
        return lookup(tcb.ctable.cap, cptr)
    except LookupFailure as failure:
        raise InvocationError(SeL4Error.FAILED_LOOKUP, str(failure)) from failure


def _put_string(state: State, words: Words) -> None:
    """Word 0 is the number of characters, eight of which are in each word behind it."""
    _need(AsyncLabel.PUT_STRING, words, 1)
    length = words[0]
    if length > 8 * (len(words) - 1):
        raise InvocationError(
            SeL4Error.TRUNCATED_MESSAGE,
            f"{length} characters do not fit in {len(words) - 1} words",
        )
    for index in range(length):
        state.put_char(words[1 + index // 8] >> 8 * (index % 8))

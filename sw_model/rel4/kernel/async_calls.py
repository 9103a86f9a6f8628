"""The calls that can be made asynchronously: what a request's label and words mean.

An asynchronous call runs the very invocation that its synchronous twin runs; only where arguments
come from differs, and so errors and effects are the same. Capability pointers, addresses and badges
are full 64-bit words. A pointer that leads nowhere, for which the synchronous call sends a fault
message, ends in FailedLookup: there is no thread at fault that could be stopped.
"""

from typing import TYPE_CHECKING

from rel4.abi.numbers import ASYNC_INVOCATIONS, AsyncLabel, SeL4Error
from rel4.machine.ops import Path

from .capability import Slot
from .cspace import lookup
from .errors import InvocationError, LookupFailure
from .invocation import IN_PATH, Arguments, invoke
from .objects import TCB

if TYPE_CHECKING:
    from rel4.machine.hart import Hart

    from .kernel import Kernel

__all__ = ["Words", "label_name", "serve"]

Words = tuple[int, ...]


def label_name(label: int) -> str:
    """The name of a label, or its number where it is none."""
    return AsyncLabel(label).name if label in AsyncLabel.__members__.values() else str(label)


async def serve(kernel: "Kernel", hart: "Hart", tcb: TCB, label: int, words: Words) -> Words:
    """Serve one request of thread ``tcb``; answers the words of the reply.

    Raises
    ------
    InvocationError : IllegalOperation (no such call), TruncatedMessage, FailedLookup, or what the
        invocation raises.
    """
    if label == AsyncLabel.PUT_CHAR:
        _need(label, words, 1)
        kernel.put_char(words[0])
        return ()
    if label == AsyncLabel.PUT_STRING:
        _put_string(kernel, words)
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
        return await invoke(kernel, hart, slot, invocation, arguments)
    async with Path(""):  # on top of the path of the call, as in the synchronous twin
        return await invoke(kernel, hart, slot, invocation, arguments)


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


def _put_string(kernel: "Kernel", words: Words) -> None:
    """Word 0 is the number of characters, eight of which are in each word behind it."""
    _need(AsyncLabel.PUT_STRING, words, 1)
    length = words[0]
    if length > 8 * (len(words) - 1):
        raise InvocationError(
            SeL4Error.TRUNCATED_MESSAGE,
            f"{length} characters do not fit in {len(words) - 1} words",
        )
    for index in range(length):
        kernel.put_char(words[1 + index // 8] >> 8 * (index % 8))

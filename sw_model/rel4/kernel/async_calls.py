"""The calls that can be made asynchronously: what a request's label and words mean.

They run the very functions that synchronous invocations run; only where arguments come from
differs, and so errors and effects are the same. Capability pointers, addresses and badges are full
64-bit words.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rel4.abi.numbers import AsyncLabel, SeL4Error

from . import tcb as tcb_invocations
from . import vspace
from .capability import Capability, Rights, Slot
from .cspace import lookup_cap
from .errors import InvocationError
from .objects import TCB

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["Words", "label_name", "serve"]

Words = tuple[int, ...]


def label_name(label: int) -> str:
    """The name of a label, or its number where it is none."""
    return AsyncLabel(label).name if label in AsyncLabel.__members__.values() else str(label)


async def serve(kernel: "Kernel", tcb: TCB, label: int, words: Words) -> Words:
    """Serve one request of thread ``tcb``; answers the words of the reply.

    Raises
    ------
    InvocationError : IllegalOperation (no such call), TruncatedMessage, or what the call raises.
    """
    found = _CALLS.get(label)
    if found is None:
        raise InvocationError(
            SeL4Error.ILLEGAL_OPERATION, f"{label_name(label)} is not asynchronous"
        )
    needed, call = found
    if len(words) < needed:
        raise InvocationError(
            SeL4Error.TRUNCATED_MESSAGE,
            f"{label_name(label)} needs {needed} words, {len(words)} were sent",
        )
    return await call(kernel, tcb, words)


def _slot(tcb: TCB, cptr: int) -> Slot:
    return lookup_cap(tcb.cspace, cptr)


def _cap(tcb: TCB, cptr: int) -> Capability:
    return _slot(tcb, cptr).cap


async def _put_char(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    kernel.put_char(words[0])
    return ()


async def _put_string(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    length = words[0]
    if length > 8 * (len(words) - 1):
        raise InvocationError(
            SeL4Error.TRUNCATED_MESSAGE,
            f"{length} characters do not fit in {len(words) - 1} words",
        )
    for index in range(length):
        kernel.put_char(words[1 + index // 8] >> 8 * (index % 8))
    return ()


async def _page_table_map(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    table, space, virtual, _attributes = words[:4]
    await vspace.page_table_map(_slot(tcb, table), _cap(tcb, space), virtual)
    return ()


async def _page_table_unmap(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    await vspace.page_table_unmap(_slot(tcb, words[0]))
    return ()


async def _page_map(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    frame, space, virtual, rights, attributes = words[:5]
    slot = _slot(tcb, frame)
    await vspace.page_map(slot, _cap(tcb, space), virtual, Rights.from_word(rights), attributes)
    return ()


async def _page_unmap(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    await vspace.page_unmap(_slot(tcb, words[0]))
    return ()


async def _page_get_address(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    return (vspace.page_get_address(_slot(tcb, words[0])),)


async def _bind_notification(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    tcb_invocations.bind_notification(_cap(tcb, words[0]), _cap(tcb, words[1]))
    return ()


async def _unbind_notification(kernel: "Kernel", tcb: TCB, words: Words) -> Words:
    await tcb_invocations.unbind_notification(kernel, _cap(tcb, words[0]))
    return ()


_Call = Callable[["Kernel", TCB, Words], Awaitable[Words]]
_CALLS: dict[int, tuple[int, _Call]] = {
    AsyncLabel.PUT_CHAR: (1, _put_char),
    AsyncLabel.PUT_STRING: (1, _put_string),
    AsyncLabel.RISCV_PAGE_TABLE_MAP: (4, _page_table_map),
    AsyncLabel.RISCV_PAGE_TABLE_UNMAP: (1, _page_table_unmap),
    AsyncLabel.RISCV_PAGE_MAP: (5, _page_map),
    AsyncLabel.RISCV_PAGE_UNMAP: (1, _page_unmap),
    AsyncLabel.RISCV_PAGE_GET_ADDRESS: (1, _page_get_address),
    AsyncLabel.TCB_BIND_NOTIFICATION: (2, _bind_notification),
    AsyncLabel.TCB_UNBIND_NOTIFICATION: (1, _unbind_notification),
}
"""Words that a call needs, and the call."""

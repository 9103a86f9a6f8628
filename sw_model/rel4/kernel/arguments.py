"""The arguments of an invocation: message registers and extra capabilities, fetched.

What fetches them is `rel4.kernel.transfer.fetch_arguments`; nothing here waits.
"""

from rel4.abi.message import MAX_EXTRA_CAPS
from rel4.abi.numbers import SeL4Error

from .capability import Capability, Slot
from .errors import InvocationError
from .objects import TCB

__all__ = ["Arguments"]


class Arguments:
    """Arguments of one invocation.

    Parameters
    ----------
    caller : thread whose message it is
    values : message registers that were sent and could be read
    length : message registers that were sent
    extra : slots of the extra capabilities, looked up
    """

    def __init__(self, caller: TCB, values: list[int], length: int, extra: list[Slot]) -> None:
        self.caller = caller
        self._values = values
        self._length = length
        self._extra = extra[:MAX_EXTRA_CAPS]

    def words(self, count: int) -> list[int]:
        """The first ``count`` message registers; TruncatedMessage if there are fewer."""
        if len(self._values) < count:
            raise InvocationError(
                SeL4Error.TRUNCATED_MESSAGE,
                f"{count} message registers are needed, {self._length} were sent",
            )
        return self._values[:count]

    def optional_word(self, index: int) -> int:
        """Message register ``index``; 0 if it was not sent."""
        return self._values[index] if index < len(self._values) else 0

    def slot(self, index: int) -> Slot:
        """The slot of extra capability ``index``; TruncatedMessage if it was not sent."""
        if index >= len(self._extra):
            raise InvocationError(
                SeL4Error.TRUNCATED_MESSAGE, f"extra capability {index} was not sent"
            )
        return self._extra[index]

    def cap(self, index: int) -> Capability:
        """Extra capability ``index``."""
        return self.slot(index).cap

"""How a system call fails: an seL4 error for the caller, or a fault for its handler."""

from dataclasses import dataclass
from enum import IntEnum

from rel4.abi.numbers import SeL4Error

__all__ = [
    "InvocationError",
    "LookupFailure",
    "LookupFault",
    "Preempted",
    "failed_lookup",
    "invalid_argument",
    "invalid_capability",
    "range_error",
]


class InvocationError(Exception):
    """Raised while an invocation is decoded, before any change; the label of the reply.

    ``details`` are the message registers of the reply, as seL4 defines them for each error: the
    number of the argument or capability at fault, a range, a lookup failure, or memory left.
    """

    def __init__(self, code: SeL4Error, sentence: str, details: tuple[int, ...] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.details = details


class Preempted(Exception):  # noqa: N818  # not an error: the call starts again
    """An interrupt is pending at a preemption point of a long operation."""


class LookupFault(IntEnum):
    """Why a capability pointer leads nowhere (seL4_LookupFailureType)."""

    NONE = 0
    INVALID_ROOT = 1
    MISSING_CAPABILITY = 2
    DEPTH_MISMATCH = 3
    GUARD_MISMATCH = 4


@dataclass(eq=False)
class LookupFailure(Exception):  # noqa: N818  # seL4's name
    """A lookup failed with ``bits_left`` bits left to resolve; ``address`` is the pointer, where
    the caller of the lookup does not know it."""

    kind: LookupFault
    bits_left: int = 0
    bits_found: int = 0
    guard_found: int = 0
    address: int = 0

    def words(self) -> tuple[int, ...]:
        """As message registers, in seL4's order."""
        match self.kind:
            case LookupFault.MISSING_CAPABILITY:
                return (self.kind, self.bits_left)
            case LookupFault.DEPTH_MISMATCH:
                return (self.kind, self.bits_left, self.bits_found)
            case LookupFault.GUARD_MISMATCH:
                return (self.kind, self.bits_left, self.guard_found, self.bits_found)
            case _:
                return (self.kind,)


def failed_lookup(failure: LookupFailure, *, source: bool, sentence: str) -> InvocationError:
    """FailedLookup, which says whether it was the source's lookup and how it failed."""
    return InvocationError(SeL4Error.FAILED_LOOKUP, sentence, (int(source), *failure.words()))


def invalid_argument(number: int, sentence: str) -> InvocationError:
    """InvalidArgument with the argument's number."""
    return InvocationError(SeL4Error.INVALID_ARGUMENT, sentence, (number,))


def invalid_capability(number: int, sentence: str) -> InvocationError:
    """InvalidCapability; 0 is the invoked capability, extra capabilities count from 1."""
    return InvocationError(SeL4Error.INVALID_CAPABILITY, sentence, (number,))


def range_error(least: int, most: int, sentence: str) -> InvocationError:
    """RangeError with the range that is allowed."""
    return InvocationError(SeL4Error.RANGE_ERROR, sentence, (least, most))

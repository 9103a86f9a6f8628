"""Steps of a device as data: what the host wants in one go, and what it saw. Encoded for the board.

A `Step` is everything between two calls of `Device.run`: resets, privilege levels, requests, and
the run itself. A `Seen` is what the run answered. Both are what is recorded and replayed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rel4.machine.device import Request, Response
from uintr.registers import Status
from uintr_fpga.window import Operation

__all__ = ["MAX_CYCLES", "Seen", "Step", "answer_words", "decode_answers", "encode_step"]

MAX_CYCLES = (1 << 17) - 1
"""Cycles of one run on the board; a longer one is made of several. It bounds the time in which the
board cannot answer, which must stay below the bridge's time-out."""

_HALF = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Step:
    """What goes to the device, in this order; ``limit`` is that of `Device.run`, 0 for no run.

    ``calm``: the device was quiescent and nothing of this step is new to it.
    """

    reset: bool = False
    wipe: bool = False
    privileges: tuple[tuple[int, int], ...] = ()
    requests: tuple[tuple[int, Request], ...] = ()
    limit: int = 0
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run answered. ``lines``: bit h is hart h's first interrupt line, then the second's."""

    cycles: int
    quiescent: bool
    lines: int
    responses: tuple[tuple[int, Response], ...] = field(default=())


def encode_step(step: Step) -> list[int]:
    """Operation words of ``step``."""
    words = []
    if step.wipe:
        # The table memory is behind the arbiter, so the system is reset first.
        words += [Operation.RESET << 28, Operation.WIPE << 28]
    if step.reset:
        words.append(Operation.RESET << 28)
    for hart, level in step.privileges:
        words.append(Operation.PRIVILEGE << 28 | level << 8 | hart)
    for hart, request in step.requests:
        arguments = (
            request.address & _HALF,
            request.address >> 32,
            request.data & _HALF,
            request.data >> 32,
        )
        there = sum(bool(word) << place for place, word in enumerate(arguments))
        words.append(
            Operation.REQUEST << 28
            | there << 24
            | request.function << 16
            | request.kind << 8
            | hart
        )
        words += [word for word in arguments if word]
    if step.limit:
        words.append(Operation.RUN << 28 | step.calm << 24 | step.limit)
    return words


def answer_words(*, harts: int, lines: int, responses: int) -> int:
    """Answer words of a run with so many responses; ``lines`` is that of one hart."""
    return 1 + -(-harts * lines // 32) + 3 * responses


def decode_answers(words: Sequence[int], *, harts: int, lines: int) -> Iterator[Seen]:
    """What the runs of a program answered, in order.

    Raises
    ------
    ValueError : the words are no answers.
    """
    place = 0
    line_words = -(-harts * lines // 32)
    while place < len(words):
        head = words[place]
        place += 1
        responses = head >> 25
        if place + line_words + 3 * responses > len(words):
            raise ValueError(f"answers must be whole, not {len(words)} words")
        seen = sum(words[place + at] << 32 * at for at in range(line_words))
        place += line_words
        answered = []
        for _ in range(responses):
            first, low, high = words[place : place + 3]
            answered.append((first & 0x3F, Response(low | high << 32, Status(first >> 8 & 0xF))))
            place += 3
        yield Seen(head & 0xFF_FFFF, bool(head >> 24 & 1), seen, tuple(answered))

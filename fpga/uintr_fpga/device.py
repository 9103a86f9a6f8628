"""The UART device: the device protocol on a board, and the entry point ``uart``.

The environment says where the board is: UINTR_PORT (what ``rel4 --port`` sets), UINTR_BAUD (1000000
by default), UINTR_UART_TIMEOUT (seconds to wait for an answer, 2 by default), UINTR_UART_RETRIES
(how often an exchange is repeated, 5 by default) and UINTR_RECORD (a file for all steps and
answers).
"""

import math
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rel4.machine.device import (
    Device,
    DeviceConfig,
    Request,
    Response,
    check_hart,
    check_submission,
    run_sync,
)
from uintr.registers import Privilege
from uintr_fpga.link import BoardLink
from uintr_fpga.record import Recorder, RecordingDevice
from uintr_fpga.steps import (
    MAX_CYCLES,
    Seen,
    Step,
    answer_words,
    decode_answers,
    encode_step,
)
from uintr_fpga.uartbone import LinkError
from uintr_fpga.window import PROGRAM_WORDS, RESULT_WORDS

__all__ = ["UartDevice", "connect", "run"]

T = TypeVar("T")

_ANSWERS = RESULT_WORDS - 3


class UartDevice:
    """All user-interrupt hardware, on a board. See `rel4.machine.device.Device`.

    What the job does between two runs is collected, and goes to the board with the next run in one
    program: one exchange a run. The table memory is cleared first, as it is at power-on.

    Parameters
    ----------
    config : the shape that the job wants; the board may have more harts
    link : to the board

    Members
    -------
    cycles : clock cycles stepped
    exchanges : programs sent

    Raises
    ------
    LinkError : the board has another shape.
    """

    def __init__(self, *, config: DeviceConfig, link: BoardLink) -> None:
        board = link.shape.config
        if config.flavour is not board.flavour:
            raise LinkError(f"the board must be of flavour {config.flavour}, not {board.flavour}")
        names = ("receivers", "base", "table_base", "table_pages", "table_wait_states")
        for name in (*names, "features", "latency"):
            wanted, there = getattr(config, name), getattr(board, name)
            if wanted != there:
                raise LinkError(f"the board must have {name} {wanted:#x}, not {there:#x}")
        if config.harts > board.harts:
            raise LinkError(f"the board must have {config.harts} harts or more, not {board.harts}")
        self.config = config
        self.cycles = 0
        self.exchanges = 0
        self._link = link
        self._board_harts = board.harts
        self._lines = link.shape.lines
        self._wipe = True
        self._forget()

    def _forget(self) -> None:
        harts = self.config.harts
        self._reset = True
        self._levels = [Privilege.S] * harts
        self._sampled = [Privilege.S] * harts
        self._requests: list[tuple[int, Request]] = []
        self._outstanding = [False] * harts
        self._seen = Seen(0, False, 0)
        self._responses: dict[int, Response] = {}

    @property
    def quiescent(self) -> bool:
        return self._seen.quiescent and not self._requests and self._levels == self._sampled

    async def reset(self) -> None:
        self.cycles += 1
        self._forget()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        check_hart(hart, self.config.harts)
        self._levels[hart] = Privilege(privilege)

    def submit(self, hart: int, request: Request) -> None:
        check_submission(self._outstanding, hart, request)
        self._outstanding[hart] = True
        self._requests.append((hart, request))

    async def run(self, limit: int) -> int:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        step = Step(
            reset=self._reset,
            wipe=self._wipe,
            privileges=tuple(
                (hart, int(level))
                for hart, level in enumerate(self._levels)
                if level is not self._sampled[hart]
            ),
            requests=tuple(self._requests),
            limit=limit,
            calm=self.quiescent,
        )
        self._reset = self._wipe = False
        self._sampled = list(self._levels)
        self._requests = []
        stepped = self._play(step)
        self.cycles += stepped
        return stepped

    def _play(self, step: Step) -> int:
        """One run, in as many pieces as the board's time-out asks for."""
        stepped = 0
        lines = self._seen.lines
        while True:
            piece = min(step.limit - stepped, MAX_CYCLES)
            calm = self._seen.quiescent if stepped else step.calm
            part = Step(limit=piece, calm=calm) if stepped else replace(step, limit=piece)
            (seen,) = self._exchange([part], responses=1)
            self._take(seen)
            stepped += seen.cycles
            ended = seen.responses or seen.lines != lines or (seen.quiescent and not calm)
            if ended or stepped == step.limit:
                return stepped

    def _exchange(self, steps: Sequence[Step], *, responses: int) -> list[Seen]:
        expect = (
            answer_words(harts=self._board_harts, lines=self._lines, responses=0) * len(steps)
            + 3 * responses
        )
        words = [word for step in steps for word in encode_step(step)]
        answers = self._link.execute(words, expect=expect)
        self.exchanges += 1
        try:
            seen = list(decode_answers(answers, harts=self._board_harts, lines=self._lines))
        except ValueError as error:
            raise LinkError(f"the board's answers make no sense: {error}") from error
        if len(seen) != sum(step.limit > 0 for step in steps):
            raise LinkError(f"the board must answer {len(steps)} runs, not {len(seen)}")
        return [self._narrow(each) for each in seen]

    def _narrow(self, seen: Seen) -> Seen:
        """Only the lines of harts that the job knows."""
        harts, board = self.config.harts, self._board_harts
        mask = (1 << harts) - 1
        lines = sum(
            (seen.lines >> board * line & mask) << harts * line for line in range(self._lines)
        )
        return Seen(seen.cycles, seen.quiescent, lines, seen.responses)

    def _take(self, seen: Seen) -> None:
        self._seen = seen
        self._responses = dict(seen.responses)
        for hart in self._responses:
            self._outstanding[hart] = False

    def response(self, hart: int) -> Response | None:
        return self._responses.get(hart)

    def interrupt(self, hart: int) -> bool:
        return bool(self._seen.lines >> hart & 1)

    def supervisor_interrupt(self, hart: int) -> bool:
        return bool(self._seen.lines >> self.config.harts + hart & 1)

    def replay(self, recorded: Sequence[tuple[Step, Seen]]) -> Iterator[Seen]:
        """Play recorded steps on a fresh board, as many in one program as fit.

        How many answer words to expect and how long a step lasts is taken from the record.
        """
        batch: list[Step] = []
        words = answers = cycles = responses = 0
        fresh = True
        head = answer_words(harts=self._board_harts, lines=self._lines, responses=0)
        for step, seen in recorded:
            # Another build may run on where this one stopped, but never beyond the limit.
            limit = min(step.limit, MAX_CYCLES)
            if seen.cycles > MAX_CYCLES:
                limit = step.limit
            step = replace(step, reset=step.reset or fresh, wipe=fresh, limit=limit)
            fresh = False
            size = len(encode_step(step)) if step.limit <= MAX_CYCLES else PROGRAM_WORDS
            # A step that differs may answer with a response of every hart.
            room = head + 3 * max(len(seen.responses), self._board_harts)
            if batch and (
                words + size > PROGRAM_WORDS
                or answers + room > _ANSWERS
                or cycles + seen.cycles > MAX_CYCLES
            ):
                yield from self._exchange(batch, responses=responses)
                batch, words, answers, cycles, responses = [], 0, 0, 0, 0
            if step.limit > MAX_CYCLES:
                stepped = self._play(step)
                last = self._seen
                yield Seen(stepped, last.quiescent, last.lines, last.responses)
                continue
            batch.append(step)
            words += size
            answers += head + 3 * len(seen.responses)
            cycles += seen.cycles
            responses += len(seen.responses)
        if batch:
            yield from self._exchange(batch, responses=responses)


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise LinkError(f"{name} must be a number above 0, not {text!r}")
    return value


def connect(path: str | None = None, baud: int | None = None) -> BoardLink:
    """The link that the environment describes. Raises LinkError."""
    path = path or os.environ.get("UINTR_PORT")
    if not path:
        raise LinkError("port must be given for a board, by --port or UINTR_PORT, but is not")
    return BoardLink(
        path,
        baud=baud or int(_number("UINTR_BAUD", 1_000_000)),
        seconds=_number("UINTR_UART_TIMEOUT", 2.0),
        attempts=1 + int(_number("UINTR_UART_RETRIES", 5)),
    )


def run(config: DeviceConfig, job: Callable[[Device], Coroutine[Any, Any, T]]) -> T:
    """Drive ``job`` on a board to its end; the entry point ``uart``.

    One process has the board at a time, others wait for it.

    Raises
    ------
    LinkError : no board, another shape, or a link that failed for good.
    """
    with ExitStack() as stack:
        link = stack.enter_context(closing(connect()))
        device: Device = UartDevice(config=config, link=link)
        record = os.environ.get("UINTR_RECORD")
        if record:
            recorder = stack.enter_context(Recorder(Path(record), config=config, device="uart"))
            device = RecordingDevice(device=device, recorder=recorder)
        return run_sync(job(device))

"""The programs that are explored: the real runtime code, with little around it.

A thread with an executor, a receiver coroutine and callers that make asynchronous calls; the kernel
with its runtime and one handler coroutine. Executor, `AsyncSyscalls`, `AsyncRuntime`, rings, flags
and the buffer are those of every other program of this model. What stands in for the rest of the
kernel is here: `uintr.send` is the UIPI alone, and PutChar notes its character.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rel4.abi.coroutine import Suspend, Task
from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.abi.syscall_buffer import OnlineFlag, Ring, SyscallBuffer
from rel4.kernel.async_calls import serve
from rel4.kernel.async_runtime import AsyncRuntime, Policy
from rel4.kernel.capability import Attachment
from rel4.kernel.objects import TCB
from rel4.machine.ops import Fence, Load, Op, Store, Uipi
from rel4.user.async_syscalls import AsyncSyscalls, Style
from rel4.user.executor import Executor
from rel4.user.syscalls import SystemCalls
from uintr.registers import UipiFunction

from .protocols import polling

if TYPE_CHECKING:
    from rel4.kernel.harts import Harts
    from rel4.kernel.state import State
    from rel4.kernel.uintr import UserInterrupts
    from rel4.kernel.uintr_entries import SenderEntry

__all__ = ["DEREGISTER", "SIGNAL", "STYLES", "WAKE", "AwaitWake", "Program", "WrongItemError"]

WAKE, DEREGISTER, SIGNAL = 1, 2, 4
"""What the kernel can be asked to do, as bits: run the handler; deregister the buffer; signal the
thread's listener by another user-interrupt vector."""
WAKE_WORD = 0x800
SIGNALLED = 0x840
BUFFER = 0x1000
RECEIVER_PRIORITY, CALLER_PRIORITY = 1, 2
STYLES = {
    "published": Style(),
    "direct": Style(direct=True, batch=2),
    "uipi": Style(direct=True, poll_cycles=1),
}
"""Styles of the user's side: of the published policies; of `inline`, in smaller batches; of `uipi`
and `poll`, where a user interrupt wakes the handler and the thread polls for replies."""
SENDER = 0


class AwaitWake(Op[int]):
    """The kernel's hart waits until it is asked to do something; returns the bit that says what."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AwaitWake)

    def __hash__(self) -> int:
        return 0


class WrongItemError(Exception):
    """An item arrived that was not sent, or arrived twice."""


class _Uintr:
    """The kernel's sender table: entry and vector are the same number."""

    async def send(self, entry: "_Entry") -> None:
        await Uipi(UipiFunction.SEND, entry.index)


@dataclass
class _Entry:
    """An entry of that table."""

    index: int
    attached: list[Attachment] = field(default_factory=list)

    async def detach(self) -> None:
        """Its capability is never deleted here."""


@dataclass
class _Harts:
    """The kernel's harts, of which one has work for the runtime."""

    here: int

    def preemptible(self) -> AbstractContextManager[None]:
        """Nothing here takes long enough to be preempted."""
        return nullcontext()


@dataclass
class _State:
    """What serving needs of the kernel: ``expected`` are the characters still to be put."""

    expected: list[int]

    def put_char(self, character: int) -> None:
        if character not in self.expected:
            raise WrongItemError(f"the handler got argument {character}, which is not on its way")
        self.expected.remove(character)


async def _stay_away() -> None:
    """In the place of the receiver coroutine, where the style has none."""


async def _listen() -> None:
    """Wait until the word is set; whoever sets it posts a user interrupt."""
    while not await Load(SIGNALLED):
        await Suspend()


@dataclass(frozen=True, kw_only=True)
class Program:
    """``items`` calls of ``callers`` coroutines through a buffer of ``capacity`` items.

    Parameters
    ----------
    harts : 2: the kernel runs on a hart of its own; 1: at any moment on the thread's hart
    items : 1 to 8
    callers : coroutines that make the calls, at most as many as items; None: as many
    capacity : items of either ring, a power of two up to 8
    looks : how often the handler looks at its ring again before it retires
    deregister : the kernel deregisters the buffer, at any moment
    signal : at any moment the kernel posts another vector, for which a listener coroutine waits
    style : name of the user's style, of `STYLES`
    flag, ring, executor, calls, runtime : classes of the runtime

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    harts: int = 2
    items: int = 1
    callers: int | None = None
    capacity: int = 1
    looks: int = 0
    deregister: bool = False
    signal: bool = False
    style: str = "published"
    flag: type[OnlineFlag] = OnlineFlag
    ring: type[Ring] = Ring
    executor: type[Executor] = Executor
    calls: type[AsyncSyscalls] = AsyncSyscalls
    runtime: type[AsyncRuntime] = AsyncRuntime

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("harts", self.harts, 1, 2),
            ("items", self.items, 1, 8),
            ("callers", self.tasks, 1, self.items),
            ("polls", self.looks, 0, 8),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} must be {least} to {most}, not {value}")
        if self.capacity not in (1, 2, 4, 8):
            raise ValueError(f"capacity must be 1, 2, 4 or 8, not {self.capacity}")
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, not {self.style!r}")

    @property
    def tasks(self) -> int:
        """Coroutines that make calls."""
        return self.items if self.callers is None else self.callers

    @property
    def wake(self) -> int:
        """What the kernel is asked for at the beginning: a handler is ready when it is spawned."""
        return WAKE | self.deregister * DEREGISTER | self.signal * SIGNAL

    def title(self) -> str:
        """The program in a few words."""
        return (
            f"harts {self.harts}, items {self.items}, callers {self.tasks}, "
            f"capacity {self.capacity}, polls {self.looks}, style {self.style}"
            + ", deregistration" * self.deregister
            + ", signal" * self.signal
        )

    # --- names ------------------------------------------------------------------------------------

    def field(self, address: int) -> str:
        """The name of a word."""
        return self._fields().get(address, hex(address))

    def address(self, name: str) -> int:
        """The address of the word of that name."""
        return next(address for address, field in self._fields().items() if field == name)

    def _fields(self) -> dict[int, str]:
        own = {WAKE_WORD: "wake_word", SIGNALLED: "signalled"}
        return own | SyscallBuffer.fields(BUFFER, self.capacity)

    def name_of(self, actor: int) -> Callable[[str, int], str]:
        """How the coroutines of an actor (user, interrupt, kernel) are called."""

        def name(where: str, cid: int) -> str:
            if where == "user":
                names = {0: "receiver", self.tasks + 1: "listener"}
                return names.get(cid, f"caller {cid}")
            if where == "kernel":
                return "handler"
            return ("executor", "interrupt handler", "kernel")[actor]

        return name

    # --- actors -----------------------------------------------------------------------------------

    def actors(self) -> tuple[Callable[[], Task], Callable[[], Task], Callable[[], Task]]:
        """What makes the coroutines: thread, user-interrupt handler, kernel."""
        return self._thread, self.executor(WAKE_WORD).interrupt_handler, self._kernel

    def calls_of(self, caller: int) -> list[int]:
        """Arguments of the calls that a caller (from 1 on) makes, in order."""
        return list(range(caller, self.items + 1, self.tasks))

    async def _thread(self) -> tuple[tuple[int, str], ...]:
        """Returns what came of each call: argument and error."""
        executor = self.executor(WAKE_WORD)
        buffer = SyscallBuffer(BUFFER, self.capacity, flag=self.flag, ring=self.ring)
        style = STYLES[self.style]
        calls = self.calls(executor, SystemCalls(0), buffer, style)
        if style.direct:
            executor.on_idle = calls.next_reply
            executor.spawn(_stay_away, priority=RECEIVER_PRIORITY, background=True)
            executor.register_vector(None)
            await buffer.receiver_online.set()
            calls.sender = SENDER if style.poll_cycles else None
        else:
            receiver = executor.spawn(calls.receive, priority=RECEIVER_PRIORITY, background=True)
            executor.register_vector(receiver)
        answers: dict[int, str] = {}

        async def caller(number: int) -> None:
            for argument in self.calls_of(number):
                answer = await calls.call(AsyncLabel.PUT_CHAR, argument)
                answers[argument] = answer.error.name

        for number in range(1, self.tasks + 1):
            executor.spawn(partial(caller, number), priority=CALLER_PRIORITY)
        if self.signal:
            cid = executor.spawn(_listen, priority=CALLER_PRIORITY)
            executor.register_vector(cid)
        await executor.run_until_complete()
        return tuple(sorted(answers.items()))

    async def _kernel(self) -> None:
        flag = polling(self.flag, self.looks)
        buffer = SyscallBuffer(BUFFER, self.capacity, flag=flag, ring=self.ring)
        state = _State(list(range(1, self.items + 1)))
        uintr = cast("UserInterrupts", _Uintr())
        harts = cast("Harts", _Harts(self.harts - 1))
        runtime = self.runtime(harts, uintr, partial(serve, cast("State", state)))
        policy = Policy()
        task = runtime.spawn(TCB(0, "client"), buffer, cast("SenderEntry", _Entry(0)), policy)
        while True:
            what = await AwaitWake()
            if what == DEREGISTER:
                await runtime.deregister(task)
            elif what == SIGNAL:
                await Store(SIGNALLED, 1)
                await Fence("rw,rw")
                await uintr.send(cast("SenderEntry", _Entry(1)))
            else:
                runtime.wake(task)
                while policy.ready:  # a handler that stopped with work left has its next turn
                    await runtime.run_ready(policy)

    # --- what must hold ---------------------------------------------------------------------------

    def blame(self, ledger: tuple[tuple[str, int, int], ...]) -> str:
        """What is wrong with what an actor logged so far; empty if nothing is."""
        for kind, cid, count in ledger:
            if not 1 <= cid <= self.tasks:
                return f"{kind} names coroutine {cid}, which makes no calls: an item was corrupted"
            if count > len(self.calls_of(cid)):
                return f"{kind} came {count} times for caller {cid}: an item was duplicated"
        return ""

    def complaint(self, outcome: Any, ledgers: Mapping[str, Mapping[int, int]]) -> str:
        """What is wrong with a run that has ended; empty if nothing is.

        ``outcome`` is what the thread returned, ``ledgers`` how often each event was logged for
        each coroutine, by any actor.
        """
        good = {SeL4Error.NO_ERROR.name}
        if self.deregister:
            good.add(SeL4Error.CANCELLED.name)
        answers = dict(outcome)
        for caller in range(1, self.tasks + 1):
            expected = len(self.calls_of(caller))
            for kind, counts in ledgers.items():
                if counts.get(caller, 0) != expected:
                    return (
                        f"{kind} came {counts.get(caller, 0)} times for caller {caller}, "
                        f"which made {expected} calls"
                    )
            for argument in self.calls_of(caller):
                if answers.get(argument) not in good:
                    return f"call {argument} of caller {caller} gave {answers.get(argument)}"
        return ""

"""The ping-pong experiment: what one message to another thread and back costs, by four ways.

Two threads, on one hart or one each, answer each other in turn.

* ``uintr``: user interrupts; on two harts both spin, on one the thread that waits gives way.
* ``signal``: as a signal of a kernel: a system call posts, and the kernel makes it an interrupt of
  the other thread, whose handler takes it. Waiting is as above.
* ``notification``: Signal and Wait; whoever waits is blocked.
* ``pipe``: Send and Recv on an endpoint each way; the kernel copies one word, and both block.
* ``uintr-wait``: user interrupts, and whoever waits is blocked in the kernel.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from rel4.abi.numbers import ObjectType
from rel4.machine.costs import Costs
from rel4.machine.device import Device
from rel4.machine.events import Mark
from rel4.machine.ops import Compute, Load, Log, ReadTime, SpinWhile, Store
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker

from .results import source_commit
from .two_threads import TwoThreads, run_two_threads
from .workload import BEGIN, END

__all__ = ["KINDS", "PingPoint", "PingRecord", "render_pingpong", "run_pingpong"]

KINDS = ("uintr", "uintr-wait", "signal", "notification", "pipe")
BADGED = 1 << 20
"""First CSpace slot for badged capabilities."""
ANY, WRITE = 0b1111, 0b0001
ARRIVED = 2048
"""Offset of the word in the page of a thread's IPC buffer where its handler notes a message."""
CAUSES = ("ecall", "ipi", "uipi")
"""Traps that count: neither the timer's nor the end of the run."""
LEAST_LOOK = 50
"""Cycles between two looks of a thread that gives way: an interrupt comes a few cycles after a
return from the kernel."""


@dataclass(frozen=True, kw_only=True)
class PingPoint(TwoThreads):
    """What to run: ``rounds`` round trips are measured."""

    KINDS = KINDS
    rounds: int = 100


@dataclass(frozen=True, kw_only=True)
class PingRecord:
    """One point's figures, per round trip: cycles (mean, least, median, most), traps into the
    kernel (see `CAUSES`), user interrupts; and the commit that ran."""

    flavour: str
    kind: str
    harts: int
    rounds: int
    cycles: float
    least: int
    median: int
    most: int
    traps: float
    user_interrupts: float
    commit: str | None = None


async def run_pingpong(point: PingPoint, device: Device, costs: Costs | None = None) -> PingRecord:
    """Run one point on a device that was just reset, with ``costs`` in place of costs.toml.

    Raises
    ------
    MachineError : the model broke a rule of the machine.
    """
    spent: list[int] = []
    measured = await run_two_threads(point, device, costs, partial(_play, point, spent))
    ordered = sorted(spent)
    return PingRecord(
        flavour=point.flavour.value,
        kind=point.kind,
        harts=point.harts,
        rounds=point.rounds,
        cycles=sum(spent) / point.rounds,
        least=ordered[0],
        median=ordered[point.rounds // 2],
        most=ordered[-1],
        traps=measured.traps(*CAUSES) / point.rounds,
        user_interrupts=measured.user_interrupts / point.rounds,
        commit=source_commit(),
    )


Way = Callable[[], Awaitable[None]]


@dataclass
class _Side:
    """One of the two threads: its system calls, its TCB, what it receives by."""

    calls: SystemCalls
    tcb: int
    notification: int
    endpoint: int
    badged: int


async def _play(point: PingPoint, spent: list[int], task: RootTask) -> None:
    kernel = task.kernel
    notifications = await task.allocate(ObjectType.NOTIFICATION, 2)
    endpoints = await task.allocate(ObjectType.ENDPOINT, 2)
    (ready,) = await task.allocate(ObjectType.ENDPOINT)
    for number, notification in enumerate(notifications):
        check(
            "CNode_Mint",
            await kernel.cnode_mint(task.cnode, BADGED + number, notification, WRITE, 1),
        )
    mine = _Side(kernel, task.tcb, notifications[0], endpoints[0], BADGED)
    tcbs: list[int] = []

    async def echo(own: SystemCalls) -> None:
        side = _Side(own, tcbs[0], notifications[1], endpoints[1], BADGED + 1)
        await _receive(task, point, side)
        await own.send(ready)
        send, wait = await _ways(task, point, side, mine)
        while True:
            await wait()
            await send()

    made = await ThreadMaker(task).make(echo, hart=point.harts - 1, name="echo", resume=False)
    tcbs.append(made.tcb)
    await _receive(task, point, mine)
    check("TCB_Resume", await kernel.tcb_resume(made.tcb))
    await kernel.recv(ready)
    theirs = _Side(made.kernel, made.tcb, notifications[1], endpoints[1], BADGED + 1)
    send, wait = await _ways(task, point, mine, theirs)
    await send()  # the other thread is in its loop from now on
    await wait()
    await Log(Mark(BEGIN))
    for _ in range(point.rounds):
        begin = await ReadTime()
        await send()
        await wait()
        spent.append(await ReadTime() - begin)
    await Log(Mark(END))


async def _receive(task: RootTask, point: PingPoint, side: _Side) -> None:
    """Register ``side``, which is the calling thread, for user interrupts if it needs them."""
    if point.kind in ("notification", "pipe"):
        return
    word = side.calls.ipc_buffer + ARRIVED
    check(
        "TCB_BindNotification",
        await side.calls.tcb_bind_notification(side.tcb, side.notification),
    )
    place = task.machine.place(lambda: task.interrupts.note(word))
    check(
        "UintrRegisterReceiver",
        await task.interrupts.register(side.calls, side.notification, side.tcb, place),
    )


async def _ways(task: RootTask, point: PingPoint, own: _Side, other: _Side) -> tuple[Way, Way]:
    """How ``own`` sends to ``other``, and how it waits for an answer."""
    calls, word = own.calls, own.calls.ipc_buffer + ARRIVED
    if point.kind == "pipe":

        async def write() -> None:
            await calls.send(other.endpoint, (1,))

        async def read() -> None:
            await calls.recv(own.endpoint)

        return write, read

    async def signal() -> None:
        await calls.signal(other.badged)

    async def block() -> None:
        await calls.wait(own.notification)

    if point.kind == "notification":
        return signal, block

    async def spin() -> None:
        while not await Load(word):
            if point.harts == 1:
                await calls.yield_()
                await Compute(LEAST_LOOK)
            else:
                await SpinWhile(word, 0)
        await Store(word, 0)  # one message at a time is on its way

    if point.kind == "signal":
        return signal, spin
    error, operand = await calls.uintr_register_sender(other.badged)
    check("UintrRegisterSender", error)

    async def post() -> None:
        await task.interrupts.send(operand)

    if point.kind == "uintr":
        return post, spin

    async def wait() -> None:
        while not await Load(word):
            await calls.wait(own.notification)
            await Compute(LEAST_LOOK)
        await Store(word, 0)

    return post, wait


def render_pingpong(records: list[PingRecord]) -> str:
    """A table."""
    lines = [
        "flavour  harts | way          | cycles:  mean   least  median    most | traps  "
        "user interrupts",
        "---------------+--------------+---------------------------------------+-------"
        "----------------",
    ]
    lines += [
        f"{r.flavour:7} {r.harts:6} | {r.kind:12} | {r.cycles:13.0f} {r.least:7} {r.median:7} "
        f"{r.most:7} | {r.traps:5.2f} {r.user_interrupts:16.2f}"
        for r in records
    ]
    return "\n".join(lines)

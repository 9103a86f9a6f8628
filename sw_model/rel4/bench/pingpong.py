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
from dataclasses import asdict, dataclass
from typing import Any

from rel4.abi.numbers import ObjectType
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.kernel.policies import Never
from rel4.machine.costs import Costs
from rel4.machine.device import Device, DeviceConfig
from rel4.machine.events import Mark
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute, Load, Log, ReadTime, SpinWhile, Store
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import Flavour

from .analysis import window
from .results import source_commit
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
class PingPoint:
    """What to run.

    Parameters
    ----------
    kind : one of `KINDS`
    harts : 1 or 2
    rounds : round trips that are measured, at least 1
    flavour : family of user interrupts

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    kind: str
    harts: int
    rounds: int = 100
    flavour: Flavour = Flavour.RISCV

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        for name, value, most in (("harts", self.harts, 2), ("rounds", self.rounds, 1_000_000)):
            if not 1 <= value <= most:
                raise ValueError(f"{name} must be 1 to {most}, not {value}")

    @property
    def config(self) -> DeviceConfig:
        """The hardware it runs on."""
        return DeviceConfig(harts=self.harts, flavour=self.flavour)


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

    def as_dict(self) -> dict[str, Any]:
        """For a line of JSON."""
        return asdict(self)


async def run_pingpong(point: PingPoint, device: Device, costs: Costs | None = None) -> PingRecord:
    """Run one point on a device that was just reset, with ``costs`` in place of costs.toml.

    Raises
    ------
    MachineError : the model broke a rule of the machine.
    """
    machine = Machine(device, costs=costs)
    kernel = Kernel(
        machine,
        policies=[Never()],
        timer_period=20_000,
        timer_phase=[20_000 + 777 * hart for hart in range(point.harts)],
    )
    task = RootTask(machine)
    spent: list[int] = []

    async def program() -> None:
        await _play(task, point, spent)

    boot_initial_thread(kernel, program)
    machine.boot(kernel)
    await machine.run()
    measured = window(machine.log)
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


async def _play(task: RootTask, point: PingPoint, spent: list[int]) -> None:
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
